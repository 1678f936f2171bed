/**
 * What is known of a run by watching it, happening by happening: a book beside core's own, kept by other rules. It takes
 * from src/ only types.
 */
import type { Exit } from '../../src/core/ports.ts';
import type { DependencyCondition, ServiceSpec, SignalName } from '../../src/core/spec.ts';
import { type Happening, type Run, signalNumber } from '../core/harness.ts';
import type { Deed } from '../support/fake-machine.ts';
import type { Loss } from './exit-code-oracle.ts';
import { ReadinessOracle } from './readiness-oracle.ts';
import { restartDelayMs } from './restart-oracle.ts';
import type { Scenario } from './scenario.ts';
import { isOver } from './table.ts';

/** What tandem keeps of the budget for itself, and what each later service keeps at least where it says nothing. */
export const ownShareMs = 250;
export const reserveMs = 1_500;

/** One process. */
export interface Body {
  readonly pid: number;
  readonly spawnedAt: number;
  exit?: Exit;
  exitedAt?: number;
  askedAt?: number;
  isContinued: boolean;
  killedAt?: number;
  /** Until when it may go on, at least and at most, unless every grace is over. */
  graceUntil: { readonly least: number; readonly most: number };
  cleanUps: number;
  cleanedAt?: number;
}

/** One service. */
export interface Known {
  readonly spec: ServiceSpec;
  readonly dependents: readonly string[];
  state: string;
  since: number;
  /** What happened to it in its present life. */
  events: string[];
  /** Of its present life, or of its last one. */
  body: Body | undefined;
  /** The body's end is dealt with. */
  isSettled: boolean;
  isLaunching: boolean;
  refused: 126 | 127 | undefined;
  oracle: ReadinessOracle;
  /** How it last ended, as it is shown. */
  exit: Exit | undefined;
  restarts: number;
  restartsAt: number[];
  attempts: number;
  /** The longest time for which it was ready, in this life. */
  healthyMs: number;
  /** When it may start again. */
  delayUntil: number;
  /** Signals that came before it ran. */
  early: SignalName[];
  /** Signals that it is to get at once. */
  owed: SignalName[];
  loss: Loss | undefined;
  waitsTold: number;
  strangersMet: number;
  warnings: number;
}

export interface Decision {
  readonly by: 'stop' | 'loss';
  readonly at: number;
  readonly service?: string;
}

export class Ledger {
  readonly scene: Scenario;
  readonly all: ReadonlyMap<string, Known>;
  readonly bodies: { readonly service: string; readonly body: Body }[] = [];
  decision: Decision | undefined;
  /** Who was killed since the end was decided. */
  readonly forced = new Set<string>();
  killAsked: { readonly at: number; readonly by: SignalName } | undefined;
  /** When an essential service was lost, be it during a stop. */
  lostAt = Infinity;
  /** How far the clock has jumped since the end was decided, or at all before. */
  jumpedMs = 0;
  /** Ports that strangers hold. */
  readonly takenPorts = new Set<number>();
  /** The longest look at a port. */
  readonly lookMs: number;
  #report: { readonly at: number; readonly of: ReturnType<Run['health']> } | undefined;

  constructor(scene: Scenario) {
    this.scene = scene;
    this.lookMs = Math.max(...Object.values(scene.scripts).flatMap((all) => all.map(({ lookMs }) => lookMs ?? 0)));
    this.all = new Map(scene.specs.map((spec) => [spec.name, newborn(spec, scene.specs)]));
  }

  of(name: string): Known {
    const known = this.all.get(name);
    if (!known) throw new Error(`no ${name}`);
    return known;
  }

  /** Writes it down. */
  enter(one: Happening): void {
    if (one.kind === 'deed') this.#deed(one.deed);
    else if (one.kind === 'transition') this.#transition(one.transition.service, one.transition, one.at);
    else if (one.kind === 'request') this.#request(one.request, one.by, one.at);
    else if (one.kind === 'forward') this.#forward(one.signal);
    else if (one.kind === 'warning') this.of(one.service).warnings += 1;
    else if (one.kind === 'wait') this.of(one.wait.service).waitsTold += 1;
    else this.#sign(one.sign);
  }

  /** The health report of a rest: one for all who look. */
  reportAt(now: number, run: Run): ReturnType<Run['health']> {
    if (!this.#report || this.#report.at !== now) this.#report = { at: now, of: run.health() };
    return this.#report.of;
  }

  /** Rest is over. */
  wake(): void {
    this.#report = undefined;
  }

  get secondSignal(): number | undefined {
    return this.killAsked && signalNumber(this.killAsked.by);
  }

  /** No grace is left for anybody. */
  isGraceOver(now: number): boolean {
    return now >= this.graceEndsAt;
  }

  get deadline(): number {
    return (this.decision?.at ?? Infinity) + this.scene.policy.stopTimeoutMs;
  }

  get graceEndsAt(): number {
    return Math.min(this.deadline, this.killAsked?.at ?? Infinity);
  }

  /** Services may be asked to end. */
  isStopping(now: number): boolean {
    if (!this.decision) return false;
    const drained = this.decision.by === 'loss' || now >= this.decision.at + this.scene.policy.drainDelayMs;
    return drained || this.lostAt <= now || this.isGraceOver(now);
  }

  /** Its turn to stop has come. */
  isItsTurn({ dependents }: Known, now: number): boolean {
    if (!this.isStopping(now)) return false;
    return this.isGraceOver(now) || dependents.every((name) => isOver(this.of(name).state));
  }

  holds(condition: DependencyCondition, name: string): boolean {
    const { state, spec } = this.of(name);
    const isThere = ['ready', 'completed', 'skipped'].includes(state);
    switch (condition) {
      case 'started':
        return isThere || isAlive(this.of(name));
      case 'ready':
        return isThere;
      case 'completed':
        return state === 'completed' || state === 'skipped';
      case 'ended':
        return spec.type === 'oneshot' ? isOver(state) : isThere;
    }
  }

  /** What it waits for, and what it waits for in vain. */
  needsOf({ spec: { dependsOn } }: Known): { readonly unmet: string[]; readonly lost: string[] } {
    const unmet = Object.entries(dependsOn).flatMap(([name, condition]) => (this.holds(condition, name) ? [] : [name]));
    return { unmet, lost: unmet.filter((name) => isOver(this.of(name).state)) };
  }

  #transition(name: string, { event, to }: { event: string; to: string }, at: number): void {
    const known = this.of(name);
    if (known.state === 'ready') known.healthyMs = Math.max(known.healthyMs, at - known.since);
    const isFirst = known.state === 'starting';
    known.state = to;
    known.since = at;
    if (to === 'starting') this.#begin(known, event, at);
    known.events.push(event);
    if (event === 'probe-succeeded' && isFirst) {
      known.oracle.becameReady(at);
      if (known.oracle.owner === 'unknown') known.strangersMet += 1;
    }
    if (to === 'backoff') this.#plan(known, at);
    if ((isOver(to) || to === 'backoff') && known.body && !known.isSettled) {
      known.isSettled = true;
      known.exit = known.body.exit ?? { signal: 'SIGKILL' };
    }
    if (to === 'failed' || event === 'dependency-failed') this.#lose(known, event, at);
  }

  /** A life begins. */
  #begin(known: Known, event: string, at: number): void {
    if (event === 'delay-elapsed') known.restarts += 1;
    known.events = [];
    known.body = undefined;
    known.isSettled = false;
    known.refused = undefined;
    known.healthyMs = 0;
    known.waitsTold = 0;
    known.oracle = new ReadinessOracle(known.spec, at);
  }

  #plan(known: Known, at: number): void {
    const { baseDelayMs, maxDelayMs, resetAfterMs } = known.spec.restart;
    known.restartsAt.push(at);
    known.attempts = known.healthyMs >= resetAfterMs ? 1 : known.attempts + 1;
    known.delayUntil = at + restartDelayMs(baseDelayMs, maxDelayMs, known.attempts, this.scene.randomness);
  }

  #lose(known: Known, event: string, at: number): void {
    known.loss = event === 'dependency-failed' ? this.of(this.needsOf(known).lost[0] ?? '').loss : lossOf(known);
    if (!known.spec.essential) return;
    this.lostAt = Math.min(this.lostAt, at);
    if (!this.decision) this.#decide({ by: 'loss', at, service: known.spec.name });
  }

  #request(request: 'stop' | 'kill', by: SignalName, at: number): void {
    if (request === 'kill') this.killAsked = { at, by };
    else if (!this.decision) this.#decide({ by: 'stop', at });
  }

  #decide(decision: Decision): void {
    this.decision = decision;
    for (const known of this.all.values()) {
      const { body } = known;
      if (body?.askedAt === undefined || body.killedAt !== undefined) continue;
      const { least, most } = this.#graceMs(known, decision.at);
      body.graceUntil = {
        least: Math.min(body.graceUntil.least, decision.at + least),
        most: Math.min(body.graceUntil.most, decision.at + most),
      };
    }
  }

  #forward(signal: SignalName): void {
    for (const known of this.all.values()) {
      const { forwardSignals } = known.spec;
      if (forwardSignals !== 'all' && !forwardSignals.includes(signal)) continue;
      if (isAlive(known)) known.owed.push(signal);
      else if (forwardSignals === 'all') known.early.push(signal);
    }
  }

  #deed(deed: Deed): void {
    const known = this.of(deed.service);
    const { body } = known;
    const { at } = deed;
    switch (deed.did) {
      case 'launch':
        known.isLaunching = true;
        return;
      case 'refused':
        known.isLaunching = false;
        known.refused = deed.code === 126 ? 126 : 127;
        return;
      case 'spawn':
        known.isLaunching = false;
        known.exit = undefined;
        known.body = {
          pid: deed.pid,
          spawnedAt: at,
          graceUntil: { least: 0, most: Infinity },
          isContinued: false,
          cleanUps: 0,
        };
        known.oracle = new ReadinessOracle(known.spec, at);
        this.bodies.push({ service: deed.service, body: known.body });
        known.owed.push(...known.early.splice(0));
        return;
      case 'signal':
        if (known.owed[0] === deed.signal) known.owed.shift();
        else if (body && deed.signal === 'SIGCONT') body.isContinued = true;
        else if (body) this.#ask(known, body, at);
        return;
      case 'kill':
        if (body) body.killedAt = at;
        if (this.decision) this.forced.add(deed.service);
        return;
      case 'exit':
        if (body) Object.assign(body, { exit: deed.exit, exitedAt: at });
        known.owed = [];
        return;
    }
    const one = this.bodies.find((other) => other.body.pid === deed.pid)?.body;
    if (!one) return;
    if (deed.did === 'cleanUp') one.cleanUps += 1;
    else one.cleanedAt = at;
  }

  #ask(known: Known, body: Body, at: number): void {
    const { least, most } = this.#graceMs(known, at);
    body.askedAt = at;
    body.graceUntil = { least: at + least, most: at + most };
  }

  /** What a service has if it is asked now. */
  #graceMs(known: Known, now: number): { least: number; most: number } {
    const ownMs = known.spec.stopGraceMs ?? Infinity;
    if (!this.decision) {
      const allMs = known.spec.stopGraceMs ?? this.scene.policy.stopTimeoutMs;
      return { least: allMs, most: allMs };
    }
    const remainingMs = Math.max(0, this.deadline - ownShareMs - now);
    const { needsMs, isSure, length } = this.#after(known);
    const share = evenShareMs(remainingMs, needsMs);
    if (isSure) return { least: Math.min(ownMs, share), most: Math.min(ownMs, share) };
    return { least: Math.min(ownMs, remainingMs / (length + 1), share), most: Math.min(ownMs, remainingMs) };
  }

  /** What those need that stop after it, in the neediest row; whether that is sure; how long the longest row is. */
  #after(known: Known, seen = new Map<string, Row>()): Row {
    const before = seen.get(known.spec.name);
    if (before) return before;
    const rows = Object.keys(known.spec.dependsOn).flatMap((name): Row[] => {
      const dependency = this.of(name);
      if (isOver(dependency.state)) return [];
      const { needsMs, isSure, length } = this.#after(dependency, seen);
      const own = dependency.spec.stopGraceMs ?? reserveMs;
      // What waits for its turn to start may be over in a moment.
      const stays = dependency.body !== undefined && dependency.state !== 'backoff';
      return [{ needsMs: [own, ...needsMs].sort((a, b) => a - b), isSure: isSure && stays, length: length + 1 }];
    });
    const most = Math.max(0, ...rows.map(({ needsMs }) => sumOf(needsMs)));
    const neediest = rows.filter(({ needsMs }) => sumOf(needsMs) === most);
    const row = {
      needsMs: neediest[0]?.needsMs ?? [],
      isSure:
        rows.every(({ isSure }) => isSure) &&
        neediest.every(({ needsMs }) => `${needsMs}` === `${neediest[0]?.needsMs}`),
      length: Math.max(0, ...rows.map(({ length }) => length)),
    };
    seen.set(known.spec.name, row);
    return row;
  }

  #sign(sign: Extract<Happening, { kind: 'sign' }>['sign']): void {
    const { oracle, state } = this.of(sign.service);
    if (sign.did === 'give up') oracle.gaveUp(sign.probe);
    else if (sign.did === 'answer') oracle.answered(sign.probe, sign.result.ok, sign.at, state);
  }
}

/** Services that stop one after the other. */
interface Row {
  readonly needsMs: readonly number[];
  readonly isSure: boolean;
  readonly length: number;
}

function sumOf(all: readonly number[]): number {
  return all.reduce((sum, one) => sum + one, 0);
}

/** What the first may take, if those after it take no more than that, and no more than they need. */
function evenShareMs(remainingMs: number, laterNeedsMs: readonly number[]): number {
  let [least, most] = [0, remainingMs];
  for (let step = 0; step < 60; step += 1) {
    const share = (least + most) / 2;
    if (share + sumOf(laterNeedsMs.map((need) => Math.min(need, share))) < remainingMs) least = share;
    else most = share;
  }
  return most;
}

/** Its process runs, and has not been given up. */
export function isAlive({ body, isSettled }: Known): boolean {
  return body !== undefined && !body.exit && !isSettled;
}

/** Why its present life is brought to an end: it was asked to, something is wrong with it, or nobody asked. */
export function causeOf({ events }: Known): 'stop' | 'fault' | 'exit' {
  if (events.includes('stop')) return 'stop';
  return events.some((event) => ['start-timeout', 'port-taken', 'liveness-lost'].includes(event)) ? 'fault' : 'exit';
}

function lossOf({ events, refused, body }: Known): Loss {
  if (events.includes('start-timeout')) return { how: 'never-ready' };
  if (events.includes('liveness-lost')) return { how: 'liveness-lost' };
  if (events.includes('port-taken')) return { how: 'port-taken' };
  if (!body) return refused ? { how: refused === 126 ? 'not-executable' : 'not-found' } : { how: 'port-taken' };
  const exit = body.exit ?? { signal: 'SIGKILL' };
  return 'code' in exit ? { how: 'exit-code', code: exit.code } : { how: 'signal', number: signalNumber(exit.signal) };
}

function newborn(spec: ServiceSpec, specs: readonly ServiceSpec[]): Known {
  return {
    spec,
    dependents: specs.flatMap(({ name, dependsOn }) => (Object.hasOwn(dependsOn, spec.name) ? [name] : [])),
    state: 'pending',
    since: 0,
    events: [],
    body: undefined,
    isSettled: false,
    isLaunching: false,
    refused: undefined,
    oracle: new ReadinessOracle(spec, 0),
    exit: undefined,
    restarts: 0,
    restartsAt: [],
    attempts: 0,
    healthyMs: 0,
    delayUntil: 0,
    early: [],
    owed: [],
    loss: undefined,
    waitsTold: 0,
    strangersMet: 0,
    warnings: 0,
  };
}
