/** A container in a world of fake time: it takes its time, fails when told to, and its engine can go away. */
import { EngineError, type Seen } from '../../src/fleet/engine.ts';
import type { Upstream, Workshop } from '../../src/fleet/workshop.ts';
import type { FakeClock } from '../support/fake-clock.ts';

export interface World {
  readonly clock: FakeClock;
  /** The engine does not answer. */
  isLost: boolean;
}

export class FakeWorkshop implements Workshop {
  readonly #world: World;
  seen: Seen | undefined;
  startMs = 300;
  answerMs = 0;
  stopMs = 100;
  /** The next starts fail with this. */
  trouble: EngineError | undefined;
  /** The next greetings fail with this. */
  mute: EngineError | undefined;
  starts = 0;
  isServing = false;
  #ended: (() => void) | undefined;
  #loseIt: (() => void) | undefined;
  #count = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async look(_signal: AbortSignal): Promise<Seen | undefined> {
    this.#check();
    return this.seen;
  }

  async open(seen: Seen | undefined, ended: () => void, signal: AbortSignal): Promise<Upstream> {
    this.#check();
    if (!seen?.isRunning) this.seen = this.#make(true);
    this.starts += 1;
    await this.#world.clock.sleep(this.startMs, signal);
    signal.throwIfAborted();
    this.#check();
    if (this.trouble) throw this.trouble;
    if (!this.seen?.isRunning) throw new EngineError('refused', 'it ended while it started');
    this.#ended = ended;
    let isConnected = false;
    const connect = async (waiting: AbortSignal) => {
      if (this.answerMs > 0) await this.#world.clock.sleep(this.answerMs, waiting);
      waiting.throwIfAborted();
      if (this.mute) throw this.mute;
      if (!this.seen?.isRunning) throw new EngineError('refused', 'it ended before it answered');
      isConnected = true;
      this.isServing = true;
    };
    let isLost = false;
    this.#loseIt = () => {
      isLost = true;
    };
    return {
      endpoint: 'fake',
      get isLost() {
        return isLost;
      },
      get isConnected() {
        return isConnected && !isLost;
      },
      connect,
      close: () => this.#close(),
    };
  }

  #close(): void {
    this.isServing = false;
  }

  async clear({ remove }: { readonly remove: boolean }, signal: AbortSignal): Promise<void> {
    this.#check();
    if (this.seen?.isRunning) await this.#world.clock.sleep(this.stopMs, signal);
    this.#check();
    this.isServing = false;
    this.seen = remove || !this.seen ? undefined : { ...this.seen, isRunning: false, exitCode: 0 };
  }

  /** It ends by itself. @param isHeard whether the fleet is told */
  crash(isHeard = true): void {
    if (!this.seen?.isRunning) return;
    this.seen = { ...this.seen, isRunning: false, exitCode: 137 };
    this.isServing = false;
    if (isHeard) this.#ended?.();
  }

  /** It runs on, and is heard no more. */
  hush(): void {
    this.#loseIt?.();
    this.#ended?.();
  }

  /** Somebody else has made one. */
  appear(isRunning: boolean): void {
    this.seen = this.#make(isRunning);
  }

  #make(isRunning: boolean): Seen {
    this.#count += 1;
    return { id: String(this.#count), name: 'mcp-hub-x', image: 'x', labels: {}, isRunning, isPaused: false };
  }

  #check(): void {
    if (this.#world.isLost) throw new EngineError('unreachable', 'nobody answers at the socket');
  }
}
