/**
 * Config: what the operator said, validated and complete. Times are milliseconds, paths absolute, commands words;
 * whoever has one reads neither `process.env` nor a file nor the working directory again.
 */
import type { Problem } from '../core/errors.ts';
import type { ExternalSpec } from '../core/external.ts';
import type { Requirements } from '../core/requirements.ts';
import type { UserSpec } from '../core/spec.ts';

export type PresetName = 'embedded' | 'matrix';
export type Command = readonly [string, ...string[]];
export type Environment = Readonly<Record<string, string>>;

/** Which preset is run, and why this one. */
export interface PresetChoice {
  /** Absent if none could be chosen; `problem` or a refused TANDEM_PRESET then says why. */
  readonly name: PresetName | undefined;
  readonly reason: string;
  readonly problem?: Problem | undefined;
}

/** Something that the operator should know and that stops nothing: a constant message with its facts. */
export interface Remark {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Where the services come from: a preset, or a file; and why from there. */
export interface Source {
  readonly kind: 'preset' | 'config';
  readonly name: string;
  readonly reason: string;
}

/** What every run has, wherever its services come from. */
export interface RunConfig {
  readonly source: Source;
  readonly stop: StopConfig;
  readonly output: 'raw' | 'prefix' | 'json';
  readonly log: LogConfig;
  readonly health: HealthConfig;
  /** The only place for the control socket; absent: the usual ones are tried. */
  readonly runtimeDir: string | undefined;
  /** The services' soft limit of open files, if that was said. */
  readonly fileLimit: number | undefined;
  /** The container's environment, nothing taken away. */
  readonly environment: Environment;
  /** Variables that were read from files: secret, whatever their names. */
  readonly secretNames: ReadonlySet<string>;
  /** What was read from them, not to be shown anywhere. */
  readonly secrets: readonly string[];
  /** What must be there before anything starts; `unmet` is not. */
  readonly requirements: Requirements;
  readonly unmet: readonly Problem[];
  /** What must answer before anything starts. */
  readonly waits: readonly ExternalSpec[];
  readonly remarks: readonly Remark[];
}

/** The same, and what the presets want to know. */
export interface Config extends RunConfig {
  readonly preset: PresetChoice & { readonly name: PresetName };
  readonly directories: Directories;
  readonly hub: HubConfig;
  readonly gateway: GatewayConfig;
  readonly migrations: MigrationsConfig;
  /** Who the services are. Absent: whoever tandem is. */
  readonly user: ServiceUser | undefined;
  /** Memory that one worker is expected to take, where the number of workers is found out; bytes. */
  readonly workerMemoryBytes: number;
}

export interface ServiceUser {
  readonly identity: UserSpec;
  readonly home: string;
}

export interface StopConfig {
  readonly timeoutMs: number;
  readonly drainDelayMs: number;
}

export interface LogConfig {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  readonly format: 'pretty' | 'json';
}

export interface HealthConfig {
  readonly host: string;
  /** Absent: no port is opened, the control socket alone answers. */
  readonly port: number | undefined;
}

export interface Directories {
  readonly working: string;
  /** What the embedded pair writes goes below it. */
  readonly data: string;
  /** Where the embedded pair's packages are looked up. */
  readonly pair: string;
}

/** The hub or the gateway. */
export interface RiderConfig {
  /** Why it is not run; absent: it is run. */
  readonly skip: string | undefined;
  readonly host: string;
  readonly port: number;
  /** Replaces the preset's own command. */
  readonly command: Command | undefined;
  /** Empty: the port alone. Absent: the preset's own. */
  readonly healthPath: string | undefined;
  readonly readyTimeoutMs: number;
  /** The Python service's directory and virtual environment (preset matrix). */
  readonly root: string;
  readonly venv: string;
  readonly envFile: EnvFile | undefined;
  /** Its whole environment: all that reaches it, its .env file, its overrides, HOST and PORT. The preset may add to it. */
  readonly environment: Environment;
  /** Variables of this service alone that beat whatever the preset would add (HUB_ENV_X, GW_ENV_X). */
  readonly overrides: Environment;
  readonly server: ServerKnobs;
}

export interface HubConfig extends RiderConfig {
  /** Where the hub finds the gateway, if that was said. */
  readonly gatewayUrl: string | undefined;
}

export interface GatewayConfig extends RiderConfig {
  /** Where it is skipped, the hub waits until the external one answers (GATEWAY_WAIT). */
  readonly isAwaited: boolean;
  /** Whatever listens on its port already is used in its place (GW_REUSE). */
  readonly mayBeReused: boolean;
  /** It may be started with secrets that everybody can know (GW_ALLOW_INSECURE). */
  readonly mayHavePublicSecrets: boolean;
}

/** What the Python servers are tuned by; the names are gunicorn's. */
export interface ServerKnobs {
  /** The ASGI application, `module:attribute`. */
  readonly module: string;
  /** Absent: to be found out from the machine. */
  readonly workers: number | undefined;
  readonly timeoutMs: number;
  readonly gracefulTimeoutMs: number;
  readonly keepAliveMs: number;
  /** 0: never recycled. */
  readonly maxRequests: number;
  readonly maxRequestsJitter: number;
  readonly preload: boolean;
  readonly logLevel: string;
  readonly accessLogfile: string;
  readonly errorLogfile: string;
}

export interface MigrationsConfig {
  readonly mode: 'auto' | 'off' | 'required';
  readonly command: Command | undefined;
  readonly timeoutMs: number;
  /** Go on whatever came of them. */
  readonly mayFail: boolean;
}

/** One service's .env file, read. */
export interface EnvFile {
  readonly path: string;
  readonly values: Environment;
  /** The values are those of this example, because the file itself is missing; it is copied before the start. */
  readonly example?: string | undefined;
  /** What the operator should know of the file itself. */
  readonly remarks?: readonly Remark[];
}
