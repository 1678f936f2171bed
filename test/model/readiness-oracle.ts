/**
 * When a service may be called ready, and what it is asked when, told a second time. One oracle for each life. It takes
 * from src/ only types.
 */
import type { LivenessSpec, ProbeSpec, ProbeTiming, ServiceSpec } from '../../src/core/spec.ts';

type Question = 'first' | 'lasting' | 'alive';

/** What has to be there before the service is ready, in turn. */
type Stage = { readonly what: 'port' } | { readonly what: Question; readonly afterMs: number };

/** A question that is asked for as long as the service is there. */
interface Watch {
  readonly question: Question;
  readonly timing: ProbeTiming;
  ok: boolean;
  /** Answers in a row that say otherwise. */
  against: number;
  dueAt: number;
}

const firstPauseMs = 10;
const growth = 1.5;
const longestPauseMs = 250;
const longestExternalPauseMs = 1_000;
/** Times are sums of fractions. */
const tiny = 1e-6;

export class ReadinessOracle {
  readonly #spec: ServiceSpec;
  readonly #stages: Stage[];
  #stageSince: number;
  readonly #asking = new Set<Question>();
  #lastAnswerAt: number | undefined;
  #failures = 0;
  #watches: Watch[] = [];
  owner: 'ours' | 'foreign' | 'unknown' | undefined;
  /** The last that was heard in this life. */
  heard: { readonly ok: boolean; readonly at: number } | undefined;

  constructor(spec: ServiceSpec, at: number) {
    this.#spec = spec;
    this.#stages = stagesOf(spec);
    this.#stageSince = at;
  }

  get isReady(): boolean {
    return this.#stages.length === 0 && (this.#spec.isExternal === true || this.#spec.type === 'service');
  }

  get isForeign(): boolean {
    return this.owner === 'foreign';
  }

  /** It listens; whoever that is. */
  listens(owner: 'ours' | 'foreign' | 'unknown', at: number): string[] {
    if (this.#stages[0]?.what !== 'port') return ['its port is looked at out of turn'];
    this.owner = owner;
    if (owner !== 'foreign') this.#pass(at);
    return [];
  }

  asked(probe: ProbeSpec, at: number, state: string): string[] {
    const question = this.#questionOf(probe);
    if (!question) return ['it is asked what nobody wanted to know'];
    const isTwice = this.#asking.has(question);
    this.#asking.add(question);
    return [
      ...(isTwice ? [`the ${question} question is asked twice at a time`] : []),
      ...(at < this.#dueAt(question, state) - tiny ? [`the ${question} question comes too early or out of turn`] : []),
    ];
  }

  gaveUp(probe: ProbeSpec): void {
    const question = this.#questionOf(probe);
    if (question) this.#asking.delete(question);
  }

  answered(probe: ProbeSpec, ok: boolean, at: number, state: string): void {
    const question = this.#questionOf(probe);
    if (!question) return;
    this.#asking.delete(question);
    this.heard = { ok, at };
    if (state === 'starting') {
      if (ok) this.#pass(at);
      else this.#failures += 1;
      this.#lastAnswerAt = ok ? undefined : at;
    }
    const watch = this.#watches.find((one) => one.question === question);
    if (!watch) return;
    watch.dueAt = at + watch.timing.intervalMs;
    watch.against = ok === watch.ok ? 0 : watch.against + 1;
    if (watch.against < (watch.ok ? watch.timing.failureThreshold : watch.timing.successThreshold)) return;
    watch.ok = ok;
    watch.against = 0;
  }

  /** It came to be ready, the first time in its life. */
  becameReady(at: number): void {
    const { readiness, liveness } = this.#spec;
    const isAsked = readiness?.probe ?? readiness?.port;
    const watched: [Question, LivenessSpec['timing'] | undefined][] = [
      ['lasting', isAsked && readiness?.timing],
      ['alive', liveness?.timing],
    ];
    this.#watches = watched.flatMap(([question, timing]) =>
      timing ? [{ question, timing, ok: true, against: 0, dueAt: at + timing.intervalMs }] : [],
    );
  }

  /** By the answers that were given. */
  get isWell(): boolean {
    return this.#watches.every(({ question, ok }) => question !== 'lasting' || ok);
  }

  get isDead(): boolean {
    return this.#watches.some(({ question, ok }) => question === 'alive' && !ok);
  }

  /** What should have happened by now. */
  overdue(state: string, now: number): string[] {
    if (state === 'ready' || state === 'unready') {
      const late = this.#watches.filter(({ question, dueAt }) => !this.#asking.has(question) && now > dueAt + tiny);
      return [
        ...late.map(({ question }) => `the ${question} question is not asked in time`),
        ...(this.isWell === (state === 'ready') ? [] : [`it is ${state}, against its answers`]),
        ...(this.isDead ? ['it lives on, although it is lost'] : []),
      ];
    }
    if (state !== 'starting') return [...this.#asking].map((question) => `the ${question} question is left`);
    if (this.isReady) return ['it is not ready, although all has answered'];
    if (this.isForeign) return ['it waits for a port that is a stranger’s'];
    const question = this.#stages[0]?.what;
    if (!question || question === 'port' || this.#asking.has(question)) return [];
    return now > this.#dueAt(question, state) + tiny ? [`the ${question} question is not asked in time`] : [];
  }

  /** When a question is due; never, if it is not its turn. */
  #dueAt(question: Question, state: string): number {
    if (state === 'ready' || state === 'unready') {
      return this.#watches.find((one) => one.question === question)?.dueAt ?? Infinity;
    }
    const stage = this.#stages[0];
    if (state !== 'starting' || stage?.what !== question) return Infinity;
    if (this.#lastAnswerAt === undefined) return this.#stageSince + stage.afterMs;
    return this.#lastAnswerAt + this.#pauseMs;
  }

  get #pauseMs(): number {
    const longestMs = this.#spec.isExternal ? longestExternalPauseMs : longestPauseMs;
    const { startIntervalMs } = this.#spec.readiness?.timing ?? {};
    return startIntervalMs ?? Math.min(longestMs, firstPauseMs * growth ** (this.#failures - 1));
  }

  #pass(at: number): void {
    this.#stages.shift();
    this.#stageSince = at;
    this.#failures = 0;
  }

  #questionOf(probe: ProbeSpec): Question | undefined {
    const { readiness, liveness } = this.#spec;
    if (probe === readiness?.startProbe) return 'first';
    if (probe === readiness?.probe) return 'lasting';
    if (probe === liveness?.probe) return 'alive';
    const isPort = !readiness?.probe && probe.kind === 'tcp' && probe.address === readiness?.port;
    return isPort ? 'lasting' : undefined;
  }
}

function stagesOf({ type, isExternal, readiness }: ServiceSpec): Stage[] {
  if (!readiness || (type === 'oneshot' && !isExternal)) return [];
  const { port, startProbe, probe, settleMs = 0 } = readiness;
  return [
    ...(port && !isExternal ? [{ what: 'port' } as const] : []),
    ...(startProbe ? [{ what: 'first', afterMs: 0 } as const] : []),
    ...(probe ? [{ what: 'lasting', afterMs: 0 } as const] : []),
    ...(probe && settleMs > 0 ? [{ what: 'lasting', afterMs: settleMs } as const] : []),
  ];
}
