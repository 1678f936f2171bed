/** What the operator wants of the fleet, read from the seed's JSON: the part `docker` of the hub's own configuration. */
import { Complaints, placeText } from '../../config/stack/complaints.ts';
import { type Located, partAt } from '../../config/stack/located.ts';
import { readYaml } from '../../config/stack/read-yaml.ts';
import type { Problem } from '../../core/errors.ts';
import { isKept, type Strategy } from '../strategy.ts';
import { dockerHostProblems, socketIn } from './docker-host.ts';
import { type DockerInput, fleetKeys } from './keys.ts';
import { bool } from './kinds.ts';
import { refusedServerKeys } from './refused.ts';
import { type ServerSettings, serverOf } from './server-settings.ts';

export type { ServerSettings } from './server-settings.ts';

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

export type ReadSettings = { readonly settings: FleetSettings } | { readonly problems: readonly Problem[] };

const usualSessionTimeoutMs = 1_800_000;

/**
 * @param shownAs as the operator calls the file
 * @param environment says where the engine is, if the file does not
 */
export async function readSettings(
  bytes: Uint8Array,
  shownAs: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<ReadSettings> {
  const { root, problems } = await readYaml(bytes, 'a map with "docker"');
  if (!root) return { problems: problems.map(({ at, message }) => ({ subject: placeText(shownAs, at), message })) };
  const complaints = new Complaints(shownAs, root);
  const input = parse(root, complaints);
  const settings = input && settingsOf(input, complaints, environment);
  // Also where the rest cannot be understood.
  const isElsewhere =
    complaints.parse(bool, ['docker', 'enabled']) && !partAt(root, ['docker', 'dockerConfig', 'socketPath']);
  const all = [...complaints.problems, ...(isElsewhere ? dockerHostProblems(environment) : [])];
  return all.length > 0 || !settings ? { problems: all } : { settings };
}

function parse(root: Located, complaints: Complaints): DockerInput | undefined {
  if (root.kind !== 'map') {
    complaints.at([], 'accepted: a map with "docker"');
    return undefined;
  }
  const known = Object.keys(fleetKeys);
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

function settingsOf(docker: DockerInput, complaints: Complaints, environment: NodeJS.ProcessEnv): FleetSettings {
  const { dockerConfig = {}, serverConfigs = {}, maxContainers = 20 } = docker;
  const networkName = dockerConfig.networkName ?? 'mcp-hub-network';
  const sockets = [dockerConfig.socketPath, socketIn(environment)].filter((socket) => socket !== undefined);
  const servers = Object.entries(serverConfigs).map(([name, input]) => {
    return serverOf(name, input, docker, { path: ['docker', 'serverConfigs', name], complaints, sockets });
  });
  checkRoom(servers, maxContainers, complaints);
  return {
    isEnabled: docker.enabled ?? false,
    strategy: docker.strategy ?? 'on-demand',
    maxContainers,
    socketPath: dockerConfig.socketPath,
    networkName,
    fleetName: dockerConfig.fleetName ?? networkName,
    isCleanedUpOnShutdown: dockerConfig.cleanupOnShutdown ?? true,
    sessionTimeoutMs: docker.sessionTimeout ?? usualSessionTimeoutMs,
    servers,
  };
}

function checkRoom(servers: readonly ServerSettings[], maxContainers: number, complaints: Complaints): void {
  const names = servers.filter(({ strategy }) => isKept(strategy)).map(({ name }) => name);
  if (names.length <= maxContainers) return;
  complaints.at(
    ['docker', 'maxContainers'],
    `${maxContainers} is not enough for ${names.length} servers that are kept running (${names.join(', ')}); accepted: ${names.length} or more`,
  );
}
