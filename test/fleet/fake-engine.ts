/**
 * An engine in memory: it keeps containers, networks and images, tells of what happens to them, and has any trouble on
 * demand. What speaks in a container is a small MCP server on stdin and stdout, or whatever the test lets listen.
 */
import { PassThrough } from 'node:stream';
import {
  type Attachment,
  type ContainerEngine,
  type ContainerSpec,
  EngineError,
  type EngineEvent,
  type EngineTrouble,
  type PullProgress,
  type Seen,
} from '../../src/fleet/engine.ts';

export type Call = keyof ContainerEngine;

interface Container {
  readonly id: string;
  readonly spec: ContainerSpec;
  isRunning: boolean;
  startedAtMs?: number;
  stoppedAtMs?: number;
  exitCode?: number;
  attachment?: { readonly stdin: PassThrough; readonly stdout: PassThrough; readonly stderr: PassThrough };
}

export class FakeEngine implements ContainerEngine {
  readonly containers = new Map<string, Container>();
  readonly networks = new Set<string>();
  /** Those that are here. */
  readonly images: Set<string>;
  /** Those that can be pulled. */
  readonly registry = new Set<string>();
  /** What was asked, in order. */
  readonly calls: string[] = [];
  /** Questions that have this trouble instead of an answer. */
  readonly troubles = new Map<Call, EngineTrouble | Error>();
  /** Questions that are answered by nobody, until they are given up. */
  readonly hanging = new Set<Call>();
  /** Signals of questions that were given up. */
  givenUp = 0;
  /** Servers in containers do not answer. */
  isSilent = false;
  /** Where containers are reached. */
  address = '127.0.0.1';
  #isLost = false;
  #count = 0;
  readonly #told: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent | undefined) => void>();

  constructor(images: readonly string[] = []) {
    this.images = new Set(images);
  }

  /** It goes away or comes back; streams break. */
  set isLost(isLost: boolean) {
    this.#isLost = isLost;
    if (isLost) for (const tell of this.#listeners) tell(undefined);
  }

  get running(): readonly string[] {
    return [...this.containers.values()].filter(({ isRunning }) => isRunning).map(({ spec }) => spec.name);
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#ask('ping', '', signal);
  }

  async list(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly Seen[]> {
    await this.#ask('list', '', signal);
    return [...this.containers.values()]
      .filter(({ spec }) => hasAll(spec.labels, labels))
      .map((one) => this.#seen(one));
  }

  async inspect(name: string, signal: AbortSignal): Promise<Seen | undefined> {
    await this.#ask('inspect', name, signal);
    const found = this.#find(name);
    return found && this.#seen(found);
  }

  async create(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    await this.#ask('create', spec.name, signal);
    if (!this.images.has(spec.image)) throw new EngineError('no-such-image', `No such image: ${spec.image}`);
    if (!this.networks.has(spec.network))
      throw new EngineError('no-such-container', `network ${spec.network} not found`);
    if (this.containers.has(spec.name)) throw new EngineError('conflict', `The name "/${spec.name}" is already in use`);
    this.#count += 1;
    const id = `id-${this.#count}`;
    this.containers.set(spec.name, { id, spec, isRunning: false });
    this.#tell(spec.name);
    return id;
  }

  async start(name: string, signal: AbortSignal): Promise<void> {
    await this.#ask('start', name, signal);
    const found = this.#found(name);
    if (found.isRunning) return;
    Object.assign(found, { isRunning: true, startedAtMs: Date.now(), exitCode: undefined });
    this.#tell(found.spec.name);
  }

  async stop(name: string, _graceMs: number, signal: AbortSignal): Promise<void> {
    await this.#ask('stop', name, signal);
    const found = this.#find(name);
    if (found?.isRunning) this.#end(found, 0);
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#ask('remove', name, signal);
    const found = this.#find(name);
    if (!found) return;
    if (found.isRunning) this.#end(found, 137);
    this.containers.delete(found.spec.name);
    this.#tell(found.spec.name);
  }

  async attach(name: string, signal: AbortSignal): Promise<Attachment> {
    await this.#ask('attach', name, signal);
    const found = this.#found(name);
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    found.attachment = { stdin, stdout, stderr };
    serve(stdin, stdout, () => this.isSilent);
    return { stdin, stdout, stderr, close: () => void stdin.end() };
  }

  async timeMs(signal: AbortSignal): Promise<number> {
    await this.#ask('timeMs', '', signal);
    return Date.now();
  }

  async events(
    _labels: Readonly<Record<string, string>>,
    sinceMs: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<EngineEvent>> {
    await this.#ask('events', '', signal);
    const heard: (EngineEvent | undefined)[] = this.#told.filter(({ atMs }) => atMs >= sinceMs);
    let wake = () => {};
    const listener = (event: EngineEvent | undefined) => {
      heard.push(event);
      wake();
    };
    this.#listeners.add(listener);
    const end = () => listener(undefined);
    signal.addEventListener('abort', end, { once: true });
    const over = () => {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', end);
    };
    const next = async () => {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (heard.length === 0) await woken;
      return heard.shift();
    };
    return streamOf(next, over);
  }

  async pull(image: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void> {
    onProgress({ status: 'Pulling', layer: 'a', doneBytes: 1, totalBytes: 2 });
    await this.#ask('pull', image, signal);
    if (!this.registry.has(image)) throw new EngineError('no-such-image', `manifest for ${image} not found`);
    onProgress({ status: 'Pull complete', layer: 'a', doneBytes: 2, totalBytes: 2 });
    this.images.add(image);
  }

  async network(name: string, _labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    await this.#ask('network', name, signal);
    this.networks.add(name);
  }

  /** Its process ends by itself. */
  crash(name: string): void {
    this.#end(this.#found(name), 1);
  }

  /** Somebody else makes one. */
  put(name: string, labels: Readonly<Record<string, string>>, isRunning: boolean): void {
    this.#count += 1;
    const spec = { name, labels, image: 'foreign', environment: {}, network: 'x', mounts: [], scratch: [] };
    const limits = { memoryBytes: 0, nanoCpus: 0, pids: 0 };
    const whole: ContainerSpec = { ...spec, limits, isRootReadOnly: true, isAttached: false };
    this.containers.set(name, { id: `id-${this.#count}`, spec: whole, isRunning });
    this.#tell(name);
  }

  #end(found: Container, exitCode: number): void {
    Object.assign(found, { isRunning: false, stoppedAtMs: Date.now(), exitCode });
    found.attachment?.stdout.end();
    found.attachment?.stderr.end();
    this.#tell(found.spec.name);
  }

  async #ask(call: Call, about: string, signal: AbortSignal): Promise<void> {
    this.calls.push(`${call} ${about}`.trim());
    if (this.hanging.has(call)) await this.#hang(signal);
    else await new Promise((resolve) => setImmediate(resolve));
    if (signal.aborted) throw new EngineError('timeout', 'nobody waits for the engine any more');
    if (this.#isLost) throw new EngineError('unreachable', 'the engine does not answer: ECONNREFUSED');
    const trouble = this.troubles.get(call);
    if (trouble instanceof Error) throw trouble;
    if (trouble) throw new EngineError(trouble, `the engine said: ${trouble}`);
  }

  async #hang(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.givenUp += 1;
  }

  #find(nameOrId: string): Container | undefined {
    return this.containers.get(nameOrId) ?? [...this.containers.values()].find(({ id }) => id === nameOrId);
  }

  #found(nameOrId: string): Container {
    const found = this.#find(nameOrId);
    if (!found) throw new EngineError('no-such-container', `No such container: ${nameOrId}`);
    return found;
  }

  #seen({ id, spec, isRunning, startedAtMs, stoppedAtMs, exitCode }: Container): Seen {
    const { name, image, labels } = spec;
    const { address } = this;
    return { id, name, image, labels, isRunning, isPaused: false, startedAtMs, stoppedAtMs, exitCode, address };
  }

  #tell(name: string): void {
    const event = { name, atMs: Date.now() };
    this.#told.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

async function* streamOf(next: () => Promise<EngineEvent | undefined>, over: () => void): AsyncGenerator<EngineEvent> {
  try {
    for (let event = await next(); event; event = await next()) yield event;
  } finally {
    over();
  }
}

function hasAll(has: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => has[name] === value);
}

/** MCP in a few lines: it greets, and echoes what tools are called with. */
function serve(stdin: PassThrough, stdout: PassThrough, isSilent: () => boolean): void {
  let rest = '';
  stdin.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { id, method, params } = JSON.parse(line);
      if (id === undefined || isSilent()) continue;
      stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: resultOf(method, params) })}\n`);
    }
  });
}

function resultOf(method: string, params: { protocolVersion?: string; arguments?: object } = {}): object {
  const serverInfo = { name: 'fake', version: '1' };
  if (method === 'initialize')
    return { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo };
  return { content: [{ type: 'text', text: JSON.stringify(params.arguments ?? {}) }] };
}
