/** What one server of the fleet may have in the configuration, as tables: see `keys.ts`. */
import { list, oneOf, text, variables, words } from '../../config/stack/kinds.ts';
import { type KeyTable, type ObjectOf, object } from '../../config/stack/object.ts';
import { strategies } from '../strategy.ts';
import {
  bool,
  cpus,
  duration,
  image,
  memory,
  port,
  positiveDuration,
  secrets,
  urlPath,
  user,
  volumes,
  wholeNumber,
} from './kinds.ts';

export const limitKeys = {
  memory: { accepts: memory, default: '512m; 128m if lightweight', effect: 'memory, without swap on top of it' },
  cpus: { accepts: cpus, default: '1; 0.25 if lightweight', effect: 'processors' },
  pids: {
    accepts: wholeNumber(1, 32_768),
    default: '256; 64 if lightweight',
    ours: true,
    effect: 'processes and threads',
  },
} as const satisfies KeyTable;

export const windowKeys = {
  cron: {
    accepts: text('a cron expression as in "0 8 * * 1-5"'),
    default: '',
    required: true,
    ours: true,
    effect: 'when the window opens',
  },
  duration: { accepts: positiveDuration, default: '', required: true, ours: true, effect: 'how long it stays open' },
  timezone: {
    accepts: text('a time zone as in Europe/Berlin'),
    default: "the fleet's own",
    ours: true,
    effect: 'the time zone of `cron`',
  },
} as const satisfies KeyTable;

export const strategyKind = oneOf(...strategies);

export const serverKeys = {
  image: { accepts: image, default: '`imagePrefix`/NAME', effect: 'what is run' },
  strategy: { accepts: strategyKind, default: '`docker.strategy`', effect: 'when it runs' },
  volumes: {
    accepts: volumes,
    default: 'none',
    effect: 'host directories in the container; each below one of `allowedVolumes`',
  },
  environment: {
    accepts: variables,
    default: 'none',
    effect: "the container's variables; secrets belong into `secrets`",
  },
  resourceLimits: {
    accepts: object(limitKeys, 'a map with memory, cpus and pids'),
    default: 'see its keys',
    effect: 'what it may take',
  },
  lightweight: { accepts: bool, default: 'false', effect: 'a small server: smaller default limits' },
  command: { accepts: words, default: "the image's", ours: true, effect: 'what is run in the container' },
  transport: {
    accepts: oneOf('stdio', 'http'),
    default: '`stdio`',
    ours: true,
    effect: 'how it is spoken to: over stdin and stdout, or streamable HTTP',
  },
  port: { accepts: port, default: '3000', ours: true, effect: 'where it listens, with `transport: http`' },
  path: {
    accepts: urlPath,
    default: '`/mcp`',
    ours: true,
    effect: 'where MCP is, with `transport: http`',
  },
  secrets: {
    accepts: secrets,
    default: 'none',
    ours: true,
    effect: 'files that become variables of the container; their values are shown nowhere',
  },
  schedule: {
    accepts: list(object(windowKeys, 'a map with cron and duration'), 'a list of windows'),
    default: 'none',
    ours: true,
    effect: 'the windows of the strategy `scheduled`',
  },
  idleTimeout: {
    accepts: positiveDuration,
    default: '`docker.idleTimeout`',
    ours: true,
    effect: 'how long an on-demand server stays when nothing is open',
  },
  startTimeout: {
    accepts: positiveDuration,
    default: '`docker.startTimeout`',
    ours: true,
    effect: 'by then it answers, or the start has failed',
  },
  stopTimeout: {
    accepts: duration,
    default: '`docker.stopTimeout`',
    ours: true,
    effect: 'what it gets to end by itself',
  },
  readOnly: {
    accepts: bool,
    default: 'true',
    ours: true,
    effect: 'whether its root is read-only; `/tmp` can always be written',
  },
  user: { accepts: user, default: "the image's", ours: true, effect: 'who it runs as' },
} as const satisfies KeyTable;

export type ServerInput = ObjectOf<typeof serverKeys>;
