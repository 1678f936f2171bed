/** Docker's Engine API, or Podman's of the same shape, behind the fleet's small interface. */
import { type Duplex, PassThrough, type Readable } from 'node:stream';
import Docker from 'dockerode';
import { call, troubleOf, unless, unlessMissing } from './docker-calls.ts';
import { eventOf, filterOf, optionsOf, progressOf, type Report, seenOf } from './docker-shapes.ts';
import type {
  Attachment,
  ContainerEngine,
  ContainerSpec,
  EngineError,
  EngineEvent,
  PullProgress,
  Seen,
} from './engine.ts';

/**
 * How long an engine is given. A question that a well engine answers in milliseconds is not waited for longer than a caller
 * of the API is to wait for `504 ENGINE_UNREACHABLE`; a change may take its time on a machine that starts fifty at once.
 */
const limits = { questionMs: 5_000, changeMs: 30_000, pullMs: 15 * 60_000 } as const;
/** After a stop's own grace: to kill it, and to say so. */
const killMs = 10_000;

/** What the types of dockerode do not know of itself. */
interface Untyped {
  ping(options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  info(options: { readonly abortSignal: AbortSignal }): Promise<{ readonly SystemTime?: string }>;
}

/** Where the engine is: a socket's path, or what DOCKER_HOST says. */
export type EnginePlace = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The configured socket, else DOCKER_HOST (unix:// or tcp://), else the usual socket. */
export function placeOf(socketPath: string | undefined, environment: NodeJS.ProcessEnv): EnginePlace {
  const said = environment['DOCKER_HOST']?.trim();
  if (socketPath !== undefined) return { socketPath };
  if (!said) return { socketPath: '/var/run/docker.sock' };
  const { protocol, hostname, port, pathname } = new URL(said);
  if (protocol === 'unix:') return { socketPath: pathname };
  // A URL leaves out its protocol's own port, also where it is written.
  const usualPort = protocol === 'http:' ? 80 : 2375;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || usualPort) };
}

export class DockerEngine implements ContainerEngine {
  readonly #docker: Docker;

  constructor(place: EnginePlace) {
    this.#docker = new Docker({ ...place, ...('host' in place && { protocol: 'http' as const }) });
  }

  async ping(signal: AbortSignal): Promise<void> {
    const docker = this.#docker as unknown as Untyped;
    await call(signal, limits.questionMs, (abortSignal) => docker.ping({ abortSignal }));
  }

  async timeMs(signal: AbortSignal): Promise<number> {
    const docker = this.#docker as unknown as Untyped;
    const { SystemTime = '' } = await call(signal, limits.questionMs, (abortSignal) => docker.info({ abortSignal }));
    const ms = Date.parse(SystemTime);
    // An engine that does not say has no events from before, either.
    return Number.isNaN(ms) ? Date.now() : ms;
  }

  async list(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly Seen[]> {
    const options = { all: true, filters: JSON.stringify({ label: filterOf(labels) }) };
    const found = await call(signal, limits.questionMs, (abortSignal) => {
      return this.#docker.listContainers({ ...options, abortSignal });
    });
    const seen = await Promise.all(found.map(({ Id }) => this.inspect(Id, signal)));
    return seen.filter((one) => one !== undefined);
  }

  async inspect(name: string, signal: AbortSignal): Promise<Seen | undefined> {
    return unlessMissing(async () => {
      const container = this.#docker.getContainer(name);
      return seenOf(await call(signal, limits.questionMs, (abortSignal) => container.inspect({ abortSignal })));
    });
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const options = optionsOf(spec);
    const { id } = await call(signal, limits.changeMs, (abortSignal) => {
      return this.#docker.createContainer({ ...options, abortSignal });
    });
    return id;
  }

  async start(name: string, signal: AbortSignal): Promise<void> {
    const container = this.#docker.getContainer(name);
    await unless('already')(() => call(signal, limits.changeMs, (abortSignal) => container.start({ abortSignal })));
  }

  async stop(name: string, graceMs: number, signal: AbortSignal): Promise<void> {
    const container = this.#docker.getContainer(name);
    const t = Math.ceil(graceMs / 1_000);
    await unless(
      'already',
      'no-such-container',
    )(() => call(signal, graceMs + killMs, (abortSignal) => container.stop({ t, abortSignal })));
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    const container = this.#docker.getContainer(name);
    const options = { force: true, v: true };
    const remove = () => call(signal, limits.changeMs, (abortSignal) => container.remove({ ...options, abortSignal }));
    await unlessMissing(remove).catch(async (error: EngineError) => {
      // Somebody else removes it already: it is gone when that is done.
      if (error.trouble !== 'conflict') throw error;
      await call(signal, limits.changeMs, (abortSignal) => container.wait({ condition: 'removed', abortSignal })).catch(
        () => {},
      );
      if (await this.inspect(name, signal)) throw error;
    });
  }

  async attach(name: string, signal: AbortSignal): Promise<Attachment> {
    const container = this.#docker.getContainer(name);
    const options = { stream: true, hijack: true, stdin: true, stdout: true, stderr: true };
    const stream = await call(signal, limits.changeMs, (abortSignal) => container.attach({ ...options, abortSignal }));
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    container.modem.demuxStream(stream, stdout, stderr);
    const end = () => {
      stdout.end();
      stderr.end();
    };
    stream.on('end', end).on('close', end).on('error', end);
    return { stdin: stream as Duplex, stdout, stderr, close: () => stream.end() };
  }

  async events(
    labels: Readonly<Record<string, string>>,
    sinceMs: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<EngineEvent>> {
    const options = { since: sinceMs / 1_000, filters: { type: ['container' as const], label: filterOf(labels) } };
    const stream = await call(signal, limits.questionMs, (abortSignal) => {
      return this.#docker.getEvents({ ...options, abortSignal });
    });
    return eventsIn(stream as Readable, signal);
  }

  async pull(image: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void> {
    await call(signal, limits.pullMs, async (abortSignal) => {
      const stream = await this.#docker.pull(image, { abortSignal });
      await new Promise<void>((resolve, reject) => {
        const told = (report: Report) => onProgress(progressOf(report));
        this.#docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()), told);
      });
    });
  }

  async network(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    const network = this.#docker.getNetwork(name);
    const there = await unlessMissing(() => call(signal, limits.questionMs, () => network.inspect()));
    if (there) return;
    const options = { Name: name, Labels: { ...labels }, CheckDuplicate: true };
    await call(signal, limits.changeMs, (abortSignal) => this.#docker.createNetwork({ ...options, abortSignal })).catch(
      (error: EngineError) => {
        if (error.trouble !== 'conflict') throw error; // somebody else was faster
      },
    );
  }
}

async function* eventsIn(stream: Readable, signal: AbortSignal): AsyncGenerator<EngineEvent> {
  const end = () => void stream.destroy();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
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
