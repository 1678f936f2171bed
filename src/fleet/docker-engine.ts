/** Docker's Engine API, or Podman's of the same shape, behind the fleet's small interface. */
import { type Duplex, PassThrough } from 'node:stream';
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
