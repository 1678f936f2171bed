/** What a fault is, and how one process is chosen and ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  goesOn,
  killedAtOnce,
  lost,
  mayEnd,
  mustEnd,
  stopped,
  tandemKilled,
  tandemKilledInNamespace,
  type Verdict,
} from './oracle.ts';
import type { ProcessSeen } from './processes.ts';
import type { Random } from './random.ts';
import { type Form, hasBeenUp, kill, type Run, type RunOptions, seenOf } from './run.ts';

/** What a fault may tell and change of its round. */
export interface Round {
  readonly run: Run;
  readonly random: Random;
  /** Into the history. */
  note(what: string): void;
  /** From now on the time to the end is counted. */
  ends(): void;
  /** Lines of services may be missing: nobody was there to read them. */
  losesOutput(): void;
  /** The last lines may be missing: they were in tandem's hand when it was killed. */
  cutsOutput(): void;
  /** The last record may be missing. */
  losesWords(): void;
}

export interface Fault {
  readonly name: string;
  readonly forms: readonly Form[];
  /** `from the start`: at once, and also if it has ended by then. */
  readonly when: 'from the start' | 'any time' | 'up';
  /** What runs. Default: the fixture's two fast services. */
  readonly runs?: 'matrix';
  readonly options?: (random: Random) => Partial<RunOptions>;
  readonly happens: (round: Round) => Promise<Verdict>;
  /** From its end to that of tandem. Default: Docker's 10 s. */
  readonly withinMs?: number;
  /** May happen beside another one. */
  readonly mixes?: true;
  /** Why it cannot be done on this machine. */
  readonly missing?: string | undefined;
}

export const local: readonly Form[] = ['plain', 'init', 'held'];
export const inNamespace: readonly Form[] = ['init', 'held'];

/** The one that a number in [0, 1) stands for: what is there to choose from is not the same each time. */
export function choose<T>(items: readonly T[], share: number): T | undefined {
  return items[Math.floor(share * items.length)];
}

export const targets: readonly ProcessSeen['role'][] = ['tandem', 'leader', 'worker', 'guard', 'probe'];

export function anyProcess(run: Run, share: number): ProcessSeen | undefined {
  return run.pid === 0
    ? undefined
    : choose(
        seenOf(run).filter(({ role }) => targets.includes(role)),
        share,
      );
}

export const leaderOf = (run: Run, service: string) =>
  seenOf(run).find((seen) => seen.role === 'leader' && seen.service === service)?.pid;

export const told = ({ role, service, pid }: ProcessSeen) => `${service ?? ''} ${role} ${pid}`.trim();

/** kill -9 of one process: what follows depends on who it was. */
export function killOne(round: Round, target: ProcessSeen | undefined): Verdict {
  const { run } = round;
  if (target === undefined) {
    round.note('nobody is there to be killed');
    return goesOn;
  }
  round.note(`kill -9 of ${told(target)}`);
  if (target.role === 'tandem' || target.role === 'leader') round.ends();
  kill(target.pid, 'SIGKILL');
  if (target.role === 'tandem') {
    round.cutsOutput();
    return mustEnd(...(run.form === 'init' || run.form === 'held' ? tandemKilledInNamespace : tandemKilled));
  }
  if (target.role === 'worker' && run.isMatrix && !hasBeenUp(run)) {
    // While it boots gunicorn may need it: the gateway's database is made by a child, whose end is then its own.
    return mayEnd(...['gateway', 'hub'].flatMap((service) => [1, 3, 137].map((code) => lost(service, code))));
  }
  if (target.role !== 'leader' || target.service === undefined) return goesOn;
  // One that is at its end anyway may be faster.
  if (target.service === 'migrations') return mayEnd(lost('migrations', 'SIGKILL'));
  return run.code === undefined ? mustEnd(lost(target.service, 'SIGKILL')) : goesOn;
}

export const killAny = async (round: Round) => killOne(round, anyProcess(round.run, round.random.next()));

export async function stopAndContinueAny(round: Round): Promise<Verdict> {
  const [share, pauseMs] = [round.random.next(), round.random.between(0, 1_200)];
  const target = anyProcess(round.run, share);
  if (target === undefined) return goesOn;
  round.note(`SIGSTOP of ${told(target)} for ${pauseMs} ms`);
  kill(target.pid, 'SIGSTOP');
  await sleep(pauseMs);
  kill(target.pid, 'SIGCONT');
  return goesOn;
}

/** What asking again and again may come to. In the first moments Node's own handlers end what is not PID 1. */
export const stormEndings = ({ run }: Round) => [
  stopped,
  killedAtOnce,
  { code: 0, reason: /^stopped by SIGINT$/ },
  { code: 130, reason: /^killed at once by a second SIGINT$/ },
  ...(run.form === 'plain' ? [{ code: 143, isUnsaid: true } as const, { code: 130, isUnsaid: true } as const] : []),
];

export async function storm(round: Round): Promise<Verdict> {
  const { run, random } = round;
  const signals = Array.from({ length: 200 }, () => random.oneOf(['SIGTERM', 'SIGTERM', 'SIGINT'] as const));
  const pauseMs = random.between(0, 5);
  round.note(`a storm of SIGTERM and SIGINT, one every ${pauseMs} ms`);
  round.ends();
  for (const signal of signals) {
    if (run.code !== undefined) break;
    run.signal(signal);
    await sleep(pauseMs);
  }
  // As PID 1 what came before the first handler is lost, and the storm may be over by then.
  return run.form === 'init' ? mayEnd(...stormEndings(round)) : mustEnd(...stormEndings(round));
}
