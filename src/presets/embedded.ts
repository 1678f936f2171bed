/**
 * The embedded preset: a real MCP gateway and a real MCP hub from npm, as specs. Migrations run first, then the gateway,
 * and the hub once that is ready: a hub that finds no gateway at its start never looks for it again.
 *
 * A command that replaces one of the two is an ordinary HTTP server: none of what is known of the pair is applied to it.
 */
import {
  defaultTiming,
  type JsonPattern,
  noRestart,
  type ProbeSpec,
  type ReadinessSpec,
  type ServiceSpec,
} from '../core/spec.ts';
import { gatewayUrl, urlOf } from './embedded-address.ts';
import { gatewayEntry, hubState, memoryFile } from './embedded-files.ts';
import { type Command, type EmbeddedOptions, type Environment, isOwn, type RiderOptions } from './embedded-options.ts';
import { ownCommands, ownHealthPath } from './embedded-pair.ts';
import type { GatewayManners } from './external-gateway.ts';

export { prepareEmbedded } from './embedded-files.ts';
export type { EmbeddedOptions, GatewayOptions, MigrationOptions, RiderOptions } from './embedded-options.ts';

/** MCP_GATEWAY_URL is the gateway's MCP endpoint here. */
export function embeddedGateway({ gateway }: EmbeddedOptions): GatewayManners {
  return { localUrl: urlOf(gateway, '/mcp'), probe: (url) => ({ kind: 'mcp', url }) };
}

/** Stands where a service that is skipped has no command. */
const nothing: Command = ['true'];

/**
 * The specs of `migrations`, `gateway` and `hub`. Starts and writes nothing; before a start comes `prepareEmbedded`.
 * @throws ConfigError if a package of the pair that is needed is not installed
 */
export function embeddedServices(options: EmbeddedOptions): readonly ServiceSpec[] {
  const own = ownCommands(options);
  return [
    migrations(options),
    gateway(options, options.gateway.command ?? own.gateway ?? nothing),
    hub(options, options.hub.command ?? own.hub ?? nothing),
  ];
}

function migrations(options: EmbeddedOptions): ServiceSpec {
  const { command, timeoutMs, mayFail = false } = options.migrations;
  return {
    ...commonSpec,
    name: 'migrations',
    type: 'oneshot',
    process: processOf(options, command ?? nothing, options.hub.environment),
    dependsOn: {},
    readiness: { timing: defaultTiming, startTimeoutMs: timeoutMs },
    essential: !mayFail,
    ...(command === undefined && { skip: 'nothing to migrate' }),
  };
}

function gateway(options: EmbeddedOptions, command: Command): ServiceSpec {
  const rider = options.gateway;
  const { environment } = rider;
  const memory = isOwn(rider) && { MEMORY_FILE_PATH: memoryFile(options.directories.data, environment) };
  return {
    ...commonSpec,
    ...skipOf(rider),
    name: 'gateway',
    process: processOf(options, command, { ...environment, ...memory }),
    dependsOn: { migrations: migrated(options) },
    readiness: readinessOf(options, rider, gatewayProbes(options)),
  };
}

function hub(options: EmbeddedOptions, command: Command): ServiceSpec {
  const rider = options.hub;
  const state = isOwn(rider) && hubState(options);
  return {
    ...commonSpec,
    ...skipOf(rider),
    name: 'hub',
    process: processOf(options, command, { ...rider.environment, ...state, ...rider.overrides }),
    dependsOn: { migrations: migrated(options), gateway: 'ready' },
    readiness: readinessOf(options, rider, hubProbes(options)),
  };
}

const commonSpec = {
  type: 'service',
  essential: true,
  restart: noRestart,
  stopSignal: 'SIGTERM',
  forwardSignals: [],
} as const satisfies Partial<ServiceSpec>;

function migrated({ migrations: { mayFail } }: EmbeddedOptions) {
  return mayFail ? 'ended' : 'completed';
}

function skipOf({ skip }: RiderOptions): Pick<ServiceSpec, 'skip'> {
  return skip === undefined ? {} : { skip };
}

function processOf({ directories }: EmbeddedOptions, command: Command, environment: Environment) {
  return { command, cwd: directories.working, environment, attachment: 'service' } as const;
}

type Probes = Pick<ReadinessSpec, 'startProbe' | 'probe'>;

function readinessOf({ readyTimeoutMs }: EmbeddedOptions, { host, port }: RiderOptions, probes: Probes): ReadinessSpec {
  return { port: { host, port }, ...probes, timing: defaultTiming, startTimeoutMs: readyTimeoutMs };
}

/**
 * The pair's own health path answers 200 even if nothing works behind it, so at the start a session is opened, too: by the
 * pair's own hub, which is asked for it, or where that is not run by a probe. Both would be half a second more, for a session
 * is a memory server.
 */
function gatewayProbes(options: EmbeddedOptions): Probes {
  const rider = options.gateway;
  const probe = httpProbe(rider, ownHealthPath.gateway);
  if (!probe || !isOwn(rider)) return { ...(probe && { probe }) };
  const url = urlOf(rider, '/mcp');
  if (gatewayUrl(options) === url && tellsOfGateway(options)) return { probe };
  return { startProbe: { kind: 'mcp', url }, probe };
}

/**
 * The pair's own hub answers 200 from its first moment, so its words count. After a restart over its API it calls
 * itself `restarted` for ever: `ready` is asked for only at the start.
 */
function hubProbes(options: EmbeddedOptions): Probes {
  const rider = options.hub;
  const probe = httpProbe(rider, ownHealthPath.hub);
  if (!probe || !tellsOfGateway(options)) return { ...(probe && { probe }) };
  const connected = gatewayUrl(options) === undefined ? {} : connectedGateway;
  return {
    startProbe: { ...probe, json: { state: 'ready', ...connected } },
    probe: { ...probe, json: connected },
  };
}

/** True if the pair's own hub is run and asked for its words, which are those of its own health path alone. */
function tellsOfGateway({ hub }: EmbeddedOptions): boolean {
  const probe = httpProbe(hub, ownHealthPath.hub);
  return isOwn(hub) && probe?.url.endsWith(ownHealthPath.hub) === true;
}

const connectedGateway = { servers: [{ name: gatewayEntry, status: 'connected' }] } satisfies JsonPattern;

/** The question of the HTTP stage; none if the path is empty. */
function httpProbe(rider: RiderOptions, ownPath: string): Extract<ProbeSpec, { kind: 'http' }> | undefined {
  const path = rider.healthPath ?? (isOwn(rider) ? ownPath : '/health');
  return path === '' ? undefined : { kind: 'http', url: urlOf(rider, path) };
}
