/**
 * The presets' front door: which one is run, its services, and what has to be on the disk before they start. A preset
 * is loaded only when it is the one.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command, Config, PresetChoice, PresetName, Remark, RiderConfig } from '../config/config.ts';
import type { Surroundings } from '../config/load.ts';
import { ConfigError, type Problem } from '../core/errors.ts';
import { awaitFirst } from '../core/external.ts';
import { gunicornSignals, isGunicorn } from '../core/gunicorn.ts';
import type { ServiceSpec } from '../core/spec.ts';
import type { EmbeddedOptions, RiderOptions } from './embedded-options.ts';
import { copyExample } from './env-example.ts';
import { awaitGateway, externalGateway, reuseGateway } from './external-gateway.ts';
import type { SecretsVerdict } from './gateway-secrets.ts';
import type { Services } from './matrix.ts';
import type { Site } from './site.ts';

export type { Services } from './matrix.ts';
export type { Site } from './site.ts';

const presetNames: readonly PresetName[] = ['embedded', 'matrix'];

/** Where Matrix Hub is in its image; the table of variables has the same default, and a test holds them together. */
const defaultAppRoot = '/app';

/** What must be there for the embedded pair to be chosen unasked. */
const pairPackages = ['supergateway', 'mcp-hub'];

/**
 * Which preset is run: the flag's, else TANDEM_PRESET's, else what is found.
 * @param flag the value of `--preset`, not yet checked
 */
export function choosePreset(surroundings: Surroundings, flag: string | undefined): PresetChoice {
  if (flag !== undefined) return named(flag, '--preset');
  const variable = surroundings.environment['TANDEM_PRESET']?.trim();
  return variable ? named(variable.toLowerCase(), 'TANDEM_PRESET') : whatIsFound(surroundings);
}

function named(text: string, by: '--preset' | 'TANDEM_PRESET'): PresetChoice {
  const name = presetNames.find((known) => known === text);
  if (name) return { name, reason: `${by} is ${name}` };
  const message = `${JSON.stringify(text)} is not accepted; accepted: ${presetNames.join(', ')}`;
  // The table of variables refuses a wrong TANDEM_PRESET itself.
  return { name, reason: `${by} is not accepted`, ...(by === '--preset' && { problem: { subject: by, message } }) };
}

function whatIsFound({ environment, cwd, installDir }: Surroundings): PresetChoice {
  const root = resolve(cwd, environment['APP_ROOT']?.trim() || defaultAppRoot);
  const hub = matrixHubAt(root, resolve(cwd, environment['HUB_VENV']?.trim() || join(root, '.venv')));
  if (hub !== undefined) return { name: 'matrix', reason: `a Matrix Hub was found: ${hub}` };
  if (pairPackages.every((name) => isInstalled(join(installDir, 'embedded'), name))) {
    return { name: 'embedded', reason: `no Matrix Hub was found at ${root}, and the embedded pair is installed` };
  }
  const reason = `there is no Matrix Hub at ${root} (APP_ROOT), and the embedded pair is not installed`;
  const message = `not set, and ${reason}; accepted: ${presetNames.join(', ')}`;
  return { name: undefined, reason, problem: { subject: 'TANDEM_PRESET', message } };
}

/** The file by which a Matrix Hub is recognised: its application, or its server in its virtual environment. */
function matrixHubAt(root: string, venv: string): string | undefined {
  const signs = [
    ...['src/app.py', 'src/app/__init__.py'].map((file) => join(root, file)),
    ...['gunicorn', 'uvicorn'].map((program) => join(venv, 'bin', program)),
  ];
  return signs.find((file) => existsSync(file));
}

/** Looked up as Node looks packages up, in this directory and all above it. */
function isInstalled(directory: string, name: string): boolean {
  if (existsSync(join(directory, 'node_modules', name, 'package.json'))) return true;
  const parent = resolve(directory, '..');
  return parent !== directory && isInstalled(parent, name);
}

/**
 * The services of the configuration's preset. Starts no service and writes nothing.
 * @param only the values of `--only`
 * @throws ConfigError if the preset cannot be run here
 */
export async function servicesFor(config: Config, site: Site = {}, only: readonly string[] = []): Promise<Services> {
  const preset = config.preset.name === 'matrix' ? await matrixPreset(config) : await embeddedPreset(config);
  const adapted = await reuseGateway(config, preset.gateway, site);
  const { specs, remarks } = await preset.services(adapted.config, site);
  const awaited = awaitFirst(awaitGateway(specs, adapted.config, preset.gateway), config.waits);
  const selected = selectServices(awaited, only).map((spec) => runAs(spec, config));
  const secrets = preset.judgeSecrets(selected, adapted.config);
  if (secrets.problems.length > 0) throw new ConfigError(secrets.problems);
  return { specs: selected, remarks: [...adapted.remarks, ...remarks, ...secrets.remarks] };
}

/** As the services' user, in whose home they are then, unless another one was chosen for them. */
function runAs(spec: ServiceSpec, { user, environment: container }: Config): ServiceSpec {
  if (!user || spec.isExternal) return spec;
  const { environment } = spec.process;
  const isInherited = environment['HOME'] === container['HOME'];
  const home = isInherited && { HOME: user.home };
  return { ...spec, process: { ...spec.process, user: user.identity, environment: { ...environment, ...home } } };
}

async function matrixPreset(config: Config) {
  const { judgeGatewaySecrets } = await import('./gateway-secrets.ts');
  const { matrixGateway, matrixServices } = await import('./matrix.ts');
  return { gateway: matrixGateway(config), services: matrixServices, judgeSecrets: judgeGatewaySecrets };
}

async function embeddedPreset(config: Config) {
  const { embeddedGateway, embeddedServices } = await import('./embedded.ts');
  const services = (adapted: Config): Services => {
    const specs = embeddedServices(embeddedOptions(adapted));
    return { specs: specs.map((spec) => refine(spec, adapted)), remarks: [] };
  };
  // The pair has no secrets.
  const judgeSecrets = (): SecretsVerdict => ({ problems: [], remarks: [] });
  return { gateway: embeddedGateway(embeddedOptions(config)), services, judgeSecrets };
}

/** What the pair's own specs leave to the configuration. */
function refine(spec: ServiceSpec, { hub }: Config): ServiceSpec {
  const { name, readiness, process } = spec;
  return {
    ...spec,
    ...(isGunicorn(process.command) && { forwardSignals: gunicornSignals }),
    ...(name === 'hub' && readiness && { readiness: { ...readiness, startTimeoutMs: hub.readyTimeoutMs } }),
  };
}

/**
 * Makes ready on the disk what the services expect there; comes right before the start.
 * @returns what was done
 * @throws ConfigError if that is not possible
 */
export async function prepareFor(config: Config): Promise<Remark[]> {
  const files = [config.hub, config.gateway].filter(({ skip }) => skip === undefined).map(({ envFile }) => envFile);
  if (config.preset.name === 'embedded') {
    const { prepareEmbedded } = await import('./embedded.ts');
    prepareEmbedded(embeddedOptions(config));
  }
  return files.map((file) => file && copyExample(file)).filter((remark) => remark !== undefined);
}

/** What `prepareFor` may have written, and services may need. */
export function preparedPaths({ preset, directories, hub, gateway }: Config): string[] {
  const copied = [hub, gateway].flatMap(({ envFile }) => (envFile?.example === undefined ? [] : [envFile.path]));
  return [...copied, ...(preset.name === 'embedded' ? [directories.data] : [])];
}

/** What may be run, whatever the preset; the configuration says which of them there are. */
const serviceNames: readonly string[] = ['migrations', 'gateway', externalGateway, 'hub'];

/**
 * The values of `--only` that name no service, each as a problem.
 * @param names those of the plan; default, while there is no plan yet: all that may ever be
 */
export function unknownServices(only: readonly string[], names = serviceNames): Problem[] {
  const unknown = only.filter((name) => !names.includes(name));
  const accepted = `is not accepted; accepted: ${names.join(', ')}`;
  return unknown.map((name) => ({ subject: '--only', message: `${JSON.stringify(name)} ${accepted}` }));
}

/**
 * Keeps the named services, with what somebody else runs for them, and skips the others, so that who depends on a
 * skipped one does not wait for it.
 * @param only the values of `--only`; none: all are kept
 * @throws ConfigError for names that no service has
 */
export function selectServices(specs: readonly ServiceSpec[], only: readonly string[]): readonly ServiceSpec[] {
  if (only.length === 0) return specs;
  const problems = unknownServices(
    only,
    specs.map(({ name }) => name),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  const named = specs.filter(({ name }) => only.includes(name));
  const isNeeded = ({ name, isExternal }: ServiceSpec) =>
    isExternal && named.some(({ dependsOn, skip }) => skip === undefined && Object.hasOwn(dependsOn, name));
  return specs.map((spec) => {
    return named.includes(spec) || isNeeded(spec) ? spec : { ...spec, skip: spec.skip ?? 'not named by --only' };
  });
}

function embeddedOptions(config: Config): EmbeddedOptions {
  const { directories, hub, gateway, migrations } = config;
  return {
    directories,
    migrations: {
      command: embeddedMigration(config),
      timeoutMs: migrations.timeoutMs,
      mayFail: migrations.mayFail,
    },
    gateway: { ...riderOptions(gateway), url: hub.gatewayUrl },
    hub: riderOptions(hub),
    readyTimeoutMs: gateway.readyTimeoutMs,
  };
}

/** The pair itself has nothing to migrate; only a command of the operator's does. */
function embeddedMigration({ migrations: { mode, command }, hub }: Config): Command | undefined {
  if (mode === 'required' && command === undefined) {
    const message = '"required", but the embedded pair has nothing to migrate; accepted: with MIGRATE_COMMAND';
    throw new ConfigError([{ subject: 'HUB_MIGRATE', message }]);
  }
  const isWanted = mode === 'required' || (mode === 'auto' && hub.skip === undefined);
  return isWanted ? command : undefined;
}

function riderOptions({ host, port, command, healthPath, environment, overrides, skip }: RiderConfig): RiderOptions {
  return { host, port, command, healthPath, environment, overrides, skip };
}
