/** What the fleet says and hears, in the shapes of Docker's API. */
import type Docker from 'dockerode';
import type { ContainerSpec, EngineEvent, PullProgress, Seen } from './engine.ts';

export const filterOf = (labels: Readonly<Record<string, string>>): string[] =>
  Object.entries(labels).map(([name, value]) => `${name}=${value}`);

/** What is not allowed here is not possible in the container. */
export function optionsOf(spec: ContainerSpec): Docker.ContainerCreateOptions {
  const { name, image, command, environment, labels, network, mounts, limits, user } = spec;
  return {
    name,
    Image: image,
    ...(command && { Cmd: [...command] }),
    ...(user !== undefined && { User: user }),
    Env: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
    Labels: { ...labels },
    // With StdinOnce a fleet that dies takes its end of stdin along, and a server on stdin ends by itself.
    ...(spec.isAttached && {
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    }),
    HostConfig: {
      NetworkMode: network,
      Memory: limits.memoryBytes,
      MemorySwap: limits.memoryBytes,
      NanoCpus: limits.nanoCpus,
      PidsLimit: limits.pids,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      ReadonlyRootfs: spec.isRootReadOnly,
      Tmpfs: Object.fromEntries(spec.scratch.map((path) => [path, 'rw,nosuid,nodev,size=64m,mode=1777'])),
      Binds: mounts.map(({ source, target, isReadOnly }) => `${source}:${target}:${isReadOnly ? 'ro' : 'rw'}`),
      RestartPolicy: { Name: 'no' },
      Init: true,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
    },
  };
}

export function seenOf(found: Docker.ContainerInspectInfo): Seen {
  const { Id, Name, Config, State, NetworkSettings } = found;
  const [network] = Object.values(NetworkSettings.Networks ?? {});
  return {
    id: Id,
    name: Name.replace(/^\//, ''),
    image: Config.Image,
    labels: Config.Labels ?? {},
    isRunning: State.Running,
    isPaused: State.Paused,
    startedAtMs: momentOf(State.StartedAt),
    stoppedAtMs: momentOf(State.FinishedAt),
    exitCode: State.Running ? undefined : State.ExitCode,
    address: network?.IPAddress || undefined,
  };
}

/** Go's zero time is the year 1: never. */
function momentOf(text: string): number | undefined {
  const ms = Date.parse(text);
  return ms > 0 ? ms : undefined;
}

export function eventOf(line: string): EngineEvent {
  const { Actor, timeNano } = JSON.parse(line) as { Actor: { Attributes: { name?: string } }; timeNano: number };
  return { name: Actor.Attributes.name ?? '', atMs: timeNano / 1e6 };
}

export interface Report {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

export const progressOf = ({ id, status = '', progressDetail }: Report): PullProgress => {
  return { layer: id, status, doneBytes: progressDetail?.current, totalBytes: progressDetail?.total };
};
