/** The fleet's configuration as tables: what is accepted, the defaults, and the sentence for the documentation. */
import {
  anyText,
  bool,
  duration,
  list,
  oneOf,
  port,
  positiveDuration,
  record,
  text,
  variables,
  wholeNumber,
  words,
} from '../../config/stack/kinds.ts';
import { type KeyTable, type ObjectOf, object } from '../../config/stack/object.ts';
import { strategies } from '../strategy.ts';
import { absolutePath, cpus, image, memory, volumes } from './kinds.ts';

const limitKeys = {
  memory: { accepts: memory, default: '512m; 128m if lightweight', effect: 'memory, without swap on top of it' },
  cpus: { accepts: cpus, default: '1; 0.25 if lightweight', effect: 'processors' },
  pids: {
    accepts: wholeNumber(1, 32_768),
    default: '256; 64 if lightweight',
    ours: true,
    effect: 'processes and threads',
  },
} as const satisfies KeyTable;

const windowKeys = {
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

const strategyKind = oneOf(...strategies);

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
    accepts: text('a path as in /mcp'),
    default: '`/mcp`',
    ours: true,
    effect: 'where MCP is, with `transport: http`',
  },
  secrets: {
    accepts: record(absolutePath, 'a map of NAME: /path/of/a/file'),
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
  user: { accepts: text('a user as in 1000:1000'), default: "the image's", ours: true, effect: 'who it runs as' },
} as const satisfies KeyTable;

const engineKeys = {
  socketPath: {
    accepts: absolutePath,
    default: '`DOCKER_HOST`, or /var/run/docker.sock',
    effect: 'where the engine is',
  },
  imagePrefix: {
    accepts: text('a prefix as in mcp-servers'),
    default: '`mcp-servers`',
    effect: 'what stands before the name of an image that is not given',
  },
  networkName: {
    accepts: text('a name'),
    default: '`mcp-hub-network`',
    effect: 'the network of all containers, created if it is not there',
  },
  cleanupOnShutdown: {
    accepts: bool,
    default: 'true',
    effect: 'whether containers are taken away when the fleet ends',
  },
  fleetName: {
    accepts: text('a name'),
    default: '`networkName`',
    ours: true,
    effect: 'whose the containers are, where several fleets share an engine',
  },
} as const satisfies KeyTable;

export const dockerKeys = {
  enabled: { accepts: bool, default: 'false', effect: 'whether anything is done at all' },
  strategy: { accepts: strategyKind, default: '`on-demand`', effect: 'the strategy of servers that have none' },
  maxContainers: { accepts: wholeNumber(1, 1_000), default: '20', effect: 'how many may run at once' },
  dockerConfig: { accepts: object(engineKeys, 'a map'), default: 'see its keys', effect: 'the engine' },
  serverConfigs: {
    accepts: record(object(serverKeys, 'a map'), 'a map of servers'),
    default: 'none',
    effect: 'the servers, by name',
  },
  allowedVolumes: {
    accepts: list(absolutePath, 'a list of absolute paths'),
    default: 'none',
    ours: true,
    effect: 'below these host directories servers may have volumes',
  },
  idleTimeout: { accepts: positiveDuration, default: '5m', ours: true, effect: 'for servers that have none' },
  startTimeout: { accepts: positiveDuration, default: '60s', ours: true, effect: 'for servers that have none' },
  sessionTimeout: {
    accepts: positiveDuration,
    default: '30m',
    ours: true,
    effect: 'when a session of which nothing is heard is over: most clients go without a word',
  },
  stopTimeout: { accepts: duration, default: '10s', ours: true, effect: 'for servers that have none' },
} as const satisfies KeyTable;

/** Keys of the file that are the hub's: the fleet shares its configuration. */
export const hubKeys = ['mcpServers', 'servers', 'inputs', '$schema'] as const;

export const fleetKeys = {
  docker: {
    accepts: object(dockerKeys, 'a map with enabled and serverConfigs'),
    default: '',
    required: true,
    effect: 'the fleet',
  },
} as const satisfies KeyTable;

/** Whatever the hub makes of them. */
export const anything = anyText('anything');

export type DockerInput = ObjectOf<typeof dockerKeys>;
export type ServerInput = ObjectOf<typeof serverKeys>;
