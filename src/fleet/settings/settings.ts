/** What the operator wants of the fleet, read from the seed's JSON: the part `docker` of the hub's own configuration. */
import { realpathSync } from 'node:fs';
import { isAbsolute, relative } from 'node:path';
import { Complaints, placeText } from '../../config/stack/complaints.ts';
import type { Located } from '../../config/stack/located.ts';
import { readYaml } from '../../config/stack/read-yaml.ts';
import type { Problem } from '../../core/errors.ts';
import type { Limits, Mount } from '../engine.ts';
import { Schedule } from '../schedule.ts';
import { isKept, type Strategy } from '../strategy.ts';
import { type DockerInput, fleetKeys, hubKeys, type ServerInput } from './keys.ts';
import { serverName } from './kinds.ts';
import { refusedServerKeys } from './refused.ts';

export interface FleetSettings {
  readonly isEnabled: boolean;
  readonly strategy: Strategy;
  readonly maxContainers: number;
  /** Absent: DOCKER_HOST, or the usual socket. */
  readonly socketPath: string | undefined;
  readonly networkName: string;
  readonly fleetName: string;
  readonly isCleanedUpOnShutdown: boolean;
  /** After this a session of which nothing is heard is over. */
  readonly sessionTimeoutMs: number;
  readonly servers: readonly ServerSettings[];
}

export interface ServerSettings {
  readonly name: string;
  readonly image: string;
  readonly strategy: Strategy;
  readonly command: readonly string[] | undefined;
  readonly transport:
    | { readonly kind: 'stdio' }
    | { readonly kind: 'http'; readonly port: number; readonly path: string };
  readonly mounts: readonly Mount[];
  /** `null`: taken from the fleet's own environment. */
  readonly environment: Readonly<Record<string, string | null>>;
  /** Files by the variable that their text becomes. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly schedule: Schedule | undefined;
  readonly idleTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly isRootReadOnly: boolean;
  readonly user: string | undefined;
}

export type ReadSettings = { readonly settings: FleetSettings } | { readonly problems: readonly Problem[] };

const usual = { idleTimeoutMs: 300_000, startTimeoutMs: 60_000, stopTimeoutMs: 10_000, sessionTimeoutMs: 1_800_000 };
const usualLimits: Limits = { memoryBytes: 512 * 1_024 ** 2, nanoCpus: 1e9, pids: 256 };
const lightLimits: Limits = { memoryBytes: 128 * 1_024 ** 2, nanoCpus: 0.25e9, pids: 64 };
const usualSockets = [
  '/var/run/docker.sock',
  '/run/docker.sock',
  '/run/podman/podman.sock',
  '/run/containerd/containerd.sock',
];

/** @param shownAs as the operator calls the file */
export async function readSettings(bytes: Uint8Array, shownAs: string): Promise<ReadSettings> {
  const { root, problems } = await readYaml(bytes);
  if (!root) return { problems: problems.map(({ at, message }) => ({ subject: placeText(shownAs, at), message })) };
  const complaints = new Complaints(shownAs, root);
  const input = parse(root, complaints);
  const settings = input && settingsOf(input, complaints);
  return complaints.problems.length > 0 || !settings ? { problems: complaints.problems } : { settings };
}

function parse(root: Located, complaints: Complaints): DockerInput | undefined {
  if (root.kind !== 'map') {
    complaints.at([], 'accepted: a map with "docker"');
    return undefined;
  }
  const known = [...Object.keys(fleetKeys), ...hubKeys];
  for (const name of root.entries.keys()) {
    if (!known.includes(name) && !name.startsWith('x-')) complaints.unknown([name], known);
  }
  if (!root.entries.has('docker')) complaints.at([], '"docker" is missing; accepted: a map with "docker"');
  refuse(root, complaints);
  return complaints.parse(fleetKeys.docker.accepts, ['docker']);
}

/** Keys that Docker knows and that would open what is to stay closed: each with its own word. */
function refuse(root: Located, complaints: Complaints): void {
  const docker = root.kind === 'map' ? root.entries.get('docker')?.value : undefined;
  const servers = docker?.kind === 'map' ? docker.entries.get('serverConfigs')?.value : undefined;
  if (servers?.kind !== 'map') return;
  for (const [name, { value }] of servers.entries) {
    if (value.kind !== 'map') continue;
    for (const key of value.entries.keys()) {
      const word = refusedServerKeys.get(key.toLowerCase());
      if (word) complaints.missing(['docker', 'serverConfigs', name, key], word);
    }
  }
}

function settingsOf(docker: DockerInput, complaints: Complaints): FleetSettings {
  const { dockerConfig = {}, serverConfigs = {}, maxContainers = 20 } = docker;
  const networkName = dockerConfig.networkName ?? 'mcp-hub-network';
  const servers = Object.entries(serverConfigs).map(([name, input]) => serverOf(name, input, docker, complaints));
  const kept = servers.filter(({ strategy }) => isKept(strategy));
  if (kept.length > maxContainers) {
    const names = kept.map(({ name }) => name).join(', ');
    complaints.at(
      ['docker', 'maxContainers'],
      `${maxContainers} is not enough for ${kept.length} servers that are kept running (${names}); accepted: ${kept.length} or more`,
    );
  }
  return {
    isEnabled: docker.enabled ?? false,
    strategy: docker.strategy ?? 'on-demand',
    maxContainers,
    socketPath: dockerConfig.socketPath,
    networkName,
    fleetName: dockerConfig.fleetName ?? networkName,
    isCleanedUpOnShutdown: dockerConfig.cleanupOnShutdown ?? true,
    sessionTimeoutMs: docker.sessionTimeout ?? usual.sessionTimeoutMs,
    servers,
  };
}

function serverOf(name: string, input: ServerInput, docker: DockerInput, complaints: Complaints): ServerSettings {
  const path = ['docker', 'serverConfigs', name];
  if (!serverName.test(name)) {
    complaints.at(
      path,
      'is no name for a server; accepted: letters, digits, "_", "." and "-", at most 63, a letter or digit first',
    );
  }
  const strategy = input.strategy ?? docker.strategy ?? 'on-demand';
  checkVolumes(path, input, docker, complaints);
  for (const secret of Object.keys(input.secrets ?? {})) {
    if (secret in (input.environment ?? {}))
      complaints.at([...path, 'secrets', secret], 'is in environment, too; accepted: one of the two');
  }
  const { memory, cpus, pids } = input.resourceLimits ?? {};
  const limits = input.lightweight ? lightLimits : usualLimits;
  return {
    name,
    image: input.image ?? `${docker.dockerConfig?.imagePrefix ?? 'mcp-servers'}/${name}`,
    strategy,
    command: input.command,
    transport: transportOf(path, input, complaints),
    mounts: input.volumes ?? [],
    environment: input.environment ?? {},
    secrets: input.secrets ?? {},
    limits: {
      memoryBytes: memory ?? limits.memoryBytes,
      nanoCpus: cpus ?? limits.nanoCpus,
      pids: pids ?? limits.pids,
    },
    schedule: scheduleOf(path, input, strategy, complaints),
    idleTimeoutMs: input.idleTimeout ?? docker.idleTimeout ?? usual.idleTimeoutMs,
    startTimeoutMs: input.startTimeout ?? docker.startTimeout ?? usual.startTimeoutMs,
    stopTimeoutMs: input.stopTimeout ?? docker.stopTimeout ?? usual.stopTimeoutMs,
    isRootReadOnly: input.readOnly ?? true,
    user: input.user,
  };
}

type Steps = readonly string[];

function transportOf(path: Steps, input: ServerInput, complaints: Complaints): ServerSettings['transport'] {
  if (input.transport === 'http') return { kind: 'http', port: input.port ?? 3_000, path: input.path ?? '/mcp' };
  for (const key of ['port', 'path'] as const) {
    if (input[key] !== undefined) complaints.at([...path, key], 'needs "transport": "http"');
  }
  return { kind: 'stdio' };
}

function scheduleOf(path: Steps, input: ServerInput, strategy: Strategy, complaints: Complaints): Schedule | undefined {
  const { schedule } = input;
  if (strategy !== 'scheduled') {
    if (schedule) complaints.at([...path, 'schedule'], `needs the strategy scheduled, it is ${strategy}`);
    return undefined;
  }
  if (!schedule || schedule.length === 0) {
    complaints.at(path, 'the strategy scheduled needs "schedule": a list of windows with cron and duration');
    return undefined;
  }
  try {
    return new Schedule(schedule.map(({ cron, duration, timezone }) => ({ cron, durationMs: duration, timezone })));
  } catch (error) {
    complaints.at([...path, 'schedule'], (error as Error).message);
    return undefined;
  }
}

function checkVolumes(path: Steps, { volumes = [] }: ServerInput, docker: DockerInput, complaints: Complaints): void {
  const { allowedVolumes = [], dockerConfig = {} } = docker;
  const sockets = [
    ...usualSockets,
    ...(dockerConfig.socketPath === undefined ? [] : [dockerConfig.socketPath]),
  ].flatMap((socket) => [socket, realPath(socket)]);
  for (const { source } of volumes) {
    const at = [...path, 'volumes', source];
    const real = realPath(source);
    const socket = sockets.find((one) => isBelow(one, source) || isBelow(one, real));
    const isAllowed = allowedVolumes.some((allowed) => isBelow(source, allowed) && isBelow(real, realPath(allowed)));
    if (socket)
      complaints.at(at, `gives the container the engine's socket (${socket}); accepted: directories without it`);
    else if (!isAllowed) {
      complaints.at(at, `is not below one of "allowedVolumes" (${allowedVolumes.join(', ') || 'none'})`);
    }
  }
}

/** Where a link leads; what is not here, on this machine, is itself. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isBelow(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
