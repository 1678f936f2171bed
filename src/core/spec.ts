/**
 * ServiceSpec: one thing to run, as data. Presets and configuration make specs; the plan checks and orders them.
 *
 * A spec is complete: the environment is the child's whole environment and every path is absolute, so that nothing
 * below this line reads `process.env` or the working directory. All times are milliseconds.
 */

/** A name as Node spells it, for example `SIGTERM`. A string, because core may not ask Node which ones exist. */
export type SignalName = `SIG${string}`;

/**
 * What a service needs of another one before it starts. Compose's words for the first three are `service_started`,
 * `service_healthy` and `service_completed_successfully`; `ended` is met by a oneshot whatever came of it, and by a
 * service like `ready`.
 */
export type DependencyCondition = 'started' | 'ready' | 'completed' | 'ended';

/** An address where a service listens, or where it is asked. Host is a literal address or a name; IPv6 without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a protocol probe connects: an address, or the path of a Unix socket. */
export type Endpoint = Address | { readonly path: string };

/** A partial pattern for a JSON body: objects match if every named key does; an array, if each element finds a match. */
export type JsonPattern =
  | string
  | number
  | boolean
  | null
  | readonly JsonPattern[]
  | { readonly [key: string]: JsonPattern };

/** One question put to a service. */
export type ProbeSpec =
  /**
   * `status`: the accepted HTTP status; default any 2xx. Redirects are not followed.
   * `json`: the body must match. Without it, a JSON object that says of itself that it is unhealthy is still a failure
   * (`status` is a word other than healthy, ok, up, pass, completed, skipped).
   */
  | { readonly kind: 'http'; readonly url: string; readonly status?: number; readonly json?: JsonPattern }
  /** The TCP handshake succeeds. */
  | { readonly kind: 'tcp'; readonly address: Address }
  /** The command exits 0. It runs as the service does (directory, environment, user, limits), in a session of its own. */
  | { readonly kind: 'exec'; readonly command: readonly [string, ...string[]] }
  /** The server answers an MCP `initialize` over streamable HTTP; the session is closed again. */
  | { readonly kind: 'mcp'; readonly url: string }
  | PostgresProbe
  | RedisProbe;

/**
 * A PostgreSQL server takes sessions, as `pg_isready` understands it: that the user or the database is unknown, or a
 * password is asked for, is for the client to solve. No password is sent.
 */
export interface PostgresProbe {
  readonly kind: 'postgres';
  readonly endpoint: Endpoint;
  /** Default `postgres`. */
  readonly user?: string;
  /** Default: the user's name. */
  readonly database?: string;
}

/** A Redis server answers PING, or would if it had a password. One that still loads its data is not ready. */
export interface RedisProbe {
  readonly kind: 'redis';
  readonly endpoint: Endpoint;
  /** `unverified`: the certificate is not checked. Absent: no TLS. */
  readonly tls?: 'verified' | 'unverified';
  readonly username?: string;
  /** It is sent, and a wrong one is a failure. Absent: asked without, and being asked for one is an answer. */
  readonly password?: string;
}

/** How often a probe is asked and how many answers in a row count. Kubernetes and Compose use the same words. */
export interface ProbeTiming {
  /** From the end of one try to the start of the next. Default 10 000. */
  readonly intervalMs: number;
  /** One try's limit. Tries never overlap, so it may be longer than the interval. Default 3 000. */
  readonly timeoutMs: number;
  /** Failures in a row that turn ready into unready. Default 3. */
  readonly failureThreshold: number;
  /** Successes in a row that turn unready into ready. Default 1. */
  readonly successThreshold: number;
  /** From the end of one try to the start of the next until the first success. Absent: 10, growing to 250. */
  readonly startIntervalMs?: number;
}

/** When a service counts as ready: first its port is held by its own processes, then its probes answer. */
export interface ReadinessSpec {
  /** Stage one. Absent: no port is looked at. */
  readonly port?: Address;
  /** Stage two, asked once at start before `probe`, for what is too costly to ask for ever. */
  readonly startProbe?: ProbeSpec;
  /** Stage two, and then for as long as the service lives. Absent: a service with a port is asked by `tcp` once it is ready. */
  readonly probe?: ProbeSpec;
  /** After the first success, `probe` must succeed again this much later: one of several workers may crash meanwhile. Default 0. */
  readonly settleMs?: number;
  readonly timing: ProbeTiming;
  /** From spawn to ready, all stages. A service that is later fails with `start-timeout`. */
  readonly startTimeoutMs: number;
}

/** A service that is lost for good by this probe is stopped (`unhealthy`) and then restarted or given up. */
export interface LivenessSpec {
  readonly probe: ProbeSpec;
  readonly timing: ProbeTiming;
}

/** When an ended service is started again. */
export interface RestartPolicy {
  /** Compose's words. `on-failure`: any exit but 0. */
  readonly condition: 'no' | 'on-failure' | 'always';
  /** First delay; doubles with every restart up to `maxDelayMs`, with full jitter. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** A service that was ready this long, in one piece, starts again with the first delay. */
  readonly resetAfterMs: number;
  /** At most this many restarts within `windowMs`; one more is a failure. */
  readonly maxRestarts: number;
  readonly windowMs: number;
}

/** Identity of the service's processes. Absent: tandem's own. */
export interface UserSpec {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

/** Who tandem is, which decides whom it can run a service as. */
export interface Self {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary ones. */
  readonly groups: readonly number[];
  /** Of CAP_SETUID, CAP_SETGID and CAP_KILL those that it does not have; may be found out when it is read. */
  readonly missingCapabilities: readonly string[];
}

/** How a service's processes are set up; what Node cannot do itself is done by the exec helper. */
export interface ProcessSpec {
  /** `argv`; the first word is looked up in the PATH of `environment`. */
  readonly command: readonly [string, ...string[]];
  /** Absolute path. */
  readonly cwd: string;
  /** The whole environment of the child. */
  readonly environment: Readonly<Record<string, string>>;
  readonly user?: UserSpec;
  /**
   * `service`: a session of its own, stdin from /dev/null. `foreground`: a group of its own in tandem's session,
   * stdin inherited, and the terminal, where there is one, handed to it.
   */
  readonly attachment: 'service' | 'foreground';
  /** What else an operator should know where the command is not found; it follows the message. */
  readonly hint?: string;
  /** Forbids gaining privileges by exec (`PR_SET_NO_NEW_PRIVS`). Default false. */
  readonly noNewPrivileges?: boolean;
}

/**
 * How a service's output is handed on: `raw`, tandem's own descriptors; `prefix`, its name before each line; `json`, a
 * record a line.
 */
export type OutputMode = 'raw' | 'prefix' | 'json';

/** One thing to run. */
export interface ServiceSpec {
  /** Lower-case letters, digits, `-` and `_`; unique in a plan. */
  readonly name: string;
  /** A `oneshot` runs to its end (`completed`), a `service` is not expected to end. */
  readonly type: 'service' | 'oneshot';
  readonly process: ProcessSpec;
  readonly dependsOn: Readonly<Record<string, DependencyCondition>>;
  /** Names of `dependsOn` without which it starts, too, once they have ended or failed. Default none. */
  readonly optionalDependencies?: readonly string[];
  /**
   * Somebody else runs it: a oneshot that is `completed` once the probes of `readiness` succeed. Nothing is spawned;
   * `process` only says where an exec probe is run.
   */
  readonly isExternal?: true;
  /** Absent: ready as soon as it is spawned. Ignored for a oneshot that is spawned, except `startTimeoutMs`. */
  readonly readiness?: ReadinessSpec;
  readonly liveness?: LivenessSpec;
  readonly restart: RestartPolicy;
  /** An essential service that ends or fails ends the container. */
  readonly essential: boolean;
  /** The signal that is graceful for this service, whatever tandem itself received. */
  readonly stopSignal: SignalName;
  /** The most that it may take from stop signal to exit. Absent: what the stop budget leaves. */
  readonly stopGraceMs?: number;
  /** Absent: as the output of the whole run. */
  readonly output?: OutputMode;
  /** The signals handed on to the leader when tandem receives them; `all`: every one, TERM and INT included. */
  readonly forwardSignals: 'all' | readonly SignalName[];
  /** Why this service is not run at all. It then counts as there for all who depend on it. */
  readonly skip?: string;
}

/** Never restarted: the default. */
export const noRestart: RestartPolicy = {
  condition: 'no',
  baseDelayMs: 100,
  maxDelayMs: 10_000,
  resetAfterMs: 10_000,
  maxRestarts: 5,
  windowMs: 60_000,
};

/** A try every ten seconds of at most three; three failures in a row count, one success does. */
export const defaultTiming: ProbeTiming = {
  intervalMs: 10_000,
  timeoutMs: 3_000,
  failureThreshold: 3,
  successThreshold: 1,
};
