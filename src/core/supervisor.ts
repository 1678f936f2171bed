/**
 * The supervisor: runs a plan's services side by side, notices the one that ends the run, and stops the others in the
 * reverse order of their dependencies, inside one budget. It decides who stops when; how is the service's affair.
 */
import { graceMs, type Limits, needMs } from './budget.ts';
import type { ServiceView } from './health.ts';
import { describeOutcome, type Outcome } from './outcome.ts';
import type { Plan } from './plan.ts';
import type { Machine } from './ports.ts';
import { aborted, because, forever, race } from './scope.ts';
import { type Observer, Service, type Surroundings } from './service.ts';
import type { SignalName } from './spec.ts';
import { isTerminal } from './state.ts';

/** What tandem keeps of the budget for itself: to see the last exit, drain the output and leave. */
const ownShareMs = 250;

/** How a run is bounded. */
export interface StopPolicy {
  /** From the stop signal to the end of the last service. Default 9 000, below the 10 s of `docker stop`. */
  readonly stopTimeoutMs: number;
  /** From the drop of readiness to the first stop signal, within `stopTimeoutMs`. Default 0. */
  readonly drainDelayMs: number;
}

/** The two requests from outside; the reason of each is the name of the signal. */
export interface Requests {
  /** Asks for a graceful stop. */
  readonly stop: AbortSignal;
  /** Ends every grace. */
  readonly kill: AbortSignal;
}

/** Why a run ends. */
export interface Ending {
  readonly reason: string;
  readonly isFailure: boolean;
}

/** A plan alive. */
export class Supervisor {
  readonly #services: ReadonlyMap<string, Service>;
  readonly #plan: Plan;
  readonly #machine: Machine;
  readonly #policy: StopPolicy;
  /** Aborted: nothing is started any more, whatever the reason. */
  readonly #stop = new AbortController();
  /** Aborted: every grace is over. */
  readonly #kill = new AbortController();
  /** True once services may be told to stop: after the drain. */
  #isStopping = false;
  /** When the budget is spent; before a stop there is none. */
  #deadline: number | undefined;
  #outcome: Outcome | undefined;

  constructor(plan: Plan, machine: Machine, observer: Observer, policy: StopPolicy) {
    this.#plan = plan;
    this.#machine = machine;
    this.#policy = policy;
    const around: Surroundings = {
      machine,
      observer,
      stop: this.#stop.signal,
      kill: this.#kill.signal,
      viewOf: (name) => this.#service(name).view,
      graceMs: (name) => this.#graceMs(name),
      budgetLeftMs: () => this.budgetLeftMs,
    };
    this.#services = new Map(plan.services.map((spec) => [spec.name, new Service(spec, around)]));
  }

  /** The services as they are now, in start order. */
  get views(): readonly ServiceView[] {
    return this.#all.map((service) => service.view.value);
  }

  /** Why the run ends, from the moment on when that is decided. */
  get ending(): Ending | undefined {
    const outcome = this.#outcome;
    return outcome && { reason: describeOutcome(outcome), isFailure: outcome.kind === 'service-lost' };
  }

  /** What is left of the stop budget, in milliseconds, negative when it is exceeded; Infinity as long as nothing stops. */
  get budgetLeftMs(): number {
    return this.#deadline === undefined ? Infinity : this.#deadline - this.#machine.clock.now();
  }

  /** Hands a signal to every service that asks for it, and returns their names. */
  forward(name: SignalName): string[] {
    const takers = this.#all.filter(({ spec: { forwardSignals } }) => {
      return forwardSignals === 'all' || forwardSignals.includes(name);
    });
    for (const service of takers) service.signal(name);
    return takers.map((service) => service.spec.name);
  }

  /** Runs the plan to its end. When it resolves, every service is terminal and nothing that was started is left. */
  async run(requests: Requests): Promise<Outcome> {
    // Asked before anything began: nothing is started at all.
    if (requests.stop.aborted) this.#decide(stoppedBy(requests.stop));
    await race({
      lives: (scope) => Promise.all(this.#all.map((service) => this.#live(service, scope))),
      requests: (scope) => this.#heed(requests, scope),
    });
    const outcome = this.#outcome ?? { kind: 'completed' };
    if (outcome.kind !== 'stopped') return outcome;
    return { ...outcome, forced: this.views.filter((view) => view.forced).map((view) => view.name) };
  }

  async #live(service: Service, scope: AbortSignal): Promise<void> {
    await Promise.all([service.run(), this.#noticeEnd(service, scope)]);
  }

  /** Acts on the state, not on the end of `run`: siblings must not wait until the last output is drained. */
  async #noticeEnd(service: Service, scope: AbortSignal): Promise<void> {
    await service.view.until((view) => isTerminal(view.state), scope);
    const { name, type, essential, failure } = service.view.value;
    if (failure && essential) this.#beginStop({ kind: 'service-lost', service: name, type, failure });
    this.#passTurns();
  }

  /** Waits for what ends the run early: a request, or a lost service; then for what ends the grace early. */
  async #heed({ stop, kill }: Requests, scope: AbortSignal): Promise<void> {
    const first = await race({
      over: (signal) => aborted(scope, signal),
      stop: (signal) => aborted(stop, signal),
      lost: (signal) => aborted(this.#stop.signal, signal),
    });
    if (first.arm === 'stop') await this.#drain(stoppedBy(stop), kill, scope);
    const second = await race({
      over: (signal) => aborted(scope, signal),
      kill: (signal) => aborted(kill, signal),
      spent: (signal) => this.#machine.clock.sleep(this.budgetLeftMs, signal),
    });
    if (second.arm === 'over') return;
    if (second.arm === 'kill' && this.#outcome?.kind === 'stopped') this.#outcome = { kind: 'killed', by: kill.reason };
    this.#kill.abort(because);
    this.#passTurns();
    await forever(scope);
  }

  /** Readiness drops at once, the first stop signal follows after the drain delay. */
  async #drain(outcome: Outcome, kill: AbortSignal, scope: AbortSignal): Promise<void> {
    const { drainDelayMs } = this.#policy;
    this.#decide(outcome);
    await race({
      over: (signal) => aborted(scope, signal),
      kill: (signal) => aborted(kill, signal),
      drained: (signal) => (drainDelayMs > 0 ? this.#machine.clock.sleep(drainDelayMs, signal) : Promise.resolve()),
    });
    this.#isStopping = true;
    this.#passTurns();
  }

  #beginStop(outcome: Outcome): void {
    this.#decide(outcome);
    this.#isStopping = true;
  }

  /** The first to decide the outcome starts the clock of the budget; nothing is started from now on. */
  #decide(outcome: Outcome): void {
    if (this.#outcome) return;
    this.#outcome = outcome;
    this.#deadline = this.#machine.clock.now() + this.#policy.stopTimeoutMs;
    this.#stop.abort(because);
  }

  /** Tells every service to stop on which nothing alive depends; all of them when the grace is over. */
  #passTurns(): void {
    if (!this.#isStopping) return;
    for (const service of this.#all) {
      const dependents = this.#plan.dependents.get(service.spec.name) ?? [];
      if (this.#kill.signal.aborted || dependents.every((name) => this.#service(name).isTerminal)) service.stop();
    }
  }

  #graceMs(name: string): number {
    const own = this.#service(name).spec.stopGraceMs;
    if (this.#deadline === undefined) return own ?? this.#policy.stopTimeoutMs;
    return graceMs(this.budgetLeftMs - ownShareMs, own, this.#limitsAfter(name));
  }

  /** The own limits of those that stop after this one, one after the other: along the neediest row still alive. */
  #limitsAfter(name: string, known = new Map<string, Limits>()): Limits {
    const seen = known.get(name);
    if (seen) return seen;
    const rows = Object.keys(this.#service(name).spec.dependsOn)
      .filter((dependency) => !this.#service(dependency).isTerminal)
      .map((dependency) => [this.#service(dependency).spec.stopGraceMs, ...this.#limitsAfter(dependency, known)]);
    const neediest = rows.reduce<Limits>((most, row) => (needMs(row) > needMs(most) ? row : most), []);
    known.set(name, neediest);
    return neediest;
  }

  get #all(): Service[] {
    return [...this.#services.values()];
  }

  #service(name: string): Service {
    const service = this.#services.get(name);
    if (!service) throw new Error(`no service "${name}" in the plan`);
    return service;
  }
}

function stoppedBy(stop: AbortSignal): Outcome {
  return { kind: 'stopped', by: stop.reason, forced: [] };
}
