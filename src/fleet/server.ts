/**
 * One server and its container: the only writer of its state. What is wanted (by its strategy, by clients, by name) is
 * compared with what is there, one step is taken, and then it is compared again. So it does not matter what was missed.
 */
import type { Clock } from '../core/ports.ts';
import { aborted, Cell, forever, race } from '../core/scope.ts';
import { Demand } from './demand.ts';
import { EngineError, type Seen } from './engine.ts';
import { Failures, type RetryRules } from './failures.ts';
import type { Schedule } from './schedule.ts';
import type { Holder, Slots } from './slots.ts';
import { type Event, nextState, type State } from './state.ts';
import { isConnectedAtOnce, isKept, isOpenTo, type Strategy, type Wish, wishOf } from './strategy.ts';
import type { Upstream, Workshop } from './workshop.ts';

export interface ServerRules extends RetryRules {
  readonly name: string;
  readonly strategy: Strategy;
  readonly idleTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** For `scheduled`. */
  readonly schedule?: Schedule | undefined;
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

/** What is known of a server. */
export interface ServerView {
  readonly name: string;
  readonly strategy: Strategy;
  readonly state: State;
  readonly reason: string;
  readonly endpoint: string | undefined;
  /** It runs, and has answered. */
  readonly isConnected: boolean;
  /** Clients that use it or wait for it. */
  readonly open: number;
  readonly startedAtMs: number | undefined;
  readonly stoppedAtMs: number | undefined;
  /** Why it failed at last; absent: it has served since, or never failed. */
  readonly error: string | undefined;
}

/** A client's hold on a running server. */
export interface Lease<U extends Upstream = Upstream> {
  readonly upstream: U;
  /** Aborted when the server is gone. */
  readonly lost: AbortSignal;
  /** It is over. Once more: nothing. */
  release(): void;
  /** One more hold on the same run of the server. */
  again(): Lease<U>;
}

/** The server cannot be had now: it is closed by its schedule, or was stopped by name. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError';
}

/** A server that runs, and who tells its clients that it is gone. */
interface Service<U extends Upstream> {
  readonly upstream: U;
  readonly containerId: string | undefined;
  readonly lost: AbortController;
}

export class Server<U extends Upstream = Upstream> implements Holder {
  readonly #rules: ServerRules;
  readonly #means: Means<U>;
  readonly #demand = new Demand();
  readonly #failures: Failures;
  /** Counts what happened. */
  readonly #bell = new Cell(0);
  #state: State = 'absent';
  #reason = 'the fleet has just begun';
  #seen: Seen | undefined;
  #isStale = true;
  #service: Service<U> | undefined;
  #isYielding = false;
  /** What was started last and is to answer has to do so by then. */
  #answerByMs = 0;

  constructor(rules: ServerRules, means: Means<U>) {
    this.#rules = rules;
    this.#means = means;
    this.#failures = new Failures(rules, means);
    if (isKept(rules.strategy)) means.slots.reserve(this);
  }

  get name(): string {
    return this.#rules.name;
  }

  get view(): ServerView {
    return {
      name: this.name,
      strategy: this.#rules.strategy,
      state: this.#state,
      reason: this.#reason,
      endpoint: this.#service?.upstream.endpoint,
      isConnected: this.#service?.upstream.isConnected ?? false,
      open: this.#demand.open,
      startedAtMs: this.#seen?.startedAtMs,
      stoppedAtMs: this.#seen?.stoppedAtMs,
      error: this.#failures.error?.message,
    };
  }

  get idleSinceMs(): number | undefined {
    const isIdle = this.#state === 'running' && this.#demand.open === 0 && !this.#isYielding;
    return isIdle && this.#rules.strategy === 'on-demand' ? (this.#demand.idleSinceMs ?? 0) : undefined;
  }

  get isLeaving(): boolean {
    return this.#isYielding || this.#state === 'stopping';
  }

  yield(): void {
    this.#isYielding = true;
    this.#ring();
  }

  /** Something happened to the container, or may have: it is looked at. */
  poke(): void {
    this.#isStale = true;
    this.#ring();
  }

  /**
   * Waits until it answers; it is started if need be.
   * @throws ClosedError if it is closed now; LimitError or EngineError, whatever the start failed with
   */
  async acquire(signal: AbortSignal): Promise<Lease<U>> {
    if (!isOpenTo(this.#circumstances)) throw new ClosedError(`"${this.name}" is closed: ${this.#wish.reason}`);
    this.#demand.ask();
    const wait = this.#enter();
    try {
      return this.#leaseOf(await this.#served(signal, isConnected));
    } finally {
      wait.leave(false);
    }
  }

  /**
   * By name: it is wanted, and kept as its strategy says. Resolves when its container runs; `connect`: when it has answered.
   * @throws LimitError or EngineError, whatever the start failed with
   */
  async start({ connect }: { readonly connect: boolean }, signal: AbortSignal): Promise<void> {
    this.#demand.touch(this.#means.clock.now());
    if (!connect) {
      this.#ring();
      await this.#served(signal, () => true);
      return;
    }
    const wait = this.#enter();
    try {
      await this.#served(signal, isConnected);
      this.#demand.touch(this.#means.clock.now());
    } finally {
      wait.leave(false);
    }
  }

  /** By name: it ends, also under those who use it. Resolves when that is done. */
  async stop({ remove }: { readonly remove: boolean }, signal: AbortSignal): Promise<void> {
    this.#demand.hold(remove);
    this.#ring();
    const failures = this.#failures.count;
    const isDone = () => isAtRest(this.#state) && !this.#isLeftOver;
    const isOver = () => isDone() || this.#state === 'unknown' || !this.#demand.held || this.#failures.count > failures;
    await this.#bell.until(isOver, signal);
    signal.throwIfAborted();
    if (isDone()) return;
    if (!this.#demand.held) throw new ClosedError(`"${this.name}" was asked for again meanwhile`);
    throw this.#failures.error ?? new EngineError('unreachable', this.#reason);
  }

  /** Until aborted. A container that runs is left running: see `close`. */
  async run(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      const heard = this.#bell.value;
      if (this.#isStale) await this.#look(scope);
      else if (!(await this.#step(scope))) await this.#rest(heard, scope);
    }
    this.#letGo();
  }

  /** After `run`: nothing is left. */
  async close(signal: AbortSignal): Promise<void> {
    await this.#means.workshop.clear({ remove: true }, signal);
    this.#means.slots.release(this);
  }

  #leaseOf(service: Service<U>): Lease<U> {
    const { leave } = this.#enter();
    const { upstream, lost } = service;
    return { upstream, lost: lost.signal, release: () => leave(true), again: () => this.#leaseOf(service) };
  }

  #enter(): { leave(wasServed: boolean): void } {
    const leave = this.#demand.enter();
    this.#ring();
    return {
      leave: (wasServed) => {
        leave({ nowMs: this.#means.clock.now(), wasServed });
        this.#ring();
      },
    };
  }

  get #circumstances() {
    const { strategy, idleTimeoutMs, schedule } = this.#rules;
    const isHeldDown = this.#demand.held !== undefined;
    const { clock, wallMs } = this.#means;
    const times = { nowMs: clock.now(), wallMs: wallMs() };
    return { strategy, idleTimeoutMs, schedule, isHeldDown, demand: this.#demand, ...times };
  }

  get #wish(): Wish {
    return this.#isYielding
      ? { isWanted: false, reason: 'another server needs its place' }
      : wishOf(this.#circumstances);
  }

  /** It runs, it has not answered yet, and somebody waits for that. */
  get #isToBeConnected(): boolean {
    const isDue = this.#demand.open > 0 || isConnectedAtOnce(this.#rules.strategy);
    return isDue && this.#service?.upstream.isConnected === false;
  }

  /** There is a container that is wanted no more. */
  get #isLeftOver(): boolean {
    return this.#seen !== undefined && (this.#seen.isRunning || this.#demand.held?.remove === true);
  }

  /** One step towards what is wanted. @returns false if there is none to take now */
  async #step(scope: AbortSignal): Promise<boolean> {
    const wish = this.#wish;
    switch (this.#state) {
      case 'starting':
        await this.#begin(scope);
        return true;
      case 'running':
        if (!wish.isWanted) await this.#end('stop', wish.reason);
        else if (this.#isToBeConnected) await this.#connect(scope);
        else return false;
        return true;
      case 'absent':
      case 'stopped':
      case 'failed': {
        const isDue = this.#state !== 'failed' || this.#failures.isDue(this.#demand.asks, this.#rules.strategy);
        if (wish.isWanted && isDue) {
          this.#become('start', wish.reason);
          return true;
        }
        if (wish.isWanted || !this.#isLeftOver || (this.#state === 'failed' && !this.#failures.isTime)) return false;
        await this.#end('stop', wish.reason);
        return true;
      }
      default:
        return false;
    }
  }

  /** Until something happens, or the wish changes by itself. */
  async #rest(heard: number, scope: AbortSignal): Promise<void> {
    const { clock } = this.#means;
    const retryAtMs = this.#state === 'failed' ? this.#failures.retryAtMs : undefined;
    const dues = [this.#wish.untilMs, retryAtMs].filter((due) => due !== undefined && due > clock.now());
    const dueMs = Math.min(...(dues as number[]));
    await race({
      rung: (signal) => this.#bell.until((count) => count !== heard, signal),
      due: (signal) => (dues.length > 0 ? clock.sleep(dueMs - clock.now(), signal) : forever(signal)),
      over: (signal) => aborted(scope, signal),
    });
  }

  async #look(scope: AbortSignal): Promise<void> {
    this.#isStale = false;
    try {
      this.#seen = await this.#means.workshop.look(scope);
    } catch (error) {
      if (!scope.aborted && this.#state !== 'unknown') this.#become('engine-lost', (error as Error).message);
      return;
    }
    const event = this.#eventOf(this.#seen);
    if (event === 'ended') this.#fail(event, new EngineError('refused', endOf(this.#seen)));
    else if (event) this.#become(event, 'the engine says so');
  }

  /** What the engine's word means in this state; absent: nothing new. */
  #eventOf(seen: Seen | undefined): Event | undefined {
    const { slots } = this.#means;
    switch (this.#state) {
      case 'running':
        return seen?.isRunning && seen.id === this.#service?.containerId ? undefined : 'ended';
      case 'absent':
      case 'stopped':
      case 'failed':
      case 'unknown': {
        if (seen?.isRunning) {
          if (this.#state === 'unknown' && this.#service?.containerId === seen.id) return 'seen-serving';
          this.#letGo();
          slots.adopt(this);
          return 'seen-running';
        }
        this.#letGo();
        slots.release(this);
        if (this.#state === 'failed') return undefined;
        if (seen) return this.#state === 'stopped' ? undefined : 'seen-stopped';
        return this.#state === 'absent' ? undefined : 'seen-absent';
      }
      default:
        return undefined;
    }
  }

  /** From `starting` to `running`, or to wherever the attempt led. */
  async #begin(scope: AbortSignal): Promise<void> {
    const { slots, clock } = this.#means;
    this.#answerByMs = clock.now() + this.#rules.startTimeoutMs;
    try {
      const first = await race({
        opened: (signal) => this.#open(signal).catch(unlessAborted(signal)),
        unwanted: (signal) => this.#bell.until(() => !this.#wish.isWanted, signal),
        late: (signal) => clock.sleep(this.#rules.startTimeoutMs, signal),
        over: (signal) => aborted(scope, signal),
      });
      if (first.arm === 'late') throw this.#tooLate();
      if (first.arm !== 'opened' || !first.value) return await this.#end('called-off', this.#wish.reason);
      this.#service = { upstream: first.value.upstream, containerId: first.value.id, lost: new AbortController() };
      this.#become('runs', 'its container runs');
      this.#isStale = true;
    } catch (error) {
      if (isUnreachable(error)) return this.#fail('engine-lost', error);
      // What is half there would be in the way of the next start.
      await this.#clear(true).catch(() => {});
      if (!this.#seen?.isRunning) slots.release(this);
      this.#fail('start-failed', error as Error);
    }
  }

  async #open(signal: AbortSignal): Promise<{ upstream: U; id: string | undefined }> {
    const { slots, workshop } = this.#means;
    await slots.take(this, signal);
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
  async #connect(scope: AbortSignal): Promise<void> {
    const { slots, clock } = this.#means;
    const service = this.#service as Service<U>;
    const isFresh = this.#answerByMs > clock.now();
    const byMs = isFresh ? this.#answerByMs : clock.now() + this.#rules.startTimeoutMs;
    try {
      const first = await race({
        connected: (signal) => service.upstream.connect(signal).catch(unlessAborted(signal)),
        unwanted: (signal) => this.#bell.until(() => !this.#wish.isWanted || !this.#isToBeConnected, signal),
        late: (signal) => clock.sleep(byMs - clock.now(), signal),
        over: (signal) => aborted(scope, signal),
      });
      if (first.arm === 'late') throw this.#tooLate();
      if (!service.upstream.isConnected) return;
      this.#failures.forget();
      this.#reason = 'it answers';
      this.#ring();
    } catch (error) {
      if (isUnreachable(error)) return this.#fail('engine-lost', error);
      // What does not answer would be in the way of the next start.
      await this.#clear(true).catch(() => {});
      this.#fail('ended', error as Error);
      if (this.#seen?.isRunning) slots.adopt(this);
    }
  }

  #tooLate(): EngineError {
    return new EngineError('timeout', `it did not answer within ${this.#rules.startTimeoutMs / 1_000} s`);
  }

  async #end(event: 'stop' | 'called-off', reason: string): Promise<void> {
    this.#become(event, reason);
    this.#letGo();
    // What it was used for is over: only who asks from now on is a reason to start it again.
    this.#demand.idleSinceMs = undefined;
    try {
      await this.#clear(this.#demand.held?.remove ?? true);
      this.#isYielding = false;
      this.#means.slots.release(this);
      this.#become(this.#seen ? 'seen-stopped' : 'seen-absent', reason);
    } catch (error) {
      this.#fail(isUnreachable(error) ? 'engine-lost' : 'stop-failed', error as Error);
    }
  }

  /** Not given up with the scope: a stop that was begun is finished. The engine's own limits bound it. */
  async #clear(remove: boolean): Promise<void> {
    const { signal } = new AbortController();
    await this.#means.workshop.clear({ remove }, signal);
    this.#seen = await this.#means.workshop.look(signal);
  }

  #fail(event: Event, error: Error): void {
    this.#failures.record(error, this.#demand.asks);
    if (event === 'ended') {
      this.#letGo();
      this.#means.slots.release(this);
    }
    this.#become(event, error.message);
  }

  /** @throws what the start failed with, for whoever had asked by then */
  async #served(signal: AbortSignal, isEnough: (upstream: U) => boolean): Promise<Service<U>> {
    const { asks } = this.#demand;
    const isServing = () => this.#service !== undefined && isEnough(this.#service.upstream) && !this.isLeaving;
    const hasFailed = () => this.#failures.answers(asks) || (this.#state === 'unknown' && !this.#service);
    await this.#bell.until(() => isServing() || hasFailed() || this.#demand.held !== undefined, signal);
    signal.throwIfAborted();
    if (this.#service && isServing()) return this.#service;
    if (this.#demand.held) throw new ClosedError(`"${this.name}" was stopped by name`);
    throw this.#failures.error ?? new EngineError('unreachable', this.#reason);
  }

  /** Whoever uses it hears that it is gone. */
  #letGo(): void {
    const service = this.#service;
    this.#service = undefined;
    service?.upstream.close();
    service?.lost.abort();
  }

  #become(event: Event, reason: string): void {
    const from = this.#state;
    this.#state = nextState(from, event);
    this.#reason = reason;
    this.#means.changed({ name: this.name, from, to: this.#state, reason });
    this.#ring();
  }

  #ring(): void {
    this.#bell.value += 1;
  }
}

const isConnected = (upstream: Upstream): boolean => upstream.isConnected;

const isAtRest = (state: State): boolean => state === 'absent' || state === 'stopped' || state === 'failed';

/** Of an attempt that was given up, nobody wants to know how it ended. */
const unlessAborted = (signal: AbortSignal) => (error: unknown) => {
  if (!signal.aborted) throw error;
  return undefined;
};

const isUnreachable = (error: unknown): error is EngineError =>
  error instanceof EngineError && error.trouble === 'unreachable';

function endOf(seen: Seen | undefined): string {
  if (!seen) return 'its container is gone';
  return seen.exitCode === undefined ? 'it does not run any more' : `it ended with ${seen.exitCode}`;
}
