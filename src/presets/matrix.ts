/**
 * The matrix preset: Matrix Hub and MCP-Gateway, two Python services in two virtual environments, as specs. Migrations
 * run first, then the gateway, and the hub once that is ready.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Config, Environment, Remark, RiderConfig } from '../config/config.ts';
import type { Rider } from '../config/scopes.ts';
import { ConfigError } from '../core/errors.ts';
import { isGunicorn, usualSignals } from '../core/gunicorn.ts';
import { defaultTiming, noRestart, type ReadinessSpec, type ServiceSpec } from '../core/spec.ts';
import { type GatewayManners, httpProbe } from './external-gateway.ts';
import { hasProgram, programIn, serverCommand } from './matrix-server.ts';
import type { Site } from './site.ts';
import { autoWorkers, type Resources } from './workers.ts';

/** Specs, and what the operator should know about how they came to be. */
export interface Services {
  readonly specs: readonly ServiceSpec[];
  readonly remarks: readonly Remark[];
}

/** What Python services answer on, unless they say otherwise. */
const defaultHealthPath = '/health';

/** A gunicorn answers as soon as its first worker does; one that fails to boot ends it a moment later. */
const gunicornSettleMs = 500;

/** From the end of gunicorn's own grace to the moment when it is killed: it should be first. */
const afterGracefulMs = 1_000;

/**
 * The specs of `migrations`, `gateway` and `hub`. Looks at what the virtual environments have; starts no service and
 * writes nothing.
 * @throws ConfigError if migrations are required and there are none
 */
export async function matrixServices(config: Config, site: Site = {}): Promise<Services> {
  const hubEnvironment = environmentOf(config, 'hub');
  const [gateway, hub] = await Promise.all([
    service(config, 'gateway', environmentOf(config, 'gateway'), site),
    service(config, 'hub', hubEnvironment, site),
  ]);
  const migrated = config.migrations.mayFail ? 'ended' : 'completed';
  return {
    specs: [
      migrations(config, hubEnvironment),
      { ...gateway.spec, dependsOn: { migrations: migrated } },
      { ...hub.spec, dependsOn: { migrations: migrated, gateway: 'ready' } },
    ],
    remarks: [...gateway.remarks, ...hub.remarks],
  };
}

/** MCP_GATEWAY_URL is the gateway's address here, without a path. */
export function matrixGateway({ gateway: { host, port, healthPath = defaultHealthPath } }: Config): GatewayManners {
  return { localUrl: urlOf(host, port, ''), probe: (url) => httpProbe(url, healthPath) };
}

const commonSpec = {
  dependsOn: {},
  essential: true,
  restart: noRestart,
  stopSignal: 'SIGTERM',
} as const satisfies Partial<ServiceSpec>;

async function service(config: Config, name: Rider, environment: Environment, { resources, flagsOf }: Site) {
  const rider = config[name];
  const workers = workersOf(config, name, resources);
  const server = await serverCommand(rider, name === 'hub' ? 'HUB' : 'GW', workers.count, flagsOf);
  const isForked = isGunicorn(server.command);
  const settles = isForked && (rider.command !== undefined || workers.count > 1);
  const { command, hint } = server;
  const spec: ServiceSpec = {
    ...commonSpec,
    name,
    type: 'service',
    process: { command, cwd: rider.root, environment, attachment: 'service', ...(hint && { hint }) },
    readiness: readinessOf(rider, settles ? gunicornSettleMs : 0),
    stopGraceMs: rider.server.gracefulTimeoutMs + afterGracefulMs,
    forwardSignals: usualSignals(server.command),
    ...(rider.skip !== undefined && { skip: rider.skip }),
  };
  return { spec, remarks: isOwn(rider) ? [...workers.remarks, ...server.remarks] : [] };
}

/** True if the preset's own command line is run. */
function isOwn({ skip, command }: RiderConfig): boolean {
  return skip === undefined && command === undefined;
}

function workersOf(config: Config, name: Rider, resources: Resources | undefined) {
  const { workers } = config[name].server;
  if (workers !== undefined) return { count: workers, remarks: [] };
  const autoSized = [config.hub, config.gateway].filter((rider) => isOwn(rider) && rider.server.workers === undefined);
  const { count, reason } = resources
    ? autoWorkers({
        resources,
        workerMemoryBytes: config.workerMemoryBytes,
        autoSizedServices: Math.max(1, autoSized.length),
      })
    : { count: 1, reason: 'resources are not known' };
  const remark: Remark = {
    level: 'info',
    message: 'number of workers',
    facts: { service: name, workers: count, reason },
  };
  return { count, remarks: [remark] };
}

function readinessOf(
  { host, port, healthPath = defaultHealthPath, readyTimeoutMs }: RiderConfig,
  settleMs: number,
): ReadinessSpec {
  return {
    port: { host, port },
    ...(healthPath !== '' && { probe: { kind: 'http', url: urlOf(host, port, healthPath) }, settleMs }),
    timing: defaultTiming,
    startTimeoutMs: readyTimeoutMs,
  };
}

/** A server on all interfaces is asked on the loopback of the same family: "any" is no address to connect to. */
const loopbackOf: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

function urlOf(host: string, port: number, path: string): string {
  const reachable = loopbackOf[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}${path}`;
}

/** What Python needs, below and above what is set; only HUB_ENV_X and GW_ENV_X beat all of it. */
function environmentOf(config: Config, name: Rider): Environment {
  const { venv, environment, overrides } = config[name];
  const { PATH } = environment;
  return {
    // without it Python keeps its output back until a block is full, and a kill loses the last of it
    PYTHONUNBUFFERED: '1',
    ...(name === 'hub' && gatewayUrl(config)),
    ...environment,
    VIRTUAL_ENV: venv,
    PATH: [join(venv, 'bin'), ...(PATH ? [PATH] : [])].join(':'),
    ...overrides,
  };
}

/** Where the hub finds the gateway, unless its environment says so. */
function gatewayUrl({ hub, gateway: { skip, host, port } }: Config): Environment {
  const url = hub.gatewayUrl ?? (skip === undefined ? urlOf(host, port, '') : undefined);
  return url === undefined ? {} : { MCP_GATEWAY_URL: url };
}

function migrations(config: Config, environment: Environment): ServiceSpec {
  const { hub, migrations: wanted } = config;
  const { venv, root } = hub;
  const skip = whyNotMigrate(config);
  if (wanted.mode === 'required' && skip !== undefined) {
    throw new ConfigError([{ subject: 'HUB_MIGRATE', message: `"required", but ${skip}` }]);
  }
  const command: Command = wanted.command ?? [programIn(venv, 'alembic'), 'upgrade', 'head'];
  return {
    ...commonSpec,
    name: 'migrations',
    type: 'oneshot',
    process: { command, cwd: root, environment, attachment: 'service' },
    readiness: { timing: defaultTiming, startTimeoutMs: wanted.timeoutMs },
    essential: !wanted.mayFail,
    forwardSignals: [],
    ...(skip !== undefined && { skip }),
  };
}

/** Why there is nothing to migrate, or `undefined` if there is. */
function whyNotMigrate({ migrations: { mode, command }, hub: { skip, venv, root } }: Config): string | undefined {
  if (mode === 'off') return 'HUB_MIGRATE is off';
  if (skip !== undefined && mode !== 'required') return `the hub is skipped: ${skip}`;
  if (command !== undefined) return undefined;
  if (!hasProgram(venv, 'alembic')) return `there is no ${programIn(venv, 'alembic')}`;
  const ini = join(root, 'alembic.ini');
  return existsSync(ini) ? undefined : `there is no ${ini}`;
}
