/** Docker's Engine API, or Podman's of the same shape, behind the fleet's small interface. */
import { type Duplex, PassThrough } from 'node:stream';
import Docker from 'dockerode';
import {
  type Attachment,
  type ContainerEngine,
  type ContainerSpec,
  EngineError,
  type EngineEvent,
  type EngineTrouble,
  type PullProgress,
  type Seen,
} from './engine.ts';

/** No call but a pull and a stop takes longer on an engine that is well. */
const callTimeoutMs = 10_000;
const pullTimeoutMs = 15 * 60_000;

/** Where the engine is: a socket's path, or what DOCKER_HOST says. */
export type EnginePlace = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The configured socket, else DOCKER_HOST (unix:// or tcp://), else the usual socket. */
export function placeOf(socketPath: string | undefined, environment: NodeJS.ProcessEnv): EnginePlace {
  const said = environment['DOCKER_HOST']?.trim();
  if (socketPath !== undefined) return { socketPath };
  if (!said) return { socketPath: '/var/run/docker.sock' };
  const { protocol, hostname, port, pathname } = new URL(said);
  return protocol === 'unix:' ? { socketPath: pathname } : { host: hostname, port: Number(port || 2375) };
}

export class DockerEngine implements ContainerEngine {
  readonly #docker: Docker;

  constructor(place: EnginePlace) {
    this.#docker = new Docker({ ...place, ...('host' in place && { protocol: 'http' as const }) });
  }

  async ping(signal: AbortSignal): Promise<void> {
    await call(signal, callTimeoutMs, () => this.#docker.ping());
  }

  async list(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly Seen[]> {
    const options = { all: true, filters: JSON.stringify({ label: filterOf(labels) }) };
    const found = await call(signal, callTimeoutMs, (abortSignal) => {
      return this.#docker.listContainers({ ...options, abortSignal });
    });
    const seen = await Promise.all(found.map(({ Id }) => this.inspect(Id, signal)));
    return seen.filter((one) => one !== undefined);
  }

  async inspect(name: string, signal: AbortSignal): Promise<Seen | undefined> {
    return unlessMissing(async () => {
      const container = this.#docker.getContainer(name);
      return seenOf(await call(signal, callTimeoutMs, (abortSignal) => container.inspect({ abortSignal })));
    });
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const options = optionsOf(spec);
    const { id } = await call(signal, callTimeoutMs, (abortSignal) => {
      return this.#docker.createContainer({ ...options, abortSignal });
    });
    return id;
  }

  async start(name: string, signal: AbortSignal): Promise<void> {
    const container = this.#docker.getContainer(name);
    await unless('already')(() => call(signal, callTimeoutMs, (abortSignal) => container.start({ abortSignal })));
  }

  async stop(name: string, graceMs: number, signal: AbortSignal): Promise<void> {
    const container = this.#docker.getContainer(name);
    const t = Math.ceil(graceMs / 1_000);
    await unless(
      'already',
      'no-such-container',
    )(() => call(signal, graceMs + callTimeoutMs, (abortSignal) => container.stop({ t, abortSignal })));
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    const container = this.#docker.getContainer(name);
    await unlessMissing(() =>
      call(signal, callTimeoutMs, (abortSignal) => container.remove({ force: true, v: true, abortSignal })),
    );
  }

  async attach(name: string, signal: AbortSignal): Promise<Attachment> {
    const container = this.#docker.getContainer(name);
    const options = { stream: true, hijack: true, stdin: true, stdout: true, stderr: true };
    const stream = await call(signal, callTimeoutMs, (abortSignal) => container.attach({ ...options, abortSignal }));
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    container.modem.demuxStream(stream, stdout, stderr);
    const end = () => {
      stdout.end();
      stderr.end();
    };
    stream.on('end', end).on('close', end).on('error', end);
    return { stdin: stream as Duplex, stdout, stderr, close: () => stream.end() };
  }

  async *events(
    labels: Readonly<Record<string, string>>,
    sinceMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    const filters = { type: ['container' as const], label: filterOf(labels) };
    const since = sinceMs / 1_000;
    const stream = await call(signal, callTimeoutMs, () => this.#docker.getEvents({ since, filters }));
    const end = () => (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
    signal.addEventListener('abort', end, { once: true });
    try {
      let rest = '';
      for await (const chunk of stream) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines.filter((one) => one.trim() !== '')) yield eventOf(line);
      }
    } catch (error) {
      if (!signal.aborted) throw troubleOf(error);
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  async pull(image: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void> {
    await call(signal, pullTimeoutMs, async (abortSignal) => {
      const stream = await this.#docker.pull(image, { abortSignal });
      await new Promise<void>((resolve, reject) => {
        const told = (report: Report) => onProgress(progressOf(report));
        this.#docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()), told);
      });
    });
  }

  async network(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    const network = this.#docker.getNetwork(name);
    const there = await unlessMissing(() => call(signal, callTimeoutMs, () => network.inspect()));
    if (there) return;
    const options = { Name: name, Labels: { ...labels }, CheckDuplicate: true };
    await call(signal, callTimeoutMs, (abortSignal) => this.#docker.createNetwork({ ...options, abortSignal })).catch(
      (error: EngineError) => {
        if (error.trouble !== 'conflict') throw error; // somebody else was faster
      },
    );
  }
}

const filterOf = (labels: Readonly<Record<string, string>>): string[] =>
  Object.entries(labels).map(([name, value]) => `${name}=${value}`);

/** What is not allowed here is not possible in the container. */
function optionsOf(spec: ContainerSpec): Docker.ContainerCreateOptions {
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

function seenOf(found: Docker.ContainerInspectInfo): Seen {
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

function eventOf(line: string): EngineEvent {
  const { Actor, timeNano } = JSON.parse(line) as { Actor: { Attributes: { name?: string } }; timeNano: number };
  return { name: Actor.Attributes.name ?? '', atMs: timeNano / 1e6 };
}

interface Report {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

const progressOf = ({ id, status = '', progressDetail }: Report): PullProgress => {
  return { layer: id, status, doneBytes: progressDetail?.current, totalBytes: progressDetail?.total };
};

/** One question to the engine, with a limit. @throws EngineError */
async function call<T>(signal: AbortSignal, limitMs: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController();
  const giveUp = () => over.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  const lost = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => reject(tooLate(signal, limitMs)), { once: true });
  });
  const timer = setTimeout(giveUp, limitMs);
  if (signal.aborted) giveUp();
  try {
    return await Promise.race([ask(over.signal), lost]);
  } catch (error) {
    throw troubleOf(error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    lost.catch(() => {});
  }
}

function tooLate(signal: AbortSignal, limitMs: number): EngineError {
  if (signal.aborted) return new EngineError('timeout', 'nobody waits for the engine any more');
  return new EngineError('unreachable', `the engine did not answer within ${limitMs / 1_000} s`);
}

/** By the API's status codes; where there is none, nobody answered. */
function troubleOf(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const { statusCode, message, json, code } = error as {
    statusCode?: number;
    message: string;
    json?: { message?: string };
    code?: string;
  };
  const said = json?.message ?? message;
  const options = { cause: error };
  if (statusCode === undefined)
    return new EngineError('unreachable', `the engine does not answer: ${code ?? message}`, options);
  return new EngineError(kindOf(statusCode, said), said, options);
}

function kindOf(status: number, said: string): EngineTrouble {
  if (status === 404)
    return /no such image|manifest|not found: .*image|pull access/i.test(said) ? 'no-such-image' : 'no-such-container';
  if (status === 304) return 'already';
  return status === 409 ? 'conflict' : 'refused';
}

/** Of a question whose answer may be such a trouble, that there is none. */
function unless(...troubles: readonly EngineTrouble[]) {
  return async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof EngineError && troubles.includes(error.trouble)) return undefined;
      throw error;
    }
  };
}

const unlessMissing = unless('no-such-container');
