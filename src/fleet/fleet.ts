/**
 * All servers of one configuration on one engine. It adopts what an earlier fleet left, hears what the engine tells, looks
 * by itself every half minute, and leaves nothing behind.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/ports.ts';
import { labels, labelsOf, type Owner } from './container.ts';
import type { ContainerEngine, PullProgress, Seen } from './engine.ts';
import type { Change } from './life.ts';
import { Server } from './server.ts';
import { Sessions } from './sessions.ts';
import type { FleetSettings, ServerSettings } from './settings/settings.ts';
import { Slots } from './slots.ts';
import type { McpUpstream } from './transport/upstream.ts';
import type { Workshop } from './workshop.ts';

/** What is not heard of is seen by then. */
const reconcileMs = 30_000;
/** An engine that is gone is asked again so often. */
const reconnectMs = 1_000;
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
  readonly #imageOf: ReadonlyMap<string, string>;
  #isConnected = false;

  constructor(settings: FleetSettings, means: FleetMeans) {
    this.settings = settings;
    this.#means = means;
    this.slots = new Slots(settings.maxContainers);
    this.sessions = new Sessions(means.clock, settings.sessionTimeoutMs);
    this.#imageOf = new Map(settings.servers.map(({ name, image }) => [name, image]));
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
  }

  /** Whether the engine answered when it was asked last. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Until aborted, and until everything is as it is to be left. */
  async run(scope: AbortSignal): Promise<void> {
    setMaxListeners(0, scope);
    const parts = [...this.servers.values()].map((server) => server.run(scope));
    await Promise.all([...parts, this.#listen(scope), this.#reconcile(scope), this.sessions.run(scope)]);
    if (this.settings.isCleanedUpOnShutdown) await this.#close();
  }

  /** The engine's own word, on what is there of this fleet. @throws EngineError */
  containers(signal: AbortSignal): Promise<readonly Seen[]> {
    return this.#means.engine.list(labelsOf(this.#owner), signal);
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
    for (const server of this.servers.values()) server.poke();
    return {
      removed: results.flatMap(({ container, error }) => (error === undefined ? [container] : [])),
      failed: results.flatMap(({ container, error }) => (error === undefined ? [] : [{ container, error }])),
    };
  }

  /** @throws EngineError */
  pull(server: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void> {
    const image = this.#imageOf.get(server);
    if (image === undefined) throw new Error(`not reached: no server "${server}"`);
    return this.#means.engine.pull(image, onProgress, signal);
  }

  get #owner(): Owner {
    return this.settings;
  }

  /** What the engine tells, from the last word on; reconnects for ever. */
  async #listen(scope: AbortSignal): Promise<void> {
    const { engine, clock, remarked } = this.#means;
    let sinceMs = this.#means.wallMs();
    while (!scope.aborted) {
      try {
        await engine.ping(scope);
        await engine.network(this.settings.networkName, labelsOf(this.#owner), scope);
        this.#become(true);
        for await (const { name, atMs } of engine.events(labelsOf(this.#owner), sinceMs, scope)) {
          sinceMs = atMs;
          this.servers.get(name.replace(/^mcp-hub-/, ''))?.poke();
        }
      } catch (error) {
        if (scope.aborted) return;
        if (this.#isConnected) remarked('the engine is lost', { error: (error as Error).message });
      }
      this.#become(false);
      await clock.sleep(reconnectMs, scope);
    }
  }

  /** Whatever the stream said or did not say: everybody looks. */
  async #reconcile(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      await this.#removeStrangers(scope).catch(() => {});
      await this.#means.clock.sleep(reconcileMs, scope);
      for (const server of this.servers.values()) server.poke();
    }
  }

  /** Containers of this fleet whose server is in no configuration any more. */
  async #removeStrangers(scope: AbortSignal): Promise<void> {
    const { engine, remarked } = this.#means;
    for (const seen of await this.containers(scope)) {
      if (this.servers.has(serverOf(seen))) continue;
      remarked('a container whose server is not configured any more is taken away', { container: seen.name });
      await engine.stop(seen.id, closingMs, scope);
      await engine.remove(seen.id, scope);
    }
  }

  #become(isConnected: boolean): void {
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
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
