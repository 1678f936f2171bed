/**
 * Every variable that tandem reads, as one table: the values it accepts, its default, its unit, and what it does. The
 * values are checked by it; the README's table and `.env.example` are checked against it by a test.
 */
import type { PresetName } from './config.ts';
import {
  absolutePath,
  appModule,
  command,
  dependencies,
  duration,
  fileLimit,
  flag,
  host,
  httpPath,
  httpUrl,
  type Kind,
  type Meaning,
  memory,
  variableNames as namesOfVariables,
  oneOf,
  path,
  pathList,
  port,
  portOrNone,
  positiveDuration,
  profileList,
  Refusal,
  text,
  user,
  variableList,
  wholeNumber,
} from './values.ts';

/** Whose .env file may set it besides the environment; `tandem`: none. */
export type Owner = 'tandem' | 'hub' | 'gateway';

export interface Variable {
  readonly accepts: Kind;
  readonly owner: Owner;
  /** As an operator would write it; one for all presets or one for each. Absent: `unset` says what happens. */
  readonly default?: string | Readonly<Record<PresetName, string>>;
  /** What stands for a default in the documentation. */
  readonly unset?: string;
  /** Empty where there is none. */
  readonly unit: string;
  readonly effect: string;
  /** Set but empty is a value of its own. Elsewhere it is the same as not set. */
  readonly emptyMeansNone?: true;
  /** The name under which the service itself knows it: in its own .env file, and behind HUB_ENV_ or GW_ENV_. */
  readonly ownName?: string;
}

/** Enough for any server, and exact as a number. */
const mostRequests = 1_000_000_000;

/** The same knobs for both services; `HUB_` and `GW_` before each name. */
function serverKnobs<P extends 'HUB' | 'GW'>(prefix: P, owner: Owner, who: string) {
  const knobs = {
    WORKERS: {
      accepts: wholeNumber(1, 1_024),
      unset: 'from CPU and memory',
      unit: 'processes',
      effect: `workers of the ${who}`,
    },
    TIMEOUT: {
      accepts: duration,
      default: '60',
      unit: 's',
      effect: `a worker of the ${who} silent this long is replaced; 0: never`,
    },
    GRACEFUL_TIMEOUT: {
      accepts: positiveDuration,
      unset: 'from TANDEM_STOP_TIMEOUT',
      unit: 's',
      effect: `how long requests in flight may take when the ${who} stops`,
    },
    KEEPALIVE: {
      accepts: duration,
      default: '5',
      unit: 's',
      effect: `idle connections of the ${who} are kept this long`,
    },
    MAX_REQUESTS: {
      accepts: wholeNumber(0, mostRequests),
      default: '1000',
      unit: 'requests',
      effect: `a worker of the ${who} is replaced after so many; 0: never`,
    },
    MAX_REQUESTS_JITTER: {
      accepts: wholeNumber(0, mostRequests),
      default: '100',
      unit: 'requests',
      effect: 'up to so many more, at random, so that not all workers are replaced at once',
    },
    PRELOAD: {
      accepts: flag,
      default: 'false',
      unit: '',
      effect: `load the ${who}'s application once, before its workers`,
    },
    LOG_LEVEL: {
      accepts: oneOf('debug', 'info', 'warning', 'error', 'critical'),
      default: 'info',
      unit: '',
      effect: `log level of the ${who}'s server`,
    },
    ACCESS_LOGFILE: { accepts: text, default: '-', unit: '', effect: `access log of the ${who}; -: stdout` },
    ERROR_LOGFILE: { accepts: text, default: '-', unit: '', effect: `error log of the ${who}; -: stderr` },
  } as const;
  const entries = Object.entries(knobs).map(([name, knob]) => [`${prefix}_${name}`, { ...knob, owner }]);
  return Object.fromEntries(entries) as {
    readonly [K in keyof typeof knobs as `${P}_${K}`]: (typeof knobs)[K] & { readonly owner: Owner };
  };
}

export const variables = {
  TANDEM_PRESET: {
    accepts: oneOf('embedded', 'matrix'),
    owner: 'tandem',
    unset: './tandem.yaml, else by what is found',
    unit: '',
    effect:
      'which services are run: the embedded npm pair, or Matrix Hub and MCP-Gateway (Python); flags and TANDEM_CONFIG win',
  },
  TANDEM_CONFIG: {
    accepts: path,
    owner: 'tandem',
    unset: './tandem.yaml, .yml or .json, where there is one and no preset is named',
    unit: '',
    effect:
      'a file that says which services are run (docs/tandem-yaml.md); wins over TANDEM_PRESET; --config and --preset win',
  },
  TANDEM_PROFILES: {
    accepts: profileList,
    owner: 'tandem',
    unset: 'none',
    unit: '',
    effect: 'the active profiles of that file, with commas between; *: all; --profile adds to them',
  },
  TANDEM_STOP_TIMEOUT: {
    accepts: positiveDuration,
    owner: 'tandem',
    unset: '9, or what graceful timeouts and stop_grace_periods that are set need',
    unit: 's',
    effect: 'from the stop signal to the end of the last service; what still lives then is killed',
  },
  TANDEM_DRAIN_DELAY: {
    accepts: duration,
    owner: 'tandem',
    default: '0',
    unit: 's',
    effect: 'from the drop of readiness to the first stop signal, for load balancers; part of the stop timeout',
  },
  TANDEM_OUTPUT: {
    accepts: oneOf('raw', 'prefix', 'json'),
    owner: 'tandem',
    unset: 'prefix on a terminal, else raw',
    unit: '',
    effect: "the services' output: as it is, with the service's name before each line, or one JSON record a line",
  },
  TANDEM_LOG_LEVEL: {
    accepts: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    owner: 'tandem',
    default: 'info',
    unit: '',
    effect: "tandem's own records",
  },
  TANDEM_LOG_FORMAT: {
    accepts: oneOf('pretty', 'json'),
    owner: 'tandem',
    unset: 'pretty on a terminal, else json',
    unit: '',
    effect: "tandem's own records on stderr",
  },
  TANDEM_HEALTH_HOST: {
    accepts: host,
    owner: 'tandem',
    default: '127.0.0.1',
    unit: '',
    effect: 'where /livez, /readyz, /healthz, /health and /metrics are served',
  },
  TANDEM_HEALTH_PORT: {
    accepts: portOrNone,
    owner: 'tandem',
    default: '7399',
    unit: '',
    effect: 'their port; empty: none, the control socket alone answers',
    emptyMeansNone: true,
  },
  TANDEM_RUNTIME_DIR: {
    accepts: absolutePath,
    owner: 'tandem',
    unset: '/run/tandem, $XDG_RUNTIME_DIR/tandem or /tmp/tandem-UID',
    unit: '',
    effect: 'directory of the control socket',
  },
  TANDEM_USER: {
    accepts: user,
    owner: 'tandem',
    unset: "tandem's own",
    unit: '',
    effect:
      'who the services are where tandem is root: name or uid, also user:group; without effect where it is not; user: of a tandem.yaml wins',
  },
  TANDEM_FILE_VARS: {
    accepts: variableList,
    owner: 'tandem',
    unset: 'names that look secret, and *_URL',
    unit: '',
    effect: 'more names X for which X_FILE is read into X; -X: X_FILE is left as it is',
  },
  TANDEM_NOFILE: {
    accepts: fileLimit,
    owner: 'tandem',
    unset: 'the one that tandem was started with, as far as it can be known',
    unit: 'open files',
    effect: "the services' soft limit, at most the hard one; noted by the image's entry point",
  },
  HEALTHCHECK_DEBUG: {
    accepts: flag,
    owner: 'tandem',
    default: 'false',
    unit: '',
    effect: '`tandem health` shows each try',
  },
  TANDEM_DATA_DIR: {
    accepts: path,
    owner: 'tandem',
    default: 'data',
    unit: '',
    effect: 'what the embedded pair writes goes below it',
  },
  HOST: {
    accepts: host,
    owner: 'hub',
    ownName: 'HOST',
    default: { embedded: '127.0.0.1', matrix: '0.0.0.0' },
    unit: '',
    effect: 'where the hub listens; the embedded hub has no authentication',
  },
  PORT: { accepts: port, owner: 'hub', ownName: 'PORT', default: '7300', unit: '', effect: "the hub's port" },
  GW_HOST: {
    accepts: host,
    owner: 'gateway',
    ownName: 'HOST',
    default: { embedded: '127.0.0.1', matrix: '0.0.0.0' },
    unit: '',
    effect: "where the gateway listens; HOST in the gateway's own .env",
  },
  GW_PORT: {
    accepts: port,
    owner: 'gateway',
    ownName: 'PORT',
    default: '4444',
    unit: '',
    effect: "the gateway's port; PORT in the gateway's own .env",
  },
  HUB_COMMAND: {
    accepts: command,
    owner: 'hub',
    unset: "the preset's",
    unit: '',
    effect: 'replaces the whole command of the hub; split as a shell splits words, no shell is run',
  },
  GW_COMMAND: {
    accepts: command,
    owner: 'gateway',
    unset: "the preset's",
    unit: '',
    effect: 'the same for the gateway',
  },
  HUB_HEALTH_PATH: {
    accepts: httpPath,
    owner: 'hub',
    unset: "/health; the embedded hub's own",
    unit: '',
    effect: 'asked over HTTP once the port of the hub is open; empty: the port alone',
    emptyMeansNone: true,
  },
  GW_HEALTH_PATH: {
    accepts: httpPath,
    owner: 'gateway',
    unset: "/health; the embedded gateway's own",
    unit: '',
    effect: 'the same for the gateway',
    emptyMeansNone: true,
  },
  HUB_READY_TIMEOUT: {
    accepts: positiveDuration,
    owner: 'hub',
    default: '60',
    unit: 's',
    effect: 'the hub must be ready this long after its start, else tandem ends with 69',
  },
  GW_READY_TIMEOUT: {
    accepts: positiveDuration,
    owner: 'gateway',
    default: '60',
    unit: 's',
    effect: 'the same for the gateway',
  },
  HUB_SKIP_START: { accepts: flag, owner: 'tandem', default: 'false', unit: '', effect: 'do not run the hub' },
  GATEWAY_SKIP_START: {
    accepts: flag,
    owner: 'tandem',
    default: 'false',
    unit: '',
    effect: 'do not run the gateway; MCP_GATEWAY_URL names another one',
  },
  GATEWAY_WAIT: {
    accepts: flag,
    owner: 'tandem',
    default: 'false',
    unit: '',
    effect: 'with GATEWAY_SKIP_START: the hub waits until MCP_GATEWAY_URL answers; 69 after GW_READY_TIMEOUT',
  },
  GW_REUSE: {
    accepts: flag,
    owner: 'tandem',
    default: 'false',
    unit: '',
    effect: "use what listens on the gateway's port already, unsupervised; false: that is an error, 69",
  },
  GW_ALLOW_INSECURE: {
    accepts: flag,
    owner: 'gateway',
    default: 'false',
    unit: '',
    effect: 'start MCP-Gateway also with secrets that are publicly known, for development; false: that is an error, 78',
  },
  MCP_GATEWAY_URL: {
    accepts: httpUrl,
    owner: 'hub',
    ownName: 'MCP_GATEWAY_URL',
    unset: 'the gateway that is started',
    unit: '',
    effect: 'where the hub finds the gateway',
  },
  REQUIRE_ENV: {
    accepts: namesOfVariables,
    owner: 'tandem',
    unset: 'none',
    unit: '',
    effect: "variables that must be set, in the environment or in a service's .env file; else 78",
  },
  REQUIRE_FILES: {
    accepts: pathList,
    owner: 'tandem',
    unset: 'none',
    unit: '',
    effect: 'files that must be there; .json, .yaml and .yml must be valid; else 78',
  },
  REQUIRE_DIRS: {
    accepts: pathList,
    owner: 'tandem',
    unset: 'none',
    unit: '',
    effect:
      'directories that must be writable by the services; made if missing, and given to TANDEM_USER by root; else 78',
  },
  REQUIRE_COMMANDS: {
    accepts: pathList,
    owner: 'tandem',
    unset: 'none',
    unit: '',
    effect: 'commands that must be there and executable; else 127 or 126, with other problems 78',
  },
  MCP_HUB_CONFIG: {
    accepts: path,
    owner: 'hub',
    ownName: 'MCP_HUB_CONFIG',
    unset: 'none',
    unit: '',
    effect: "the hub's JSON file; must be there and valid, else 78",
  },
  WAIT_FOR: {
    accepts: dependencies,
    owner: 'tandem',
    unset: 'nothing',
    unit: '',
    effect:
      'what must answer before anything starts, migrations included: postgres://, redis://, rediss://, http(s):// and tcp://HOST:PORT URLs, with commas or blanks between',
  },
  WAIT_FOR_TIMEOUT: {
    accepts: positiveDuration,
    owner: 'tandem',
    default: '60',
    unit: 's',
    effect: 'what has not answered this long after the start ends tandem with 69',
  },
  HUB_MIGRATE: {
    accepts: oneOf('auto', 'off', 'required'),
    owner: 'hub',
    default: 'auto',
    unit: '',
    effect: 'migrations before anything starts: if there are any, never, or refuse to start without',
  },
  MIGRATE_COMMAND: {
    accepts: command,
    owner: 'hub',
    unset: 'alembic upgrade head, where the hub has alembic',
    unit: '',
    effect: "the migrations' command, in the hub's directory and environment",
  },
  MIGRATE_TIMEOUT: {
    accepts: positiveDuration,
    owner: 'hub',
    default: '600',
    unit: 's',
    effect: 'migrations that take longer end tandem with 69',
  },
  MIGRATE_ON_FAILURE: {
    accepts: oneOf('fail', 'warn'),
    owner: 'hub',
    default: 'fail',
    unit: '',
    effect: 'failed migrations end tandem with their code, or are reported and passed over',
  },
  APP_ROOT: { accepts: path, owner: 'tandem', default: '/app', unit: '', effect: "Matrix Hub's directory" },
  HUB_VENV: {
    accepts: path,
    owner: 'tandem',
    unset: 'APP_ROOT/.venv',
    unit: '',
    effect: "the hub's virtual environment",
  },
  GATEWAY_DIR: {
    accepts: path,
    owner: 'tandem',
    unset: 'APP_ROOT/mcpgateway',
    unit: '',
    effect: "MCP-Gateway's directory",
  },
  GATEWAY_VENV: {
    accepts: path,
    owner: 'tandem',
    unset: 'GATEWAY_DIR/.venv',
    unit: '',
    effect: "the gateway's virtual environment",
  },
  HUB_ENV_FILE: {
    accepts: path,
    owner: 'tandem',
    unset: 'APP_ROOT/.env (matrix), none (embedded)',
    unit: '',
    effect: 'variables for the hub alone; the environment beats it',
  },
  GATEWAY_ENV_FILE: {
    accepts: path,
    owner: 'tandem',
    unset: 'GATEWAY_DIR/.env (matrix), none (embedded)',
    unit: '',
    effect: 'variables for the gateway alone; it beats the environment',
  },
  APP_MODULE: {
    accepts: appModule,
    owner: 'hub',
    default: 'src.app:app',
    unit: '',
    effect: "the hub's ASGI application",
  },
  GW_APP_MODULE: {
    accepts: appModule,
    owner: 'gateway',
    default: 'mcpgateway.main:app',
    unit: '',
    effect: "the gateway's ASGI application",
  },
  WORKER_MEMORY: {
    accepts: memory,
    owner: 'tandem',
    default: '256m',
    unit: 'bytes, or k, m, g',
    effect: 'what one worker is expected to take, where the number of workers is found out',
  },
  ...serverKnobs('HUB', 'hub', 'hub'),
  ...serverKnobs('GW', 'gateway', 'gateway'),
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof variables;

type Table = typeof variables;

/** Every variable's value; `undefined` is possible only where there is no default. */
export type Values = {
  readonly [K in VariableName]: Table[K] extends { readonly default: unknown }
    ? Meaning<Table[K]['accepts']>
    : Meaning<Table[K]['accepts']> | undefined;
};

/** The texts that were found, defaults included. */
export type Texts = Readonly<Partial<Record<VariableName, string>>>;

/** The names in the table's order. */
export const variableNames = Object.keys(variables) as VariableName[];

/** Those that every run goes by; the others are for the presets. */
export function isForEveryRun(name: VariableName): boolean {
  return /^(TANDEM_(?!PRESET|DATA_DIR)|HEALTHCHECK_|WAIT_FOR|REQUIRE_)/.test(name);
}

/** The row of one variable. */
export function variable(name: VariableName): Variable {
  return variables[name];
}

/** What is accepted instead, for every text that is not. */
export type Refusals = readonly { readonly name: VariableName; readonly accepted: string }[];

/** All values, or all that is refused. */
export type Parsed = { readonly values: Values } | { readonly refusals: Refusals };

/** Checks all texts at once. */
export function parseValues(texts: Texts): Parsed {
  const values: Partial<Record<VariableName, unknown>> = {};
  const refusals: Refusals[number][] = [];
  for (const name of variableNames) {
    const text = texts[name];
    if (text === undefined) continue;
    const value = variable(name).accepts(text);
    if (value instanceof Refusal) refusals.push({ name, accepted: value.accepted });
    else values[name] = value;
  }
  // The values are made by the table, and so is the type; the compiler cannot follow through the loop.
  return refusals.length > 0 ? { refusals } : { values: values as Values };
}
