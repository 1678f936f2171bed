/**
 * One service alive. `Service.run` walks the state table from `pending` to a terminal state and is the only writer of
 * the state; everybody else reads the view. It knows its own spec, when it may start and when it must stop, and never
 * why the others do what they do.
 */
import { awaitDependencies } from './dependencies.ts';
import { endsInTime } from './grace.ts';
import type { ServiceView } from './health.ts';
import { describeExit, describeFailure, describeHolder, type Failure } from './outcome.ts';
import type { LaunchFailure, Listening, Machine, ProbeResult, Process } from './ports.ts';
import { becomeReady, type Inquiry, lastingQuestion, untilAnswered, watch } from './readiness.ts';
import { isClean, nextDelayMs, noHistory, recordRestart, wantsRestart } from './restart.ts';
import { aborted, because, Cell, forever, race } from './scope.ts';
import type { ServiceSpec, SignalName } from './spec.ts';
import { type Event, isTerminal, nextState, type State } from './state.ts';

/** After SIGKILL a process is gone at once, unless it hangs in the kernel; then it is left behind. */
const unkillableAfterMs = 2_000;

/** The last output of a service is waited for this long even where its end has cost all of the budget. */
const leastDrainMs = 100;

/** How often an operator hears what is still waited for. */
const progressMs = 5_000;

/** A change of state, as the log tells it. */
export interface Transition {
  readonly service: string;
  readonly from: State;
  readonly to: State;
  readonly event: Event;
  readonly reason: string;
  readonly pid: number | undefined;
  /** How long it was in `from`. */
  readonly elapsedMs: number;
}

/** Told of what happens. Must not throw. */
export interface Observer {
  transition(transition: Transition): void;
  /** Something that an operator should know and that changes no state. */
  warn(service: string, message: string): void;
  /** What somebody else runs has not answered yet; told every few seconds. */
  waiting(wait: Wait): void;
}

/** How a wait stands. */
export interface Wait {
  readonly service: string;
  readonly elapsedMs: number;
  /** The most that it may take. */
  readonly limitMs: number | undefined;
  /** The last answer; absent: none yet. */
  readonly reason: string | undefined;
}

/** What a service may know of the rest. */
export interface Surroundings {
  readonly machine: Machine;
  readonly observer: Observer;
  /** Aborted: nothing is started any more. */
  readonly stop: AbortSignal;
  /** Aborted: no grace is left for anybody. */
  readonly kill: AbortSignal;
  /** The view of another service of the plan. */
  viewOf(name: string): Cell<ServiceView>;
  /** How long this service may take to end, counted from now. */
  graceMs(name: string): number;
  /** What is left of the stop budget; without a stop there is no end of it. */
  budgetLeftMs(): number;
}

/** Why a running service is brought to its end. */
type Cause =
  | { readonly event: 'exit' | 'stop' }
  | { readonly event: 'start-timeout' | 'port-taken' | 'liveness-lost'; readonly failure: Failure };

/** One spec alive: a state and a reason. */
export class Service {
  readonly spec: ServiceSpec;
  readonly view: Cell<ServiceView>;
  readonly #around: Surroundings;
  readonly #turn = new AbortController();
  #process: Process | undefined;
  #history = noHistory;
  /** How many ended processes are still being cleaned up. */
  readonly #leftovers = new Cell(0);
  /** The longest time in one piece for which this life was ready, up to its last change of state. */
  #longestReadyMs = 0;
  readonly #earlySignals: SignalName[] = [];

  constructor(spec: ServiceSpec, around: Surroundings) {
    this.spec = spec;
    this.#around = around;
    this.view = new Cell<ServiceView>({
      name: spec.name,
      type: spec.type,
      essential: spec.essential,
      state: 'pending',
      reason: 'not started yet',
      since: around.machine.clock.now(),
      restarts: 0,
      forced: false,
    });
  }

  get isTerminal(): boolean {
    return isTerminal(this.view.value.state);
  }

  /** Its turn to stop has come: nothing that depends on it is alive any more. */
  stop(): void {
    this.#turn.abort(because);
  }

  /** Hands a signal to the leader. One that takes every signal is sent those, too, that come before it runs. */
  signal(name: SignalName): void {
    if (this.#process) this.#process.signal(name);
    else if (this.spec.forwardSignals === 'all') this.#earlySignals.push(name);
  }

  /** The whole life. Resolves when the state is terminal and nothing of the service is left. */
  async run(): Promise<void> {
    if (this.spec.skip !== undefined) return this.#enter('skip', this.spec.skip);
    if (!(await this.#dependenciesMet())) return;
    do await this.#liveOnce();
    while (this.view.value.state === 'backoff' && (await this.#delayElapsed()));
    await this.#leftovers.until(isNone, new AbortController().signal);
  }

  async #dependenciesMet(): Promise<boolean> {
    const { stop, viewOf } = this.#around;
    const lost = await awaitDependencies(this.spec, viewOf, stop);
    if (stop.aborted) {
      this.#enter('stop', 'stopped before it was started');
      return false;
    }
    if (lost) {
      const failure: Failure = lost.failure ?? { cause: 'exit', exit: { code: 1 } };
      this.#fail('dependency-failed', { cause: 'dependency-failed', dependency: lost.name, failure });
      return false;
    }
    const hasNeeds = Object.keys(this.spec.dependsOn).length > 0;
    this.#enter('dependencies-met', hasNeeds ? 'dependencies met' : 'nothing to wait for');
    return true;
  }

  async #delayElapsed(): Promise<boolean> {
    const { machine, stop } = this.#around;
    const delayMs = nextDelayMs(this.spec.restart, this.#history.attempts, machine.random());
    await race({
      stop: (signal) => aborted(stop, signal),
      elapsed: async (signal) => {
        await machine.clock.sleep(delayMs, signal);
        await this.#leftovers.until(isNone, signal);
      },
    });
    if (stop.aborted) {
      this.#enter('stop', 'stopped before it was restarted');
      return false;
    }
    this.#change({ restarts: this.view.value.restarts + 1 });
    this.#enter('delay-elapsed', `restart ${this.view.value.restarts}`);
    return true;
  }

  /** From `starting` to the end of the process and what follows from it: a terminal state, or `backoff`. */
  async #liveOnce(): Promise<void> {
    this.#longestReadyMs = 0;
    this.#change({ forced: false, probe: undefined });
    if (this.spec.isExternal) return this.#awaitAnswer();
    const process = await this.#launch();
    if (!process) return;
    this.#process = process;
    this.#change({ pid: process.pid, exit: undefined });
    for (const name of this.#earlySignals.splice(0)) process.signal(name);
    const cause = await this.#serve(process);
    if (cause.event !== 'exit')
      await this.#bringDown(process, cause.event, 'failure' in cause ? describeFailure(cause.failure) : 'requested');
    this.#process = undefined;
    void this.#cleanUp(process);
    this.#settle(process, cause);
  }

  /** Goes on beside what follows from the end: neither siblings nor a stop wait until the last output is drained. */
  async #cleanUp(process: Process): Promise<void> {
    this.#leftovers.value += 1;
    await process.cleanUp(Math.max(leastDrainMs, this.#around.budgetLeftMs()));
    this.#leftovers.value -= 1;
  }

  /** From `starting` to the first answer of what somebody else runs: there is nothing to spawn and nothing to end. */
  async #awaitAnswer(): Promise<void> {
    const { stop } = this.#around;
    const first = await race({
      stop: (signal) => aborted(stop, signal),
      answer: (signal) => untilAnswered(this.#inquiry, signal),
      late: (signal) => this.#startTimeout(signal),
      told: (signal) => this.#tellProgress(signal),
    });
    if (stop.aborted) {
      this.#enter('stop', 'stopped before it answered');
      this.#enter('exit-stopped', 'never spawned');
    } else if (first.arm === 'answer') {
      this.#enter('answered', 'answers');
    } else {
      const failure = this.#lateness();
      this.#enter('start-timeout', describeFailure(failure));
      this.#fail('exit-failed', failure);
    }
  }

  async #tellProgress(signal: AbortSignal): Promise<void> {
    const { machine, observer } = this.#around;
    for (;;) {
      await machine.clock.sleep(progressMs, signal);
      if (signal.aborted) return;
      const { name, since, probe } = this.view.value;
      observer.waiting({
        service: name,
        elapsedMs: machine.clock.now() - since,
        limitMs: this.spec.readiness?.startTimeoutMs,
        reason: probe?.reason,
      });
    }
  }

  /** Spawns the process, unless the port is taken, the command is unusable or a stop came first. */
  async #launch(): Promise<Process | undefined> {
    const { machine, stop } = this.#around;
    const port = this.spec.readiness?.port;
    const holder = port && (await machine.holderOf(port, this.#turn.signal));
    if (stop.aborted) {
      this.#enter('stop', 'stopped before it was spawned');
      this.#enter('exit-stopped', 'never spawned');
      return undefined;
    }
    if (port && holder) {
      const message = `port ${port.port} is held by ${describeHolder(holder)}`;
      this.#fail('not-launched', { cause: 'port-taken', message });
      return undefined;
    }
    const launched = await this.#spawn();
    if (isProcess(launched)) return launched;
    this.#fail('not-launched', { cause: 'not-launched', ...launched });
    return undefined;
  }

  /** A spawn takes milliseconds, unless the command's file hangs: then neither a stop nor the start timeout waits for it. */
  async #spawn(): Promise<Process | LaunchFailure> {
    const abandon = new AbortController();
    const [launched] = await Promise.all([
      this.#around.machine.launch(this.spec, abandon.signal).finally(() => abandon.abort(because)),
      race({
        over: (signal) => aborted(abandon.signal, signal),
        stop: (signal) => aborted(this.#turn.signal, signal),
        late: (signal) => this.#startTimeout(signal),
      }).then(() => abandon.abort(because)),
    ]);
    return launched;
  }

  /** Starting, ready, unready: for as long as the process runs and nothing asks for its end. */
  async #serve(process: Process): Promise<Cause> {
    return (await this.#start(process)) ?? (await this.#serveReady(process));
  }

  /** Resolves with nothing once the service is ready. */
  async #start(process: Process): Promise<Cause | undefined> {
    const first = await race({
      exit: (signal) => process.exited(signal),
      stop: (signal) => aborted(this.#turn.signal, signal),
      ready: (signal) => (this.spec.type === 'oneshot' ? forever(signal) : becomeReady(this.#inquiry, process, signal)),
      late: (signal) => this.#startTimeout(signal),
    });
    if (first.arm === 'exit' || first.arm === 'stop') return { event: first.arm };
    if (first.arm === 'late') return { event: 'start-timeout', failure: this.#lateness() };
    return this.#welcome(first.value ?? undefined);
  }

  /** Counted from the moment when it came into `starting`. */
  #startTimeout(signal: AbortSignal): Promise<void> {
    const { clock } = this.#around.machine;
    const limitMs = this.spec.readiness?.startTimeoutMs;
    return limitMs === undefined ? forever(signal) : clock.sleep(this.view.value.since + limitMs - clock.now(), signal);
  }

  #lateness(): Failure {
    const { startTimeoutMs = 0, port } = this.spec.readiness ?? {};
    const goal = this.spec.isExternal || this.spec.type === 'service' ? 'ready' : 'completed';
    const last = this.view.value.probe?.reason;
    const why = last ?? (port && this.spec.type === 'service' ? `nothing listens on port ${port.port}` : undefined);
    return { cause: 'start-timeout', message: `not ${goal} within ${startTimeoutMs / 1000} s${why ? `: ${why}` : ''}` };
  }

  /** Into `ready`, if the listener is not a stranger. */
  #welcome(listening: Listening | undefined): Cause | undefined {
    const port = this.spec.readiness?.port?.port;
    if (listening?.owner === 'foreign') {
      const message = `port ${port} is held by ${describeHolder(listening.holder)}`;
      return { event: 'port-taken', failure: { cause: 'port-taken', message } };
    }
    if (listening?.owner === 'unknown') {
      this.#around.observer.warn(this.spec.name, `cannot see which process listens on port ${port}: taken for its own`);
    }
    this.#enter('probe-succeeded', this.spec.readiness ? 'answers' : 'spawned');
    return undefined;
  }

  async #serveReady(process: Process): Promise<Cause> {
    let lost: Failure | undefined;
    const dead = new AbortController();
    const first = await race({
      exit: (signal) => process.exited(signal),
      stop: (signal) => aborted(this.#turn.signal, signal),
      dead: (signal) => aborted(dead.signal, signal),
      readiness: (signal) => watch(this.#inquiry, lastingQuestion(this.spec), (result) => this.#turned(result), signal),
      liveness: (signal) =>
        watch(
          this.#inquiry,
          this.spec.liveness,
          (result) => {
            if (result.ok) return;
            lost = { cause: 'unhealthy', message: result.reason };
            dead.abort(because);
          },
          signal,
        ),
    });
    if (lost) return { event: 'liveness-lost', failure: lost };
    return { event: first.arm === 'exit' ? 'exit' : 'stop' };
  }

  #turned(result: ProbeResult): void {
    if (result.ok) this.#enter('probe-succeeded', 'answers again');
    else this.#enter('probe-failed', result.reason);
  }

  get #inquiry(): Inquiry {
    return {
      spec: this.spec,
      machine: this.#around.machine,
      heard: (result) => this.#change({ probe: { ...result, at: this.#around.machine.clock.now() } }),
    };
  }

  /** Asks the leader to end; kills the group when the grace is over. */
  async #bringDown(process: Process, event: Event, reason: string): Promise<void> {
    const { machine, stop, kill, graceMs } = this.#around;
    const { clock } = machine;
    this.#enter(event, reason);
    process.signal(this.spec.stopSignal);
    // A process that is stopped (SIGSTOP) would see the signal only when it is killed.
    process.signal('SIGCONT');
    const askedAt = clock.now();
    if (await endsInTime(process, { clock, stop, kill, graceMs: () => graceMs(this.spec.name) })) return;
    this.#change({ forced: stop.aborted });
    this.#enter('grace-elapsed', `killed after ${Math.round(clock.now() - askedAt)} ms`);
    process.killGroup();
    await race({
      exit: (signal) => process.exited(signal),
      hanging: (signal) => clock.sleep(unkillableAfterMs, signal),
    });
  }

  /** What follows from the end of the process. */
  #settle(process: Process, cause: Cause): void {
    const exit = process.exit ?? { signal: 'SIGKILL' };
    this.#change({ exit, pid: undefined });
    const failure: Failure = 'failure' in cause ? cause.failure : { cause: 'exit', exit };
    const { pid } = process;
    if (cause.event === 'stop') this.#enter('exit-stopped', describeExit(exit), pid);
    else if (isFinished(this.spec, failure)) this.#enter('exit-completed', describeExit(exit), pid);
    // One that hangs in the kernel is not started a second time beside itself.
    else if (process.exit && this.#mayRestart(failure)) this.#enter('exit-restart', describeFailure(failure), pid);
    else this.#fail('exit-failed', failure, pid);
  }

  /** True if the policy wants it and allows it; it is then recorded. */
  #mayRestart(failure: Failure): boolean {
    const { restart } = this.spec;
    if (this.#around.stop.aborted || !wantsRestart(restart, failure)) return false;
    const history = recordRestart(restart, this.#history, this.#around.machine.clock.now(), this.#readyForMs());
    this.#history = history ?? this.#history;
    return history !== undefined;
  }

  #readyForMs(): number {
    const { state, since } = this.view.value;
    if (state !== 'ready') return this.#longestReadyMs;
    return Math.max(this.#longestReadyMs, this.#around.machine.clock.now() - since);
  }

  #fail(event: Event, failure: Failure, pid?: number): void {
    this.#change({ failure });
    this.#enter(event, describeFailure(failure), pid);
  }

  #change(facts: Partial<ServiceView>): void {
    this.view.value = { ...this.view.value, ...facts };
  }

  /** Writes the state: the one place. */
  #enter(event: Event, reason: string, pid = this.view.value.pid): void {
    const { state: from, since } = this.view.value;
    const to = nextState(from, event);
    const now = this.#around.machine.clock.now();
    this.#longestReadyMs = this.#readyForMs();
    this.#change({ state: to, reason, since: now });
    this.#around.observer.transition({ service: this.spec.name, from, to, event, reason, pid, elapsedMs: now - since });
  }
}

function isNone(count: number): boolean {
  return count === 0;
}

/** True for an ending that is no failure: a oneshot's success, or a clean exit of a service that nobody needs. */
function isFinished({ type, essential, restart }: ServiceSpec, failure: Failure): boolean {
  const mayEnd = type === 'oneshot' || (!essential && restart.condition === 'on-failure');
  return mayEnd && failure.cause === 'exit' && isClean(failure.exit);
}

function isProcess(launched: Process | LaunchFailure): launched is Process {
  return 'pid' in launched;
}
