/**
 * The vocabulary of tandem.yaml: every key, what it accepts, its default and what it does. Compose's words where Compose has a
 * word. What is accepted by name only to be refused with a reason is in `refused.ts`.
 */
import {
  address,
  anyText,
  bool,
  duration,
  either,
  jsonPattern,
  list,
  mapped,
  mode,
  oneOf,
  oneOrList,
  port,
  positiveDuration,
  record,
  signal,
  text,
  urlOrPath,
  variables,
  wholeNumber,
  words,
} from './kinds.ts';
import { type KeyTable, type ObjectOf, object } from './object.ts';

/** Enough for any policy, and exact as a number. */
const most = 1_000_000;

export const httpKeys = {
  url: { accepts: urlOrPath, default: '', required: true, ours: true, effect: 'what is asked' },
  status: { accepts: wholeNumber(100, 599), default: 'any 2xx', ours: true, effect: 'the HTTP status that is healthy' },
  json: {
    accepts: jsonPattern,
    default: 'nothing that says it is unhealthy',
    ours: true,
    effect: 'must match the body: named keys, and for each element of a list one in the body',
  },
} as const satisfies KeyTable;

const httpSyntax = 'a URL, a path, or a map with url, status and json';
const http = either(
  [mapped(urlOrPath, (url) => ({ url }) as ObjectOf<typeof httpKeys>), object(httpKeys, httpSyntax)],
  httpSyntax,
);

const postgresSyntax = 'a postgres:// URL';
const redisSyntax = 'a redis:// or rediss:// URL';

/** The questions; one of them is asked. */
const questionKeys = {
  test: {
    accepts: either(
      [text('a command line for a shell'), list(anyText('a text'), 'a list')],
      'a text for a shell, or a list that begins with CMD, CMD-SHELL or NONE',
    ),
    default: '',
    effect:
      'a command that exits 0 if healthy: a text for /bin/sh -c, or a list that begins with CMD, CMD-SHELL or NONE',
  },
  http: {
    accepts: http,
    default: '',
    ours: true,
    effect: 'asked over HTTP, without a process; a path goes to ready.port',
  },
  tcp: { accepts: address, default: '', ours: true, effect: 'a connection succeeds; a port, or HOST:PORT' },
  postgres: {
    accepts: text(postgresSyntax),
    default: '',
    ours: true,
    effect: 'a PostgreSQL server at this URL takes sessions',
  },
  redis: { accepts: text(redisSyntax), default: '', ours: true, effect: 'a Redis server at this URL answers PING' },
  mcp: {
    accepts: urlOrPath,
    default: '',
    ours: true,
    effect: 'an MCP server at this URL or path answers `initialize`',
  },
} as const satisfies KeyTable;

const timingKeys = {
  interval: { accepts: positiveDuration, default: '10s (Compose: 30s)', effect: 'from the end of one try to the next' },
  timeout: {
    accepts: positiveDuration,
    default: '3s, at most interval (Compose: 30s)',
    effect: 'a try that takes longer has failed',
  },
  retries: {
    accepts: wholeNumber(1, most),
    default: '3 (Compose: 3)',
    effect: 'failures in a row that make it unhealthy',
  },
  success_threshold: {
    accepts: wholeNumber(1, most),
    default: '1',
    ours: true,
    effect: 'successes in a row that make it healthy again',
  },
} as const satisfies KeyTable;

export const healthcheckKeys = {
  ...questionKeys,
  ...timingKeys,
  start_period: {
    accepts: duration,
    default: '0s (Compose: 0s)',
    effect: 'added to the time that a start may take: see ready.timeout',
  },
  start_interval: {
    accepts: positiveDuration,
    default: '10ms growing to 250ms (Compose: 5s)',
    effect: 'between tries until the first success',
  },
  disable: { accepts: bool, default: 'false', effect: 'true: no healthcheck, as `test: [NONE]`' },
} as const satisfies KeyTable;

const livenessKeys = { ...questionKeys, ...timingKeys } as const satisfies KeyTable;

export const readyKeys = {
  port: { accepts: port, default: 'none', ours: true, effect: 'stage one: a process of this service listens there' },
  host: {
    accepts: text('an address or a host name'),
    default: 'localhost',
    ours: true,
    effect: 'the address of that port, where it is another than the loopback or all',
  },
  probe: {
    accepts: object(questionKeys, 'a map with one of test, http, tcp, postgres, redis, mcp'),
    default: 'none',
    ours: true,
    effect: 'asked once, between the port and the healthcheck, for what is too costly to ask for ever',
  },
  timeout: {
    accepts: positiveDuration,
    default: 'start_period + retries * (interval + timeout), at least 60s; a oneshot: none',
    ours: true,
    effect: 'from the start to ready, or to the end of a oneshot; longer: 69',
  },
  settle: {
    accepts: duration,
    default: '0s',
    ours: true,
    effect: 'the healthcheck must succeed again this much after its first success',
  },
} as const satisfies KeyTable;

export const restartKeys = {
  condition: {
    accepts: oneOf('no', 'on-failure', 'always', 'unless-stopped'),
    default: '',
    required: true,
    ours: true,
    effect: 'as the short form',
  },
  delay: {
    accepts: duration,
    default: '100ms',
    ours: true,
    effect: 'before the first restart; doubles, with full jitter',
  },
  max_delay: { accepts: duration, default: '10s', ours: true, effect: 'the longest delay' },
  max_restarts: {
    accepts: wholeNumber(0, most),
    default: '5',
    ours: true,
    effect: 'restarts within the window; one more is a failure',
  },
  window: { accepts: positiveDuration, default: '60s', ours: true, effect: 'in which restarts are counted' },
  reset_after: {
    accepts: duration,
    default: '10s',
    ours: true,
    effect: 'ready this long, it starts again with the first delay',
  },
} as const satisfies KeyTable;

export const dependencyKeys = {
  condition: {
    accepts: oneOf('service_started', 'service_healthy', 'service_completed_successfully', 'service_ended'),
    default: '',
    required: true,
    effect:
      "what the other service must be; `service_ended` (tandem's own): a oneshot that ended, whatever its exit code",
  },
  required: {
    accepts: bool,
    default: 'true',
    effect: 'false: it starts also where the other service is not there, not in an active profile, or has failed',
  },
  restart: { accepts: bool, default: 'false', effect: 'true is refused: a restart of one service restarts no other' },
} as const satisfies KeyTable;

export const envFileKeys = {
  path: { accepts: text('a path'), default: '', required: true, effect: 'the file' },
  required: { accepts: bool, default: 'true', effect: 'false: it may be missing' },
  format: {
    accepts: oneOf('dotenv', 'raw'),
    default: 'dotenv',
    effect: 'raw: everything behind = is the value, quotes included',
  },
} as const satisfies KeyTable;

const inheritKeys = {
  except: {
    accepts: list(text('a name'), 'a list of names'),
    default: '',
    required: true,
    ours: true,
    effect: 'the variables that the service does not inherit',
  },
} as const satisfies KeyTable;

const envFileSyntax = 'a path, or a list of paths or of maps with path, required and format';
const envFile = either(
  [mapped(text('a path'), (path) => ({ path }) as ObjectOf<typeof envFileKeys>), object(envFileKeys, envFileSyntax)],
  envFileSyntax,
);

const dependsSyntax = 'a list of services, or a map of service: {condition}';
const dependencies = either(
  [
    mapped(list(text('the name of a service'), dependsSyntax), (names) => {
      const entries = names.map((name) => [name, { condition: 'service_started' }] as const);
      return Object.fromEntries(entries) as Readonly<Record<string, ObjectOf<typeof dependencyKeys>>>;
    }),
    record(object(dependencyKeys, 'a map with condition'), dependsSyntax),
  ],
  dependsSyntax,
);

const restartSyntax = 'no, always, on-failure, on-failure:N, unless-stopped, or a map with condition';
const readySyntax = 'a port, or a map with port, host, probe, timeout and settle';
const inheritSyntax = 'true, false, a list of names, or a map with except';
const forwardSyntax = 'all, or a list of signals';

/** The keys of one service. */
export const serviceKeys = {
  command: {
    accepts: words,
    default: 'required, unless entrypoint is there',
    effect: 'what is run: a list of words, or a text that is split as a shell splits words; no shell is run',
  },
  entrypoint: { accepts: words, default: 'none', effect: 'words that come before those of command' },
  working_dir: { accepts: text('a path'), default: 'the directory of the file', effect: 'where it is run' },
  environment: {
    accepts: variables,
    default: 'none',
    effect:
      "variables of this service, above env_file; a name without a value is taken from tandem's environment, if it is there",
  },
  env_file: {
    accepts: oneOrList(envFile, envFileSyntax),
    default: 'none',
    effect: 'files of variables, later ones win; read by dotenv, nothing is expanded',
  },
  inherit_environment: {
    accepts: either([bool, list(text('a name'), inheritSyntax), object(inheritKeys, inheritSyntax)], inheritSyntax),
    default: 'true',
    ours: true,
    effect:
      "what it gets of tandem's own environment (never TANDEM_*, unless named): all, nothing, these, or all except these",
  },
  user: {
    accepts: text('uid, uid:gid, or names of a user and a group'),
    default: "TANDEM_USER, else tandem's own",
    effect:
      'who it runs as, with HOME the home of that user unless environment or env_file sets it; supplementary groups are those of /etc/group where no group is named',
  },
  group_add: {
    accepts: list(text('a group'), 'a list of groups'),
    default: 'none',
    effect: 'more supplementary groups, by name or number; with user',
  },
  log_format: {
    accepts: oneOf('raw', 'prefix', 'json'),
    default: 'TANDEM_OUTPUT',
    ours: true,
    effect: 'its output as it is, with its name before each line, or one JSON record a line',
  },
  no_new_privileges: {
    accepts: bool,
    default: 'false',
    ours: true,
    effect: 'true: none of its processes gains privileges by exec',
  },
  type: {
    accepts: oneOf('service', 'oneshot'),
    default: 'oneshot where another service waits for its completion, else service',
    ours: true,
    effect: 'a oneshot runs to its end, a service is not expected to end',
  },
  depends_on: {
    accepts: dependencies,
    default: 'none',
    effect: 'what must be there before it starts; it is stopped before they are',
  },
  ready: {
    accepts: either(
      [mapped(port, (number) => ({ port: number }) as ObjectOf<typeof readyKeys>), object(readyKeys, readySyntax)],
      readySyntax,
    ),
    default: 'ready when started, or when the healthcheck succeeds',
    ours: true,
    effect: 'when it is ready: its port is held by its own processes, then the healthcheck succeeds',
  },
  healthcheck: {
    accepts: object(healthcheckKeys, 'a map with test, http, tcp, postgres, redis or mcp'),
    default: 'none',
    effect: 'whether it is healthy: asked until it is, and then for ever',
  },
  liveness: {
    accepts: object(livenessKeys, 'a map with test, http, tcp, postgres, redis or mcp'),
    default: 'none',
    ours: true,
    effect: 'a service that fails this is stopped, and then restarted or given up (69)',
  },
  restart: {
    accepts: either([text(restartSyntax), object(restartKeys, restartSyntax)], restartSyntax),
    default: 'no',
    effect: 'when it is started again: no, always, on-failure, on-failure:N, unless-stopped, or a map',
  },
  essential: {
    accepts: bool,
    default: 'true',
    ours: true,
    effect: 'true: its end is the end of the container',
  },
  stop_signal: { accepts: signal, default: 'SIGTERM', effect: 'the signal that asks it to stop' },
  stop_grace_period: {
    accepts: positiveDuration,
    default: 'what TANDEM_STOP_TIMEOUT leaves; that follows where it is not set (Compose: 10s)',
    effect: 'the most that it may take to stop; then it is killed',
  },
  forward_signals: {
    accepts: either([mapped(oneOf('all'), () => 'all' as const), list(signal, forwardSyntax)], forwardSyntax),
    default: 'HUP and USR1 where the command is gunicorn, else none',
    ours: true,
    effect: 'signals that tandem hands on to it when it receives them',
  },
  profiles: {
    accepts: list(text('a name'), 'a list of names'),
    default: 'none: always active',
    effect: 'it is run only if one of these is active (--profile, TANDEM_PROFILES)',
  },
  external: {
    accepts: bool,
    default: 'false',
    ours: true,
    effect: 'true: somebody else runs it; it is waited for until the healthcheck succeeds, and needs no command',
  },
  skip: {
    accepts: text('the reason'),
    default: 'none',
    ours: true,
    effect: 'why it is not run; it then counts as there for all that depend on it',
  },
  hint: {
    accepts: text('a text'),
    default: 'none',
    ours: true,
    effect: 'what else to say where its command is not found',
  },
} as const satisfies KeyTable;

export const fileKeys = {
  path: { accepts: text('a path'), default: '', required: true, ours: true, effect: 'the file' },
  format: {
    accepts: oneOf('json', 'yaml'),
    default: 'by the end of its name: .json, .yaml, .yml',
    ours: true,
    effect: 'its content must be valid',
  },
} as const satisfies KeyTable;

export const directoryKeys = {
  path: { accepts: text('a path'), default: '', required: true, ours: true, effect: 'the directory' },
  owner: {
    accepts: text('uid, uid:gid, or names'),
    default: 'as it is',
    ours: true,
    effect: 'whose it must be, with all that is in it; root makes it so, others do not look',
  },
  mode: { accepts: mode, default: 'as it is', ours: true, effect: 'its permissions, in octal; made so' },
  create: { accepts: bool, default: 'false', ours: true, effect: 'true: it is made where it is missing' },
} as const satisfies KeyTable;

/** A path alone, or a map with it. */
function pathOr<T extends KeyTable & { readonly path: unknown }>(table: T, accepted: string) {
  const short = mapped(text('a path'), (path) => ({ path }) as unknown as ObjectOf<T>);
  return list(either([short, object(table, accepted)], accepted), `a list; each: ${accepted}`);
}

export const preflightKeys = {
  env: {
    accepts: list(text('a name'), 'a list of names'),
    default: 'none',
    ours: true,
    effect: "variables that must be set and not empty, in tandem's environment or in .env beside the file",
  },
  files: {
    accepts: pathOr(fileKeys, 'a path, or a map with path and format'),
    default: 'none',
    ours: true,
    effect: 'files that must be there',
  },
  directories: {
    accepts: pathOr(directoryKeys, 'a path, or a map with path, owner, mode and create'),
    default: 'none',
    ours: true,
    effect: 'directories that must be there and writable',
  },
  commands: {
    accepts: list(text('a command'), 'a list of commands'),
    default: 'none',
    ours: true,
    effect: 'programs that must be there and executable: names in PATH, or paths',
  },
} as const satisfies KeyTable;

const urls = oneOrList(text('a URL'), 'a URL, or a list of URLs');

export const waitKeys = {
  urls: { accepts: urls, default: '', required: true, ours: true, effect: 'what must answer' },
  timeout: { accepts: positiveDuration, default: '60s', ours: true, effect: 'the most that it is waited for; then 69' },
} as const satisfies KeyTable;

const waitSyntax = 'a URL, a list of URLs, or a map with urls and timeout';

/** The keys at the top. The kinds of `services` are checked key by key, so that one mistake hides no other. */
export const stackKeys = {
  name: { accepts: text('a name'), default: 'none', effect: 'what the stack is called' },
  services: {
    accepts: record(object(serviceKeys, 'a map with command'), 'a map of services'),
    default: '',
    required: true,
    effect: 'what is run, by name: lower-case letters, digits, - and _',
  },
  preflight: {
    accepts: object(preflightKeys, 'a map with env, files, directories and commands'),
    default: 'none',
    ours: true,
    effect: 'what must be there before anything starts',
  },
  wait_for: {
    accepts: either(
      [mapped(urls, (given) => ({ urls: given }) as ObjectOf<typeof waitKeys>), object(waitKeys, waitSyntax)],
      waitSyntax,
    ),
    default: 'none',
    ours: true,
    effect: 'what must answer before anything starts: postgres, redis, http, https and tcp URLs',
  },
  version: { accepts: text('a text'), default: 'none', effect: 'obsolete in Compose, and without effect' },
} as const satisfies KeyTable;

export type ServiceInput = ObjectOf<typeof serviceKeys>;
export type HealthcheckInput = ObjectOf<typeof healthcheckKeys>;
export type LivenessInput = ObjectOf<typeof livenessKeys>;
export type QuestionInput = ObjectOf<typeof questionKeys>;
export type ReadyInput = ObjectOf<typeof readyKeys>;
export type PreflightInput = ObjectOf<typeof preflightKeys>;
