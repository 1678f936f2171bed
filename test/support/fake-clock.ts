/**
 * Time that passes when a test says so. Timers fire in order of their due time, and in the order they were set where
 * that is the same; between two of them everything that can happen without time happens. So hours of behaviour run in
 * milliseconds, and the same way every time.
 */
import type { Clock } from '../../src/core/ports.ts';

interface Timer {
  readonly dueAt: number;
  readonly fire: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();
  readonly #sleeps = new Set<Timer>();
  /** Told whenever nothing more can happen without time. */
  rested: () => void = () => {};

  now(): number {
    return this.#now;
  }

  /** How many sleeps are under way. Events of the simulated world do not count: nobody waits for them. */
  get pendingTimers(): number {
    return this.#sleeps.size;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#timers.delete(timer);
        this.#sleeps.delete(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = this.#add(ms, wake);
      this.#sleeps.add(timer);
      signal.addEventListener('abort', wake);
    });
  }

  /** Lets something happen in the simulated world after `ms`; the function returned calls it off. */
  schedule(ms: number, happen: () => void): () => void {
    const timer = this.#add(ms, () => {
      this.#timers.delete(timer);
      happen();
    });
    return () => this.#timers.delete(timer);
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (let timer = this.#next(until); timer; timer = this.#next(until)) {
      if (timer.dueAt > this.#now) this.rested();
      this.#now = Math.max(this.#now, timer.dueAt);
      timer.fire();
      await settle();
    }
    this.rested();
    this.#now = until;
  }

  /**
   * Lets `ms` pass in one step, as for who was suspended or stopped meanwhile: whatever was due fires late, and sees the
   * same moment.
   * @param first who wakes before the other: who sleeps, or the simulated world. Default: in the order of their times
   */
  async jump(ms: number, first?: 'sleeps' | 'world'): Promise<void> {
    await settle();
    this.rested();
    this.#now += ms;
    const due = [...this.#timers].filter(({ dueAt }) => dueAt <= this.#now).sort((a, b) => a.dueAt - b.dueAt);
    const isEarly = (timer: Timer) => this.#sleeps.has(timer) === (first === 'sleeps');
    const inTurn = first ? [...due.filter(isEarly), ...due.filter((timer) => !isEarly(timer))] : due;
    for (const timer of inTurn) {
      if (!this.#timers.has(timer)) continue;
      timer.fire();
      await settle();
    }
    await this.advance(0);
  }

  /**
   * Lets time pass from timer to timer until `isDone`.
   * @throws Error if that is not so after `limitMs`, or if nothing is left that could happen
   */
  async runUntil(isDone: () => boolean, limitMs = 3_600_000): Promise<void> {
    const until = this.#now + limitMs;
    for (await settle(); !isDone(); ) {
      const timer = this.#next(until);
      if (!timer) throw new Error(`nothing more can happen by ${until} ms, and it is not done`);
      await this.advance(Math.max(0, timer.dueAt - this.#now));
    }
  }

  #add(ms: number, fire: () => void): Timer {
    // As a real timer: what lies in the past, or is no number, is due at once.
    const timer = { dueAt: this.#now + Math.max(0, ms || 0), fire };
    this.#timers.add(timer);
    return timer;
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= until && Number.isFinite(timer.dueAt) && (!next || timer.dueAt < next.dueAt)) next = timer;
    }
    return next;
  }
}

/** Resolves when every promise that can be settled without time is: an immediate runs after all microtasks. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
