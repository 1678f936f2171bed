/**
 * The container of one server, as far as the fleet knows, and what can be done with it: the only writer of its state. What is
 * wanted, and when, is `server.ts`'s affair.
 */
import type { Clock } from '../core/ports.ts';
import { aborted, race } from '../core/scope.ts';
import { EngineError, type Seen } from './engine.ts';
import { Failures, type RetryRules } from './failures.ts';
import { unlessAborted } from './or-aborted.ts';
import type { Holder, Slots } from './slots.ts';
import { type Event, nextState, type State } from './state.ts';
import type { Upstream, Workshop } from './workshop.ts';

export interface LifeRules extends RetryRules {
  readonly name: string;
  /** From the start to the first answer. */
  readonly startTimeoutMs: number;
}

export interface Means<U extends Upstream = Upstream> {
  readonly clock: Clock;
  readonly slots: Slots;
  readonly workshop: Workshop<U>;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** A number in [0, 1), for jitter. */
  random(): number;
  /** Told of every change of state, and why. */
  changed(change: Change): void;
}

export interface Change {
  readonly name: string;
  readonly from: State;
  readonly to: State;
  readonly reason: string;
}

/** A server that runs, and who tells its clients that it is gone. */
export interface Service<U extends Upstream> {
  readonly upstream: U;
  readonly containerId: string | undefined;
  readonly lost: AbortController;
  hasAnswered: boolean;
}

/** On whose behalf it is started and stopped. */
export interface Owner extends Holder {
  /** How often it was asked for so far: a start that failed answers all of them. */
  readonly asks: number;
  /** Up to which of them nobody waits any more: the end of a server that had answered is none of the others' affair. */
  readonly answered: number;
  /** Something is different, or may be: whoever waits looks again. */
  ring(): void;
}

/** What ends an attempt before its time. */
export interface Limits {
  /** Resolves when nobody wants it any more, or the signal is aborted. */
  unwanted(signal: AbortSignal): Promise<void>;
  readonly scope: AbortSignal;
}

export class Life<U extends Upstream> {
  readonly failures: Failures;
  readonly #owner: Owner;
  readonly #rules: LifeRules;
  readonly #means: Means<U>;
  #state: State = 'absent';
  #reason = 'the fleet has just begun';
  #seen: Seen | undefined;
  #isStale = true;
  #service: Service<U> | undefined;
  /** What was started last and is to answer has to do so by then. */
  #answerByMs = 0;

  constructor(owner: Owner, rules: LifeRules, means: Means<U>) {
    this.#owner = owner;
    this.#rules = rules;
    this.#means = means;
    this.failures = new Failures(rules, means);
  }

  get state(): State {
    return this.#state;
  }

  get reason(): string {
    return this.#reason;
  }

  /** The container, as it was when it was looked at last. */
  get seen(): Seen | undefined {
    return this.#seen;
  }

  get service(): Service<U> | undefined {
    return this.#service;
  }

  /** It is to be looked at before anything is done. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Something happened to the container, or may have. */
  poke(): void {
    this.#isStale = true;
    this.#owner.ring();
  }

  async look(scope: AbortSignal): Promise<void> {
    this.#isStale = false;
    try {
      this.#seen = await this.#means.workshop.look(scope);
    } catch (error) {
      if (scope.aborted) return;
      // What runs may still serve; not if the engine was in the way of its words.
      if (this.#service?.upstream.isLost) this.letGo();
      if (this.#state !== 'unknown') this.#become('engine-lost', (error as Error).message);
      return;
    }
    const event = this.#eventOf(this.#seen);
    if (event === 'ended') {
      const hadAnswered = this.#service?.hasAnswered === true;
      this.#fail(
        event,
        new EngineError('refused', endOf(this.#seen)),
        hadAnswered ? this.#owner.answered : this.#owner.asks,
      );
      if (this.#seen?.isRunning) this.#means.slots.adopt(this.#owner);
    } else if (event) this.#become(event, 'the engine says so');
  }

  /** It is the one that clients are served by, and it can still be heard. */
  #isServiceOf(seen: Seen | undefined): boolean {
    const { containerId, upstream } = this.#service ?? {};
    return seen?.isRunning === true && seen.id === containerId && upstream?.isLost === false;
  }

  /** What the engine's word means in this state; absent: nothing new. */
  #eventOf(seen: Seen | undefined): Event | undefined {
    const { slots } = this.#means;
    switch (this.#state) {
      case 'running':
        return this.#isServiceOf(seen) ? undefined : 'ended';
      case 'absent':
      case 'stopped':
      case 'failed':
      case 'unknown': {
        if (seen?.isRunning) {
          if (this.#state === 'unknown' && this.#isServiceOf(seen)) return 'seen-serving';
          this.letGo();
          slots.adopt(this.#owner);
          return 'seen-running';
        }
        this.letGo();
        slots.release(this.#owner);
        if (this.#state === 'failed') return undefined;
        if (seen) return this.#state === 'stopped' ? undefined : 'seen-stopped';
        return this.#state === 'absent' ? undefined : 'seen-absent';
      }
      default:
        return undefined;
    }
  }

  /** To `starting`, as somebody wants it. */
  prepare(reason: string): void {
    this.#become('start', reason);
  }

  /** From `starting` to `running`, or to wherever the attempt led. @returns false if it is to be called off */
  async begin({ unwanted, scope }: Limits): Promise<boolean> {
    const { clock } = this.#means;
    this.#answerByMs = clock.now() + this.#rules.startTimeoutMs;
    try {
      const first = await race({
        opened: (signal) => unlessAborted(signal, () => this.#open(signal)),
        unwanted,
        late: (signal) => clock.sleep(this.#rules.startTimeoutMs, signal),
        over: (signal) => aborted(scope, signal),
      });
      if (first.arm === 'late') throw this.#tooLate();
      if (first.arm !== 'opened' || !first.value) return false;
      this.#service = {
        upstream: first.value.upstream,
        containerId: first.value.id,
        lost: new AbortController(),
        hasAnswered: false,
      };
      this.#become('runs', 'its container runs');
      this.#isStale = true;
    } catch (error) {
      await this.#startFailed(error as Error);
    }
    return true;
  }

  async #startFailed(error: Error): Promise<void> {
    if (isUnreachable(error)) return this.#fail('engine-lost', error);
    // What is half there would be in the way of the next start.
    await this.#clear(true).catch(() => {});
    if (!this.#seen?.isRunning) this.#means.slots.release(this.#owner);
    this.#fail('start-failed', error);
  }

  async #open(signal: AbortSignal): Promise<{ upstream: U; id: string | undefined }> {
    const { slots, workshop } = this.#means;
    await slots.take(this.#owner, signal);
    signal.throwIfAborted();
    this.#seen = await workshop.look(signal);
    const upstream = await workshop.open(this.#seen, () => this.poke(), signal);
    try {
      signal.throwIfAborted();
      this.#seen = await workshop.look(signal);
      return { upstream, id: this.#seen?.id };
    } catch (error) {
      upstream.close();
      throw error;
    }
  }

  /** Of what runs: until it has answered, or nobody waits for that any more. */
  async connect({ unwanted, scope }: Limits): Promise<void> {
    const { slots, clock } = this.#means;
    const service = this.#service as Service<U>;
    const isFresh = this.#answerByMs > clock.now();
    const byMs = isFresh ? this.#answerByMs : clock.now() + this.#rules.startTimeoutMs;
    try {
      const first = await race({
        connected: (signal) => unlessAborted(signal, () => service.upstream.connect(signal)),
        unwanted,
        late: (signal) => clock.sleep(byMs - clock.now(), signal),
        over: (signal) => aborted(scope, signal),
      });
      if (first.arm === 'late') throw this.#tooLate();
      if (!service.upstream.isConnected) return;
      service.hasAnswered = true;
      this.failures.forget();
      this.#reason = 'it answers';
      this.#owner.ring();
    } catch (error) {
      if (isUnreachable(error)) return this.#fail('engine-lost', error);
      // It is to end, and its container to stay: the operator looks into its log.
      await this.#clear(false).catch(() => {});
      this.#fail('ended', error as Error);
      if (this.#seen?.isRunning) slots.adopt(this.#owner);
    }
  }

  #tooLate(): EngineError {
    return new EngineError('timeout', `it did not answer within ${this.#rules.startTimeoutMs / 1_000} s`);
  }

  /** Takes the container down; `remove`: and away. @returns false if that failed */
  async end(event: 'stop' | 'called-off', reason: string, remove: boolean): Promise<boolean> {
    this.#become(event, reason);
    this.letGo();
    try {
      await this.#clear(remove);
    } catch (error) {
      this.#fail(isUnreachable(error) ? 'engine-lost' : 'stop-failed', error as Error);
      return false;
    }
    this.#means.slots.release(this.#owner);
    this.#become(this.#seen ? 'seen-stopped' : 'seen-absent', reason);
    return true;
  }

  /** Whoever uses it hears that it is gone; the container is left as it is. */
  letGo(): void {
    const service = this.#service;
    this.#service = undefined;
    service?.upstream.close();
    service?.lost.abort();
  }

  /** Not given up with the scope: a stop that was begun is finished. The engine's own limits bound it. */
  async #clear(remove: boolean): Promise<void> {
    const { signal } = new AbortController();
    await this.#means.workshop.clear({ remove }, signal);
    this.#seen = await this.#means.workshop.look(signal);
  }

  #fail(event: Event, error: Error, asks = this.#owner.asks): void {
    this.failures.record(error, asks);
    if (event === 'ended') {
      this.letGo();
      this.#means.slots.release(this.#owner);
    }
    this.#become(event, error.message);
  }

  #become(event: Event, reason: string): void {
    const from = this.#state;
    this.#state = nextState(from, event);
    this.#reason = reason;
    this.#means.changed({ name: this.#rules.name, from, to: this.#state, reason });
    this.#owner.ring();
  }
}

const isUnreachable = (error: unknown): error is EngineError =>
  error instanceof EngineError && error.trouble === 'unreachable';

function endOf(seen: Seen | undefined): string {
  if (!seen) return 'its container is gone';
  if (seen.isRunning) return 'it is heard no more';
  return seen.exitCode === undefined ? 'it does not run any more' : `it ended with ${seen.exitCode}`;
}
