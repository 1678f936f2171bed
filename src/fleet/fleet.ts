/**
 * All servers of one configuration on one engine. It adopts what an earlier fleet left, hears what the engine tells, looks
 * by itself every half minute, and leaves nothing behind.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/ports.ts';
import { containerName, labels, labelsOf } from './container.ts';
import { type ContainerEngine, EngineError, type PullProgress, type Seen } from './engine.ts';
import { EngineWatch } from './engine-watch.ts';
import type { Change } from './life.ts';
import { Server } from './server.ts';
import { Sessions } from './sessions.ts';
import type { FleetSettings, ServerSettings } from './settings/settings.ts';
import { Slots } from './slots.ts';
import type { McpUpstream } from './transport/upstream.ts';
import type { Workshop } from './workshop.ts';

/** What is not heard of is seen by then. */
const reconcileMs = 30_000;
/** What nobody is configured for gets this to end by itself. */
const strangerGraceMs = 10_000;
/** Stops at the end are given up after the servers' own time and this. */
const closingMs = 10_000;

const retry = {
  condition: 'always',
  baseDelayMs: 1_000,
  maxDelayMs: 60_000,
  maxRestarts: Number.POSITIVE_INFINITY,
  windowMs: 60_000,
  resetAfterMs: 60_000,
} as const;

export interface FleetMeans {
  readonly engine: ContainerEngine;
  readonly clock: Clock;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  workshopOf(settings: ServerSettings): Workshop<McpUpstream>;
  random(): number;
  changed(change: Change): void;
  /** What is no change of a server, and yet worth a line. */
  remarked(message: string, facts: Readonly<Record<string, unknown>>): void;
}

export interface CleanUp {
  readonly removed: readonly string[];
  readonly failed: readonly { readonly container: string; readonly error: string }[];
}

export class Fleet {
  readonly settings: FleetSettings;
  readonly servers: ReadonlyMap<string, Server<McpUpstream>>;
  readonly sessions: Sessions;
  readonly slots: Slots;
  readonly #means: FleetMeans;
  readonly #watch: EngineWatch;

  constructor(settings: FleetSettings, means: FleetMeans) {
    this.settings = settings;
    this.#means = means;
    this.slots = new Slots(settings.maxContainers);
    this.sessions = new Sessions(means.clock, settings.sessionTimeoutMs);
    this.servers = new Map(
      settings.servers.map((one) => {
        const workshop = means.workshopOf(one);
        const { clock, wallMs, random, changed } = means;
        return [
          one.name,
          new Server({ ...one, retry }, { clock, wallMs, slots: this.slots, workshop, random, changed }),
        ];
      }),
    );
    this.#watch = new EngineWatch({
      engine: means.engine,
      clock: means.clock,
      owner: settings,
      heard: (container) => this.servers.get(container.slice(containerName('').length))?.poke(),
      turned: () => this.#pokeAll(),
      tidy: (signal) => this.#removeStrangers(signal),
      troubled: (error) => means.remarked('the engine does not answer', { error }),
    });
  }

  /** Whether the engine answered when it was asked last. */
  get isConnected(): boolean {
    return this.#watch.isConnected;
  }

  /** Until aborted, and until everything is as it is to be left. */
  async run(scope: AbortSignal): Promise<void> {
    setMaxListeners(0, scope);
    const parts = [...this.servers.values()].map((server) => server.run(scope));
    await Promise.all([...parts, this.#watch.run(scope), this.#reconcile(scope), this.sessions.run(scope)]);
    if (this.settings.isCleanedUpOnShutdown) await this.#close();
  }

  /** The engine's own word, on what is there of this fleet. @throws EngineError */
  containers(signal: AbortSignal): Promise<readonly Seen[]> {
    return this.#means.engine.list(labelsOf(this.settings), signal);
  }

  /** Takes away what does not run. @throws EngineError if the engine does not answer */
  async cleanUp(signal: AbortSignal): Promise<CleanUp> {
    const found = (await this.containers(signal)).filter(({ isRunning }) => !isRunning);
    const idle = found.filter((seen) => this.servers.get(serverOf(seen))?.view.state !== 'starting');
    const tries = idle.map(async ({ id, name }) => {
      const failure = await this.#means.engine.remove(id, signal).catch((error: Error) => error);
      return { container: name, error: failure instanceof Error ? failure.message : undefined };
    });
    const results = await Promise.all(tries);
    this.#pokeAll();
    return {
      removed: results.flatMap(({ container, error }) => (error === undefined ? [container] : [])),
      failed: results.flatMap(({ container, error }) => (error === undefined ? [] : [{ container, error }])),
    };
  }

  /** @throws EngineError */
  pull(image: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void> {
    return this.#means.engine.pull(image, onProgress, signal);
  }

  /** Whatever the stream said or did not say: everybody looks. */
  async #reconcile(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      await this.#means.clock.sleep(reconcileMs, scope);
      this.#pokeAll();
    }
  }

  /** Containers of this fleet whose server is in no configuration any more, as they are found when it comes. */
  async #removeStrangers(signal: AbortSignal): Promise<void> {
    const { engine, remarked } = this.#means;
    const strangers = (await this.containers(signal)).filter((seen) => !this.servers.has(serverOf(seen)));
    const removed = strangers.map(async ({ id, name }) => {
      remarked('a container whose server is not configured any more is taken away', { container: name });
      try {
        await engine.stop(id, strangerGraceMs, signal);
        await engine.remove(id, signal);
      } catch (error) {
        if (error instanceof EngineError && error.trouble === 'unreachable') throw error;
        remarked('a container is left', { container: name, error: (error as Error).message });
      }
    });
    await Promise.all(removed);
  }

  #pokeAll(): void {
    for (const server of this.servers.values()) server.poke();
  }

  async #close(): Promise<void> {
    const limitMs = Math.max(0, ...this.settings.servers.map(({ stopTimeoutMs }) => stopTimeoutMs)) + closingMs;
    const over = AbortSignal.timeout(limitMs);
    const closed = [...this.servers.values()].map((server) => server.close(over));
    for (const [index, result] of (await Promise.allSettled(closed)).entries()) {
      if (result.status === 'fulfilled') continue;
      const server = this.settings.servers[index]?.name;
      this.#means.remarked('a container may be left', { server, error: String(result.reason) });
    }
  }
}

const serverOf = (seen: Seen): string => seen.labels[labels.server] ?? '';
