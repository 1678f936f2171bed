/**
 * The fleet's ear at the engine: hears what happens to its containers, notices when the engine is gone or silent, and finds
 * it again. What was heard is no fact, only a reason to look.
 */
import type { Clock } from '../core/ports.ts';
import { aborted, forever, race } from '../core/scope.ts';
import { labelsOf, type Owner } from './container.ts';
import { type ContainerEngine, EngineError } from './engine.ts';
import { unlessAborted } from './or-aborted.ts';

/** An engine that is gone is asked again so often. */
const reconnectMs = 1_000;
/** And one that is there, whether it still is: one that hangs keeps its connections open. */
const pingMs = 3_000;

export interface WatchMeans {
  readonly engine: ContainerEngine;
  readonly clock: Clock;
  readonly owner: Owner;
  /** Something happened to the container of this name. */
  heard(container: string): void;
  /** The engine came, or went: nothing that was known is certain. */
  turned(): void;
  /** Done once, as soon as the engine answers. @throws EngineError to be called again */
  tidy(signal: AbortSignal): Promise<void>;
  /** Told once for as long as it stays the same. */
  troubled(message: string): void;
}

export class EngineWatch {
  readonly #means: WatchMeans;
  #isConnected = false;
  #isTidy = false;
  #sinceMs: number | undefined;
  #trouble: string | undefined;

  constructor(means: WatchMeans) {
    this.#means = means;
  }

  /** Whether the engine answered when it was asked last. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Until aborted; reconnects for ever. */
  async run(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      try {
        await this.#attend(scope);
      } catch (error) {
        if (!scope.aborted) this.#complain((error as Error).message);
      }
      if (scope.aborted) return;
      this.#become(false);
      await this.#means.clock.sleep(reconnectMs, scope);
    }
  }

  /** For as long as it answers. @throws EngineError when it does not */
  async #attend(scope: AbortSignal): Promise<void> {
    const { engine, owner } = this.#means;
    // By the engine's own clock, and before anybody looks: what happens between is told later, and harmless twice.
    this.#sinceMs ??= await engine.timeMs(scope);
    await engine.network(owner.networkName, labelsOf(owner), scope);
    await race({
      told: (signal) => this.#listen(signal),
      silent: (signal) => this.#untilSilent(signal),
      tidied: (signal) => this.#tidy(signal),
      over: (signal) => aborted(scope, signal),
    });
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { engine, owner, heard } = this.#means;
    await unlessAborted(signal, async () => {
      for await (const { name, atMs } of await engine.events(labelsOf(owner), this.#sinceMs ?? 0, signal)) {
        this.#sinceMs = atMs;
        heard(name);
      }
      throw new EngineError('unreachable', 'the engine ended the stream of its events');
    });
  }

  async #untilSilent(signal: AbortSignal): Promise<void> {
    const { engine, clock } = this.#means;
    await unlessAborted(signal, async () => {
      for (;;) {
        await engine.ping(signal);
        signal.throwIfAborted();
        this.#become(true);
        await clock.sleep(pingMs, signal);
      }
    });
  }

  async #tidy(signal: AbortSignal): Promise<void> {
    await unlessAborted(signal, async () => {
      if (!this.#isTidy) await this.#means.tidy(signal);
      this.#isTidy = true;
    });
    await forever(signal);
  }

  #become(isConnected: boolean): void {
    if (isConnected) this.#trouble = undefined;
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    this.#means.turned();
  }

  #complain(message: string): void {
    if (message !== this.#trouble) this.#means.troubled(message);
    this.#trouble = message;
  }
}
