/**
 * From the environment and the .env files to a Config. Reads files, writes none, starts nothing. Everything that is
 * wrong is found before anything is refused, and refused in one error.
 */
import { join, resolve } from 'node:path';
import { ConfigError, type Problem } from '../core/errors.ts';
import type { Requirements } from '../core/requirements.ts';
import type { Self, UserSpec } from '../core/spec.ts';
import type {
  Config,
  EnvFile,
  Environment,
  PresetChoice,
  Remark,
  RiderConfig,
  RunConfig,
  ServerKnobs,
} from './config.ts';
import { contradictions } from './contradictions.ts';
import { secretHider } from './mask.ts';
import { type Files, type Places, placesOf, readFiles } from './places.ts';
import { requirementsOf } from './requirements.ts';
import { beatenByGatewayFile, overridesOf, ownEnvironment, type Rider, wholeEnvironment } from './scopes.ts';
import { type ReadSecrets, readSecretFiles } from './secret-files.ts';
import { type StopShares, stopShares } from './stop-shares.ts';
import { collectTexts, refused } from './texts.ts';
import { type DefaultUser, defaultUser } from './users.ts';
import { type Parsed, parseValues, type Texts, type Values } from './variables.ts';

/** What a configuration is made from. */
export interface Surroundings {
  /** `process.env` is one. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Where tandem is installed: the directory that holds `embedded/`. */
  readonly installDir: string;
  /** Whether a file descriptor is a terminal; `tty.isatty` is one. */
  readonly isTerminal: (fd: number) => boolean;
  /** Looks at the machine for what is missing, and changes nothing there. Absent: all is well. */
  readonly survey?: (demands: Demands) => Promise<readonly Problem[]>;
  /** Who tandem is. Absent: not known, and services are not run as anybody else. */
  readonly self?: Self | undefined;
}

/** What a configuration wants of the machine. */
export interface Demands {
  readonly requirements: Requirements;
  /** Variables that are set for anybody. */
  readonly environment: Environment;
  /** Who the services are. Absent: whoever tandem is. */
  readonly user: UserSpec | undefined;
}

/**
 * @param preset from `choosePreset`
 * @param flagProblems what seems wrong with the command line, to be told with the rest if anything else is wrong; with a
 * configuration the caller knows for sure
 * @throws ConfigError with all problems at once
 */
export async function loadConfig(
  surroundings: Surroundings,
  preset: PresetChoice,
  flagProblems: readonly Problem[] = [],
): Promise<Config> {
  const given = definedOnly(surroundings.environment);
  const places = placesOf(given, surroundings.cwd, preset);
  const read = readAllSecrets(given, await readFiles(places), surroundings.cwd);
  const { environment, files, secretNames, secrets } = read;
  const texts = collectTexts({ environment, files, secretNames }, preset);
  const parsed = parseValues(texts.texts);
  const problems = [
    ...(preset.problem ? [preset.problem] : []),
    ...files.problems,
    ...read.problems,
    ...('refusals' in parsed ? parsed.refusals.map((refusal) => refused(texts, refusal)) : []),
    ...('values' in parsed ? contradictions(parsed.values, texts.subjects) : []),
  ];
  const { name, reason } = preset;
  const requirements = requirementsOf(texts, surroundings.cwd);
  const found = defaultUserOf(texts.texts, parsed, surroundings);
  const demands = { requirements, environment: anybodys(environment, files), user: found.user?.identity };
  const unmet = [...found.problems, ...((await surroundings.survey?.(demands)) ?? [])];
  if (problems.length > 0 || name === undefined || !('values' in parsed)) {
    const hide = secretHider(secrets);
    throw new ConfigError(
      [...flagProblems, ...problems, ...unmet].map((problem) => ({
        ...problem,
        message: hide(problem.message),
      })),
    );
  }
  const { values } = parsed;
  const sources = {
    surroundings,
    given,
    environment,
    places,
    files,
    secretNames,
    secrets,
    secretRemarks: read.remarks,
  };
  return assemble({ ...sources, values, requirements, unmet, user: found, preset: { name, reason } });
}

/** Who the services are by default. A text that can be no user is refused as every other one. */
export function defaultUserOf(texts: Texts, parsed: Parsed, { self }: Surroundings): DefaultUser {
  const isRefused = 'refusals' in parsed && parsed.refusals.some(({ name }) => name === 'TANDEM_USER');
  return defaultUser(isRefused ? undefined : texts.TANDEM_USER, self);
}

/** The environment and the .env files with what their NAME_FILE variables name. */
function readAllSecrets(given: Environment, files: Files, cwd: string) {
  const rules = { cwd, listed: given['TANDEM_FILE_VARS'] };
  const inFile = (file: EnvFile | undefined) => {
    return readSecretFiles({ values: file?.values ?? {}, where: ` in ${file?.path}` }, rules);
  };
  const environment = readSecretFiles({ values: given, where: '' }, rules);
  const [hub, gateway] = [inFile(files.hub), inFile(files.gateway)];
  const all: readonly ReadSecrets[] = [environment, hub, gateway];
  return {
    environment: environment.values,
    files: {
      ...files,
      hub: files.hub && { ...files.hub, values: hub.values },
      gateway: files.gateway && { ...files.gateway, values: gateway.values },
    },
    secretNames: new Set(all.flatMap(({ names }) => names)),
    secrets: all.flatMap(({ secrets }) => secrets),
    problems: all.flatMap(({ problems }) => problems),
    remarks: all.flatMap(({ remarks }) => remarks),
  };
}

/** What is set in the environment. */
export function definedOnly(environment: Surroundings['environment']): Environment {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Set for tandem or for one of the services; the container's PATH is the one that counts. */
function anybodys(environment: Environment, { hub, gateway }: Files): Environment {
  const own = (['hub', 'gateway'] as const).map((rider) => overridesOf(environment, rider));
  const layers = [...own, hub?.values ?? {}, gateway?.values ?? {}, environment];
  const set = layers.flatMap((layer) => Object.entries(layer).filter(([, value]) => value !== ''));
  return { ...environment, ...Object.fromEntries(set) };
}

type FromValues = 'output' | 'log' | 'health' | 'runtimeDir' | 'fileLimit' | 'waits';

/** What is global, whatever is run. */
export function assembleRun(values: Values, { isTerminal }: Surroundings): Pick<RunConfig, FromValues> {
  return {
    output: values.TANDEM_OUTPUT ?? (isTerminal(1) ? 'prefix' : 'raw'),
    log: { level: values.TANDEM_LOG_LEVEL, format: values.TANDEM_LOG_FORMAT ?? (isTerminal(2) ? 'pretty' : 'json') },
    health: { host: values.TANDEM_HEALTH_HOST, port: values.TANDEM_HEALTH_PORT },
    runtimeDir: values.TANDEM_RUNTIME_DIR,
    fileLimit: values.TANDEM_NOFILE,
    waits: (values.WAIT_FOR ?? []).map((one) => ({ ...one, timeoutMs: values.WAIT_FOR_TIMEOUT })),
  };
}

interface Parts {
  readonly surroundings: Surroundings;
  /** The environment as it is. */
  readonly given: Environment;
  /** The same with secrets read from their files. */
  readonly environment: Environment;
  readonly places: Places;
  readonly files: Files;
  readonly secretNames: ReadonlySet<string>;
  readonly secrets: readonly string[];
  readonly secretRemarks: readonly Remark[];
  readonly values: Values;
  readonly requirements: Requirements;
  readonly unmet: readonly Problem[];
  readonly user: DefaultUser;
  readonly preset: Config['preset'];
}

function assemble(parts: Parts): Config {
  const { surroundings, given, environment, places, files, secretNames, secrets } = parts;
  const { values, requirements, unmet, user, preset } = parts;
  const { cwd, installDir } = surroundings;
  const shares = sharesOf(values);
  return {
    ...assembleRun(values, surroundings),
    source: { kind: 'preset', ...preset },
    preset,
    stop: { timeoutMs: shares.timeoutMs, drainDelayMs: values.TANDEM_DRAIN_DELAY },
    directories: { working: cwd, data: resolve(cwd, values.TANDEM_DATA_DIR), pair: join(installDir, 'embedded') },
    environment: given,
    secretNames,
    secrets,
    hub: { ...scoped(parts, 'hub', hubOf(values, places, shares)), gatewayUrl: values.MCP_GATEWAY_URL },
    gateway: {
      ...scoped(parts, 'gateway', gatewayOf(values, places, shares)),
      isAwaited: values.GATEWAY_WAIT,
      mayBeReused: values.GW_REUSE,
      mayHavePublicSecrets: values.GW_ALLOW_INSECURE,
    },
    migrations: {
      mode: values.HUB_MIGRATE,
      command: values.MIGRATE_COMMAND,
      timeoutMs: values.MIGRATE_TIMEOUT,
      mayFail: values.MIGRATE_ON_FAILURE === 'warn',
    },
    requirements,
    unmet,
    user: user.user,
    workerMemoryBytes: values.WORKER_MEMORY,
    remarks: [...parts.secretRemarks, ...shares.remarks, ...fileRemarks(environment, files), ...user.remarks],
  };
}

interface Shares extends Pick<StopShares, 'timeoutMs' | 'remarks'> {
  readonly hubMs: number;
  readonly gatewayMs: number;
}

/** A service that is skipped takes no share. */
function sharesOf(values: Values): Shares {
  const hub = values.HUB_SKIP_START ? [] : [values.HUB_GRACEFUL_TIMEOUT];
  const gateway = values.GATEWAY_SKIP_START ? [] : [values.GW_GRACEFUL_TIMEOUT];
  const { timeoutMs, gracefulMs, remarks } = stopShares({
    timeoutMs: values.TANDEM_STOP_TIMEOUT,
    drainDelayMs: values.TANDEM_DRAIN_DELAY,
    gracefulMs: [...hub, ...gateway],
  });
  return { timeoutMs, remarks, hubMs: gracefulMs[0] ?? 0, gatewayMs: gracefulMs.at(-1) ?? 0 };
}

type Scoped = 'envFile' | 'overrides' | 'environment';

function scoped({ environment, files }: Parts, rider: Rider, service: Omit<RiderConfig, Scoped>): RiderConfig {
  const envFile = files[rider];
  return {
    ...service,
    envFile,
    overrides: overridesOf(environment, rider),
    environment: wholeEnvironment(environment, rider, ownEnvironment(environment, rider, envFile), service),
  };
}

function hubOf(values: Values, places: Places, { hubMs }: Shares): Omit<RiderConfig, Scoped> {
  return {
    skip: values.HUB_SKIP_START ? 'HUB_SKIP_START is set' : undefined,
    host: values.HOST,
    port: values.PORT,
    command: values.HUB_COMMAND,
    healthPath: values.HUB_HEALTH_PATH,
    readyTimeoutMs: values.HUB_READY_TIMEOUT,
    root: places.hubRoot,
    venv: places.hubVenv,
    server: serverKnobs(values, 'HUB', values.APP_MODULE, hubMs),
  };
}

function gatewayOf(values: Values, places: Places, { gatewayMs }: Shares): Omit<RiderConfig, Scoped> {
  return {
    skip: values.GATEWAY_SKIP_START ? 'GATEWAY_SKIP_START is set' : undefined,
    host: values.GW_HOST,
    port: values.GW_PORT,
    command: values.GW_COMMAND,
    healthPath: values.GW_HEALTH_PATH,
    readyTimeoutMs: values.GW_READY_TIMEOUT,
    root: places.gatewayRoot,
    venv: places.gatewayVenv,
    server: serverKnobs(values, 'GW', values.GW_APP_MODULE, gatewayMs),
  };
}

function serverKnobs(values: Values, prefix: 'HUB' | 'GW', module: string, gracefulTimeoutMs: number): ServerKnobs {
  return {
    module,
    workers: values[`${prefix}_WORKERS`],
    timeoutMs: values[`${prefix}_TIMEOUT`],
    gracefulTimeoutMs,
    keepAliveMs: values[`${prefix}_KEEPALIVE`],
    maxRequests: values[`${prefix}_MAX_REQUESTS`],
    maxRequestsJitter: values[`${prefix}_MAX_REQUESTS_JITTER`],
    preload: values[`${prefix}_PRELOAD`],
    logLevel: values[`${prefix}_LOG_LEVEL`],
    accessLogfile: values[`${prefix}_ACCESS_LOGFILE`],
    errorLogfile: values[`${prefix}_ERROR_LOGFILE`],
  };
}

function fileRemarks(environment: Environment, { hub, gateway }: Files): Remark[] {
  const missing = [hub, gateway].flatMap((file) => (file?.example === undefined ? [] : [file]));
  const beaten = beatenByGatewayFile(environment, gateway);
  return [
    ...[hub, gateway].flatMap((file) => file?.remarks ?? []),
    ...missing.map(({ path, example }): Remark => {
      return {
        level: 'info',
        message: 'env file missing, the values of its example are used',
        facts: { path, example },
      };
    }),
    ...(beaten.length === 0
      ? []
      : [
          { level: 'info', message: "the gateway's env file beats the environment", facts: { names: beaten } } as const,
        ]),
  ];
}
