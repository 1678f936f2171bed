/**
 * One server: what is wanted of it (by its strategy, by clients, by name) is compared with what is there, one step is taken, and
 * then it is compared again. So it does not matter what was missed.
 */
import { aborted, Cell, forever, race } from '../core/scope.ts';
import { Demand } from './demand.ts';
import { EngineError } from './engine.ts';
import { Life, type LifeRules, type Means, type Owner, type Service } from './life.ts';
import type { Schedule } from './schedule.ts';
import type { State } from './state.ts';
import { isConnectedAtOnce, isKept, isOpenTo, type Strategy, type Wish, wishOf } from './strategy.ts';
import type { Upstream } from './workshop.ts';

export interface ServerRules extends LifeRules {
  readonly strategy: Strategy;
  readonly idleTimeoutMs: number;
  /** For `scheduled`. */
  readonly schedule?: Schedule | undefined;
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

export class Server<U extends Upstream = Upstream> implements Owner {
  readonly #rules: ServerRules;
  readonly #means: Means<U>;
  readonly #demand = new Demand();
  readonly #life: Life<U>;
  /** Counts what happened. */
  readonly #bell = new Cell(0);
  /** The asks of those who wait for it. */
  readonly #waiting = new Set<number>();
  #isYielding = false;

  constructor(rules: ServerRules, means: Means<U>) {
    this.#rules = rules;
    this.#means = means;
    this.#life = new Life(this, rules, means);
    if (isKept(rules.strategy)) means.slots.reserve(this);
  }

  get name(): string {
    return this.#rules.name;
  }

  get view(): ServerView {
    return {
      name: this.name,
      strategy: this.#rules.strategy,
      state: this.#life.state,
      reason: this.#life.reason,
      endpoint: this.#life.service?.upstream.endpoint,
      isConnected: this.#life.service?.upstream.isConnected ?? false,
      open: this.#demand.open,
      startedAtMs: this.#life.seen?.startedAtMs,
      stoppedAtMs: this.#life.seen?.stoppedAtMs,
      error: this.#life.failures.error?.message,
    };
  }

  get idleSinceMs(): number | undefined {
    const isIdle = this.#life.state === 'running' && this.#demand.open === 0 && !this.#isYielding;
    return isIdle && this.#rules.strategy === 'on-demand' ? (this.#demand.idleSinceMs ?? 0) : undefined;
  }

  get isLeaving(): boolean {
    return this.#isYielding || this.#life.state === 'stopping';
  }

  get asks(): number {
    return this.#demand.asks;
  }

  get answered(): number {
    return Math.min(this.#demand.asks, ...[...this.#waiting].map((ask) => ask - 1));
  }

  ring(): void {
    this.#bell.value += 1;
  }

  yield(): void {
    this.#isYielding = true;
    this.ring();
  }

  /** Something happened to the container, or may have: it is looked at. */
  poke(): void {
    this.#life.poke();
  }

  /**
   * Waits until it answers; it is started if need be.
   * @throws ClosedError if it is closed now; LimitError or EngineError, whatever the start failed with
   */
  async acquire(signal: AbortSignal): Promise<Lease<U>> {
    if (!isOpenTo(this.#circumstances)) throw new ClosedError(`"${this.name}" is closed: ${this.#wish.reason}`);
    this.#demand.ask();
    const { service } = this.#life;
    // Nearly always; nobody else has to know.
    if (service?.upstream.isConnected && !this.isLeaving) return this.#leaseOf(service);
    const wait = this.#enter();
    this.ring();
    try {
      return this.#leaseOf(await this.#served(signal, isConnected));
    } finally {
      wait.leave(false);
    }
  }

  /**
   * By name: it is wanted, and kept as its strategy says. Resolves when its container runs; `connect`: when it has answered.
   * @throws ClosedError outside the windows of its schedule; LimitError or EngineError, whatever the start failed with
   */
  async start({ connect }: { readonly connect: boolean }, signal: AbortSignal): Promise<void> {
    // That it was stopped by name is over with this.
    const circumstances = { ...this.#circumstances, isHeldDown: false };
    if (!isOpenTo(circumstances)) throw new ClosedError(`"${this.name}" is closed: no window of its schedule is open`);
    this.#demand.touch(this.#means.clock.now());
    if (!connect) return this.#startAlone(signal);
    const wait = this.#enter();
    this.ring();
    try {
      await this.#served(signal, isConnected);
      this.#demand.touch(this.#means.clock.now());
    } finally {
      wait.leave(false);
    }
  }

  /** Nobody is counted as its client: it would be spoken to for them. */
  async #startAlone(signal: AbortSignal): Promise<void> {
    this.#demand.starting += 1;
    this.ring();
    try {
      await this.#served(signal, () => true);
      this.#demand.touch(this.#means.clock.now());
    } finally {
      this.#demand.starting -= 1;
      this.ring();
    }
  }

  /** By name: it ends, also under those who use it. Resolves when that is done. */
  async stop({ remove }: { readonly remove: boolean }, signal: AbortSignal): Promise<void> {
    this.#demand.hold(remove);
    this.ring();
    const failures = this.#life.failures.count;
    const isDone = () => isAtRest(this.#life.state) && !this.#isLeftOver;
    const isOver = () =>
      isDone() || this.#life.state === 'unknown' || !this.#demand.held || this.#life.failures.count > failures;
    await this.#bell.until(isOver, signal);
    signal.throwIfAborted();
    if (isDone()) return;
    if (!this.#demand.held) throw new ClosedError(`"${this.name}" was asked for again meanwhile`);
    // Who was told that it failed does not expect it to happen later.
    this.#demand.held = undefined;
    throw this.#trouble;
  }

  /** Until aborted. A container that runs is left running: see `close`. */
  async run(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      const heard = this.#bell.value;
      if (this.#life.isStale) await this.#life.look(scope);
      else if (!(await this.#step(scope))) await this.#rest(heard, scope);
    }
    this.#life.letGo();
  }

  /** After `run`: nothing is left. */
  async close(signal: AbortSignal): Promise<void> {
    await this.#means.workshop.clear({ remove: true }, signal);
    this.#means.slots.release(this);
  }

  /** What is in the way now: an engine that is gone comes before what failed while it was there. */
  get #trouble(): Error {
    const { state, reason, failures } = this.#life;
    const lost = new EngineError('unreachable', reason);
    return state === 'unknown' ? lost : (failures.error ?? lost);
  }

  #leaseOf(service: Service<U>): Lease<U> {
    const { leave } = this.#enter();
    const { upstream, lost } = service;
    return { upstream, lost: lost.signal, release: () => leave(true), again: () => this.#leaseOf(service) };
  }

  #enter(): { leave(wasServed: boolean): void } {
    const leave = this.#demand.enter();
    // What is wanted changes with the first who comes and the last who goes.
    if (this.#demand.open === 1) this.ring();
    return {
      leave: (wasServed) => {
        leave({ nowMs: this.#means.clock.now(), wasServed });
        if (this.#demand.open === 0) this.ring();
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
    return isDue && this.#life.service?.upstream.isConnected === false;
  }

  /** There is a container that is wanted no more. */
  get #isLeftOver(): boolean {
    return this.#life.seen !== undefined && (this.#life.seen.isRunning || this.#demand.held?.remove === true);
  }

  /** One step towards what is wanted. @returns false if there is none to take now */
  async #step(scope: AbortSignal): Promise<boolean> {
    const wish = this.#wish;
    switch (this.#life.state) {
      case 'starting':
        if (!(await this.#life.begin(this.#whileWanted(scope)))) await this.#end('called-off');
        return true;
      case 'running':
        if (!wish.isWanted) await this.#end('stop');
        else if (this.#isToBeConnected) await this.#life.connect(this.#whileAwaited(scope));
        else return false;
        return true;
      case 'absent':
      case 'stopped':
      case 'failed': {
        const isDue =
          this.#life.state !== 'failed' || this.#life.failures.isDue(this.#demand.asks, this.#rules.strategy);
        if (wish.isWanted && isDue) {
          this.#life.prepare(wish.reason);
          return true;
        }
        const { failures } = this.#life;
        const isTime = this.#life.state !== 'failed' || failures.isTime || !failures.answers(this.#demand.asks);
        if (wish.isWanted || !this.#isLeftOver || !isTime) return false;
        await this.#end('stop');
        return true;
      }
      default:
        return false;
    }
  }

  #whileWanted(scope: AbortSignal) {
    return { scope, unwanted: (signal: AbortSignal) => this.#bell.until(() => !this.#wish.isWanted, signal) };
  }

  #whileAwaited(scope: AbortSignal) {
    const isAwaited = () => this.#wish.isWanted && this.#isToBeConnected;
    return { scope, unwanted: (signal: AbortSignal) => this.#bell.until(() => !isAwaited(), signal) };
  }

  async #end(event: 'stop' | 'called-off'): Promise<void> {
    const ended = this.#life.end(event, this.#wish.reason, this.#demand.held?.remove ?? true);
    // What it was used for is over: only who asks from now on is a reason to start it again.
    this.#demand.idleSinceMs = undefined;
    if (await ended) this.#isYielding = false;
  }

  /** Until something happens, or the wish changes by itself. */
  async #rest(heard: number, scope: AbortSignal): Promise<void> {
    const { clock } = this.#means;
    const retryAtMs = this.#life.state === 'failed' ? this.#life.failures.retryAtMs : undefined;
    const dues = [this.#wish.untilMs, retryAtMs].filter((due) => due !== undefined && due > clock.now());
    const dueMs = Math.min(...(dues as number[]));
    await race({
      rung: (signal) => this.#bell.until((count) => count !== heard, signal),
      due: (signal) => (dues.length > 0 ? clock.sleep(dueMs - clock.now(), signal) : forever(signal)),
      over: (signal) => aborted(scope, signal),
    });
  }

  /** @throws what the start failed with, for whoever had asked by then */
  async #served(signal: AbortSignal, isEnough: (upstream: U) => boolean): Promise<Service<U>> {
    const { asks } = this.#demand;
    const isServing = () =>
      this.#life.service !== undefined && isEnough(this.#life.service.upstream) && !this.isLeaving;
    const hasFailed = () =>
      this.#life.failures.answers(asks) || (this.#life.state === 'unknown' && !this.#life.service);
    this.#waiting.add(asks);
    await this.#bell.until(() => isServing() || hasFailed() || this.#demand.held !== undefined, signal);
    this.#waiting.delete(asks);
    signal.throwIfAborted();
    if (this.#life.service && isServing()) return this.#life.service;
    if (this.#demand.held) throw new ClosedError(`"${this.name}" was stopped by name`);
    throw this.#trouble;
  }
}

const isConnected = (upstream: Upstream): boolean => upstream.isConnected;

const isAtRest = (state: State): boolean => state === 'absent' || state === 'stopped' || state === 'failed';
