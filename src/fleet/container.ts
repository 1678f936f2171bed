/** A server's settings as a container: its name, its labels, its box, and a fingerprint by which a change is seen. */
import { createHash } from 'node:crypto';
import type { ContainerSpec } from './engine.ts';
import type { ServerSettings } from './settings/settings.ts';

export const labels = {
  managed: 'mcp-hub.managed',
  server: 'mcp-hub.server',
  /** Whose it is, where several fleets share an engine. */
  fleet: 'mcp-hub.fleet',
  /** Which process of that fleet made it: two that are told to be the same fleet are told apart by it. */
  instance: 'mcp-hub.instance',
  /** Of the settings that it was made with. */
  fingerprint: 'mcp-hub.fingerprint',
  /** What operators filter by: `docker ps --filter label=mcp-hub`. */
  marker: 'mcp-hub',
} as const;

export interface Owner {
  readonly fleetName: string;
  readonly networkName: string;
}

/** What all containers of a fleet have in common. */
export const labelsOf = ({ fleetName }: Owner): Readonly<Record<string, string>> => ({
  [labels.managed]: 'true',
  [labels.fleet]: fleetName,
});

export const containerName = (server: string): string => `mcp-hub-${server}`;

/** @param environment the server's own, with its secrets in it; they are in no label and no name */
export function containerOf(
  settings: ServerSettings,
  owner: Owner,
  environment: Readonly<Record<string, string>>,
): ContainerSpec {
  const { name, image, command, transport, mounts, limits, isRootReadOnly, user } = settings;
  const spec = {
    name: containerName(name),
    image,
    command,
    environment,
    network: owner.networkName,
    mounts,
    limits,
    isRootReadOnly,
    scratch: ['/tmp'],
    user,
    isAttached: transport.kind === 'stdio',
  };
  return {
    ...spec,
    labels: {
      ...labelsOf(owner),
      [labels.marker]: 'true',
      [labels.server]: name,
      [labels.fingerprint]: createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 16),
    },
  };
}
