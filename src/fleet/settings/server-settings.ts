/** What is wanted of one server, from its part of the configuration and the defaults of all. */
import { accessSync, constants } from 'node:fs';
import type { Complaints } from '../../config/stack/complaints.ts';
import type { Limits, Mount } from '../engine.ts';
import { Schedule } from '../schedule.ts';
import type { Strategy } from '../strategy.ts';
import type { DockerInput } from './keys.ts';
import { serverName } from './kinds.ts';
import type { ServerInput } from './server-keys.ts';
import { volumeProblem } from './volumes.ts';

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

/** What is told of a server stands below here. */
interface Place {
  readonly path: readonly string[];
  readonly complaints: Complaints;
  /** Where the engine is. */
  readonly sockets: readonly string[];
}

const usual = { idleTimeoutMs: 300_000, startTimeoutMs: 60_000, stopTimeoutMs: 10_000 };
const usualLimits: Limits = { memoryBytes: 512 * 1_024 ** 2, nanoCpus: 1e9, pids: 256 };
const lightLimits: Limits = { memoryBytes: 128 * 1_024 ** 2, nanoCpus: 0.25e9, pids: 64 };

export function serverOf(name: string, input: ServerInput, docker: DockerInput, place: Place): ServerSettings {
  const strategy = input.strategy ?? docker.strategy ?? 'on-demand';
  checkName(name, input, place);
  checkVolumes(input, docker, place);
  checkSecrets(input, docker, place);
  return {
    name,
    image: input.image ?? `${docker.dockerConfig?.imagePrefix ?? 'mcp-servers'}/${name}`,
    strategy,
    command: input.command,
    transport: transportOf(input, place),
    mounts: input.volumes ?? [],
    environment: input.environment ?? {},
    secrets: input.secrets ?? {},
    limits: limitsOf(input),
    schedule: scheduleOf(input, strategy, place),
    idleTimeoutMs: input.idleTimeout ?? docker.idleTimeout ?? usual.idleTimeoutMs,
    startTimeoutMs: input.startTimeout ?? docker.startTimeout ?? usual.startTimeoutMs,
    stopTimeoutMs: input.stopTimeout ?? docker.stopTimeout ?? usual.stopTimeoutMs,
    isRootReadOnly: input.readOnly ?? true,
    user: input.user,
  };
}

function limitsOf({ resourceLimits: { memory, cpus, pids } = {}, lightweight }: ServerInput): Limits {
  const { memoryBytes, nanoCpus, pids: most } = lightweight ? lightLimits : usualLimits;
  return { memoryBytes: memory ?? memoryBytes, nanoCpus: cpus ?? nanoCpus, pids: pids ?? most };
}

function checkName(name: string, { image }: ServerInput, { path, complaints }: Place): void {
  const accepted = 'letters, digits, "_", "." and "-", at most 63, a letter or digit first';
  if (!serverName.test(name)) complaints.at(path, `is no name for a server; accepted: ${accepted}`);
  else if (image === undefined && /[A-Z]/.test(name))
    complaints.at(path, 'needs "image": there are no capital letters in the name of an image');
}

function transportOf(input: ServerInput, { path, complaints }: Place): ServerSettings['transport'] {
  if (input.transport === 'http') return { kind: 'http', port: input.port ?? 3_000, path: input.path ?? '/mcp' };
  for (const key of ['port', 'path'] as const) {
    if (input[key] !== undefined) complaints.at([...path, key], 'needs "transport": "http"');
  }
  return { kind: 'stdio' };
}

function scheduleOf({ schedule }: ServerInput, strategy: Strategy, { path, complaints }: Place): Schedule | undefined {
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

function checkVolumes({ volumes = [] }: ServerInput, docker: DockerInput, { path, complaints, sockets }: Place): void {
  for (const mount of volumes) {
    const problem = volumeProblem(mount, docker.allowedVolumes ?? [], sockets);
    if (problem) complaints.at([...path, 'volumes', mount.source], problem);
  }
}

/** Their files are read when the container is made; one that is not there now is a mistake that can be told now. */
function checkSecrets(input: ServerInput, { enabled = false }: DockerInput, { path, complaints }: Place): void {
  for (const [name, file] of Object.entries(input.secrets ?? {})) {
    const at = [...path, 'secrets', name];
    if (name in (input.environment ?? {})) complaints.at(at, 'is in environment, too; accepted: one of the two');
    if (enabled && !isReadable(file))
      complaints.at(at, `"${file}" cannot be read; accepted: a file that the fleet can read`);
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
