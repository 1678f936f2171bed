/**
 * A simulated machine on a fake clock: processes with scripted manners, ports, probe answers. It keeps the contract of
 * core's ports to the letter (waits settle in the turn in which they are aborted, a signal after the end does nothing)
 * and writes down everything that is done to it, with times.
 */
import { judgeHealthBody } from '../../src/core/health-verdict.ts';
import type { Exit, Holder, LaunchFailure, Listening, Machine, ProbeResult, Process } from '../../src/core/ports.ts';
import type { Address, ProbeSpec, ServiceSpec, SignalName } from '../../src/core/spec.ts';
import type { FakeClock } from './fake-clock.ts';

/** How and when a process ends. */
export interface Ending {
  readonly afterMs: number;
  readonly exit: Exit;
}

/** What a probe hears. `silence`: nothing until the time is up. A body is judged as the host does. */
export type Answer = ProbeResult | 'silence' | { readonly body: unknown };

/** The manners of one life of a service. Everything absent is that of a good citizen. */
export interface Manners {
  /** The spawn fails with this. */
  readonly launchFailure?: LaunchFailure;
  /** What the look at the port and the spawn take. Default 0: the same turn. `Infinity`: it hangs. */
  readonly lookMs?: number;
  readonly launchMs?: number;
  /** It ends by itself. Default: never. */
  readonly ends?: Ending;
  /** What it does on a signal. Default: ends by TERM, INT and QUIT after 5 ms, ignores all others. */
  readonly reactions?: Readonly<Record<SignalName, Ending | 'ignores'>>;
  /** From SIGKILL to the end. Default 0. `Infinity`: it hangs in the kernel. */
  readonly diesAfterMs?: number;
  /** When somebody listens on its port, and who that is. Default: it does, after 20 ms. */
  readonly listens?: { readonly afterMs: number; readonly as: Listening };
  /** What a probe hears, by the age of the process. Default: it is well. */
  readonly answers?: (ageMs: number, probe: ProbeSpec) => Answer;
  /** What one probe takes. Default 1. */
  readonly answerMs?: number;
  /** What the cleaning up takes, if it may. Default 0. */
  readonly cleanUpMs?: number;
}

/** What was done, or happened, to a service's process. */
export type Deed =
  | {
      readonly at: number;
      readonly service: string;
      readonly pid: number;
      readonly did: 'spawn' | 'kill' | 'cleanUp' | 'cleaned';
    }
  /** The spawn begins: there is no pid yet. */
  | { readonly at: number; readonly service: string; readonly pid: 0; readonly did: 'launch' }
  | { readonly at: number; readonly service: string; readonly pid: 0; readonly did: 'refused'; readonly code: number }
  | {
      readonly at: number;
      readonly service: string;
      readonly pid: number;
      readonly did: 'signal';
      readonly signal: SignalName;
    }
  | { readonly at: number; readonly service: string; readonly pid: number; readonly did: 'exit'; readonly exit: Exit };

/** What was asked of a service or looked at, and what came of it. An answer that comes too late for anybody is none. */
export type Sign =
  | { readonly at: number; readonly service: string; readonly did: 'ask' | 'give up'; readonly probe: ProbeSpec }
  | {
      readonly at: number;
      readonly service: string;
      readonly did: 'answer';
      readonly probe: ProbeSpec;
      readonly heard: Answer;
      readonly result: ProbeResult;
    }
  | {
      readonly at: number;
      readonly service: string;
      readonly did: 'listen';
      readonly owner: Listening['owner'];
    };

/** The manners of each life in turn; the last ones hold for all lives that follow. */
export type Script = Manners | readonly Manners[];

export class FakeMachine implements Machine {
  readonly clock: FakeClock;
  /** Everything, in order. */
  readonly deeds: Deed[] = [];
  readonly processes: FakeProcess[] = [];
  /** Strangers on ports. */
  readonly holders = new Map<number, Holder>();
  /** Every question, in order. */
  readonly questions: { readonly at: number; readonly service: string; readonly probe: ProbeSpec }[] = [];
  /** Told of every deed. */
  told: (deed: Deed) => void = () => {};
  /** Told of every sign; they are not kept. */
  shown: (sign: Sign) => void = () => {};
  /** What probes of a service hear from now on, whatever its manners are. */
  readonly answers = new Map<string, Answer>();
  /** How many waits are under way. */
  waits = 0;
  /** How many turns of promises it takes until a wait that is aborted settles: promptly, but not at once. */
  lagTurns = 0;
  /** What jitter draws. */
  randomness = 0.5;
  readonly #scripts: Readonly<Record<string, Script>>;
  readonly #tries = new Map<string, number>();
  #lastPid = 100;

  constructor(clock: FakeClock, scripts: Readonly<Record<string, Script>> = {}) {
    this.clock = clock;
    this.#scripts = scripts;
  }

  random(): number {
    return this.randomness;
  }

  async launch(spec: ServiceSpec, signal: AbortSignal): Promise<Process | LaunchFailure> {
    const manners = this.#manners(spec.name);
    this.#tries.set(spec.name, this.#triesOf(spec.name) + 1);
    this.note({ at: this.clock.now(), service: spec.name, pid: 0, did: 'launch' });
    if (manners.launchMs) await this.#wait(manners.launchMs, signal);
    if (manners.launchFailure && !signal.aborted) {
      const { code } = manners.launchFailure;
      this.note({ at: this.clock.now(), service: spec.name, pid: 0, did: 'refused', code });
      return manners.launchFailure;
    }
    this.#lastPid += 1;
    const process = new FakeProcess(this, spec.name, this.#lastPid, manners);
    this.processes.push(process);
    return process;
  }

  async holderOf({ port }: Address, signal: AbortSignal): Promise<Holder | undefined> {
    const lookMs = this.#lookMs;
    if (lookMs) await this.#wait(lookMs, signal);
    return this.holders.get(port);
  }

  async listening(_: Address, process: Process, signal: AbortSignal): Promise<Listening | undefined> {
    const { spawnedAt, manners } = this.#ours(process);
    const { afterMs, as } = manners.listens ?? { afterMs: 20, as: { owner: 'ours' } };
    await this.#wait(spawnedAt + afterMs - this.clock.now(), signal);
    if (signal.aborted) return undefined;
    this.shown({ at: this.clock.now(), service: this.#ours(process).service, did: 'listen', owner: as.owner });
    return as;
  }

  async probe(probe: ProbeSpec, { name }: ServiceSpec, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    this.questions.push({ at: this.clock.now(), service: name, probe });
    this.shown({ at: this.clock.now(), service: name, did: 'ask', probe });
    // What somebody else runs is never spawned here; its age is the clock's.
    const process = this.processes.findLast((one) => one.service === name);
    const manners = process?.manners ?? this.#manners(name);
    const byAge = manners.answers?.(this.clock.now() - (process?.spawnedAt ?? 0), probe);
    const answer = this.answers.get(name) ?? byAge ?? { ok: true };
    const takesMs = answer === 'silence' ? Infinity : (manners.answerMs ?? 1);
    await this.#wait(Math.min(takesMs, timeoutMs), signal);
    const at = this.clock.now();
    if (signal.aborted) {
      this.shown({ at, service: name, did: 'give up', probe });
      return { ok: false, reason: 'aborted' };
    }
    const heard = takesMs > timeoutMs ? 'silence' : answer;
    const result = resultOf(heard);
    this.shown({ at, service: name, did: 'answer', probe, heard, result });
    return result;
  }

  /** Writes it down. */
  note(deed: Deed): void {
    this.deeds.push(deed);
    this.told(deed);
  }

  /** The last process of a service. */
  living(service: string): FakeProcess {
    const process = this.processes.findLast((one) => one.service === service);
    if (!process) throw new Error(`"${service}" was never spawned`);
    return process;
  }

  /** The deeds of one kind, as `service@time`. */
  times(did: Deed['did'], only?: string): string[] {
    return this.deeds
      .filter((deed) => deed.did === did && (only === undefined || deed.service === only))
      .map(({ service, at }) => `${service}@${at}`);
  }

  /** The signals that reached processes, as `service SIGNAL@time`; SIGCONT, which follows each stop signal, is left out. */
  get signals(): string[] {
    return this.deeds.flatMap((deed) => {
      if (deed.did === 'kill') return [`${deed.service} SIGKILL@${deed.at}`];
      return deed.did === 'signal' && deed.signal !== 'SIGCONT' ? [`${deed.service} ${deed.signal}@${deed.at}`] : [];
    });
  }

  /** What looking at a port takes: the same for all, as the machine does not know who asks. */
  get #lookMs(): number {
    return Object.values(this.#scripts).reduce((most, script) => {
      return Math.max(most, ...[script].flat().map(({ lookMs }) => lookMs ?? 0));
    }, 0);
  }

  #triesOf(service: string): number {
    return this.#tries.get(service) ?? 0;
  }

  #manners(service: string): Manners {
    const script = Object.hasOwn(this.#scripts, service) ? [this.#scripts[service] ?? {}].flat() : [];
    return script[Math.min(this.#triesOf(service), script.length - 1)] ?? {};
  }

  #ours(process: Process): FakeProcess {
    if (process instanceof FakeProcess) return process;
    throw new Error('a process of another machine');
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    this.waits += 1;
    await this.clock.sleep(ms, signal);
    for (let turn = 0; signal.aborted && turn < this.lagTurns; turn += 1) await Promise.resolve();
    this.waits -= 1;
  }
}

function resultOf(heard: Answer): ProbeResult {
  if (heard === 'silence') return { ok: false, reason: 'no answer in time' };
  return 'body' in heard ? judgeHealthBody(heard.body) : heard;
}

/** A process that does as its manners say, or as the test does. */
export class FakeProcess implements Process {
  readonly service: string;
  readonly pid: number;
  readonly manners: Manners;
  readonly spawnedAt: number;
  exit: Exit | undefined;
  readonly #machine: FakeMachine;
  readonly #waiting = new Set<() => void>();
  #cleaned: Promise<void> | undefined;

  constructor(machine: FakeMachine, service: string, pid: number, manners: Manners) {
    this.#machine = machine;
    this.service = service;
    this.pid = pid;
    this.manners = manners;
    this.spawnedAt = machine.clock.now();
    machine.note({ ...this.#who, did: 'spawn' });
    if (manners.ends) this.#endAfter(manners.ends);
  }

  /** Ends it now, by itself. */
  end(exit: Exit): void {
    if (this.exit) return;
    this.exit = exit;
    this.#machine.note({ ...this.#who, did: 'exit', exit });
    for (const wake of [...this.#waiting]) wake();
  }

  exited(signal: AbortSignal): Promise<void> {
    if (this.exit || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  signal(signal: SignalName): void {
    if (this.exit) return;
    this.#machine.note({ ...this.#who, did: 'signal', signal });
    const reaction = this.manners.reactions?.[signal] ?? politeReactions[signal];
    if (reaction && reaction !== 'ignores') this.#endAfter(reaction);
  }

  killGroup(): void {
    this.#machine.note({ ...this.#who, did: 'kill' });
    const afterMs = this.manners.diesAfterMs ?? 0;
    if (afterMs < Infinity) this.#endAfter({ afterMs, exit: { signal: 'SIGKILL' } });
  }

  cleanUp(drainMs = Infinity): Promise<void> {
    if (!this.#cleaned) {
      this.#machine.note({ ...this.#who, did: 'cleanUp' });
      this.#cleaned = this.#clean(Math.min(drainMs, this.manners.cleanUpMs ?? 0));
    }
    return this.#cleaned;
  }

  /** How many wait for its end. */
  get waiters(): number {
    return this.#waiting.size;
  }

  async #clean(ms: number): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => this.#machine.clock.schedule(ms, resolve));
    this.#machine.note({ ...this.#who, did: 'cleaned' });
  }

  #endAfter({ afterMs, exit }: Ending): void {
    this.#machine.clock.schedule(afterMs, () => this.end(exit));
  }

  get #who() {
    return { at: this.#machine.clock.now(), service: this.service, pid: this.pid };
  }
}

const politeReactions: Readonly<Record<SignalName, Ending | 'ignores'>> = {
  SIGTERM: { afterMs: 5, exit: { signal: 'SIGTERM' } },
  SIGINT: { afterMs: 5, exit: { signal: 'SIGINT' } },
  SIGQUIT: { afterMs: 5, exit: { signal: 'SIGQUIT' } },
};
