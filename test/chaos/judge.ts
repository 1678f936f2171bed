/** Follows one run, and holds what was promised against what was seen. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processesOf } from '../fixtures/e2e-run-pair.ts';
import { until } from '../support/until.ts';
import { wrongLines } from './lines.ts';
import { both, differs, goesOn, mustEnd, stopped, type Verdict } from './oracle.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';
import { lastingZombies, type Run, recordsOf, rssOf, untilHealthy, untilUp } from './run.ts';

/** Docker's, between SIGTERM and SIGKILL. */
const dockersMs = 10_000;
/** As in test/e2e/output.test.ts. */
const mostRssMib = 150;
/** Whoever has not ended by then never will. */
const patienceMs = 60_000;

/** What was done when. */
export class History {
  readonly lines: string[] = [];
  readonly #since = performance.now();

  note(what: string): void {
    this.lines.push(`+${Math.round(performance.now() - this.#since)} ms ${what}`);
  }
}

/** Follows one run and holds what was promised against what was seen. */
export class Judge {
  mib = 0;
  readonly #run: Run;
  readonly #plan: Plan;
  readonly #history: History;
  readonly #watch: NodeJS.Timeout;
  #verdict: Verdict = goesOn;
  #endsAt: number | undefined;
  #losesOutput = false;
  #cutsOutput = false;
  #isDeaf = false;

  constructor(run: Run, plan: Plan, history: History) {
    this.#run = run;
    this.#plan = plan;
    this.#history = history;
    this.#watch = setInterval(() => {
      this.mib = Math.max(this.mib, rssOf(run));
    }, 100);
  }

  stopWatching(): void {
    clearInterval(this.#watch);
  }

  get tookMs(): number {
    const { endedAt } = this.#run;
    return this.#endsAt === undefined || endedAt === undefined ? 0 : Math.max(0, endedAt - this.#endsAt);
  }

  /** The faults happen, side by side if there are several. */
  async disturb(): Promise<void> {
    const { faults, delaysMs, randoms } = this.#plan;
    const verdicts = await Promise.all(
      faults.map(async (fault, i) => {
        const random = randoms[i] as Random;
        if (fault.when === 'up') await untilUp(this.#run);
        await sleep(delaysMs[i] ?? 0);
        if (this.#run.code !== undefined && fault.when !== 'from the start') return goesOn;
        return fault.happens({
          run: this.#run,
          random,
          note: (what) => this.#history.note(what),
          ends: () => {
            if (this.#run.code === undefined) this.#endsAt = performance.now();
          },
          losesOutput: () => {
            this.#losesOutput = true;
          },
          cutsOutput: () => {
            this.#cutsOutput = this.#run.mode !== 'raw';
          },
          losesWords: () => {
            this.#isDeaf = true;
          },
        });
      }),
    );
    this.#verdict = verdicts.reduce(both);
  }

  /** What is wrong. */
  async judge(): Promise<string[]> {
    const run = this.#run;
    if (!this.#verdict.must) await this.#goOnAndStop();
    await until('it has ended', () => run.code !== undefined, { withinMs: patienceMs });
    this.#history.note(`ended with ${run.code} after ${Math.round(this.tookMs)} ms`);
    run.stdout.resume();
    run.stderr.resume();
    const problems = await this.#survivors();
    await Promise.race([Promise.all([run.stdout.ended, run.stderr.ended]), sleep(5_000, undefined, { ref: false })]);
    const withinMs = Math.min(dockersMs, ...this.#plan.faults.map((fault) => fault.withinMs ?? dockersMs));
    if (this.tookMs > withinMs) problems.push(`it took ${Math.round(this.tookMs)} ms to end; allowed: ${withinMs} ms`);
    if (this.mib > mostRssMib) problems.push(`PID 1 had ${Math.round(this.mib)} MiB; allowed: ${mostRssMib}`);
    return [...problems, ...this.#wrongEnd(), ...this.#wrongOutput()];
  }

  /** It is up, healthy and without zombies; then it is asked to stop. */
  async #goOnAndStop(): Promise<void> {
    const run = this.#run;
    // A verdict without a must may be one that ends it all the same, a little later.
    await untilUp(run).catch((error: Error) => this.#unlessEnding(error));
    if (run.ports.health > 0 && run.code === undefined)
      await untilHealthy(run).catch((error: Error) => this.#unlessEnding(error));
    const zombies = await lastingZombies(run);
    if (zombies.length > 0) throw new Error(`zombies: ${zombies.join(', ')}`);
    if (run.code !== undefined) return;
    this.#endsAt = performance.now();
    this.#verdict = both(this.#verdict, mustEnd(stopped));
    run.signal('SIGTERM');
  }

  #unlessEnding(error: Error): void {
    if (this.#run.code === undefined) throw error;
  }

  async #survivors(): Promise<string[]> {
    const { directory } = this.#run;
    return until('nobody is left', () => processesOf(directory).length === 0, { withinMs: 5_000 }).then(
      () => [],
      () => [
        `left behind: ${processesOf(directory)
          .map((pid) => commandOf(pid))
          .join('; ')}`,
      ],
    );
  }

  #wrongEnd(): string[] {
    const run = this.#run;
    const records = recordsOf(run);
    const last = records.at(-1);
    const isLast = last?.msg === 'tandem ends';
    const end = {
      code: run.code ?? -1,
      reason: isLast ? last.reason : undefined,
      hasRecords: records.length > 0,
      isDeaf: this.#isDeaf,
    };
    const wrongs = [differs(end, this.#verdict.may)];
    if (isLast && last.code !== run.code) wrongs.push(`the last record says code ${last.code}, it was ${run.code}`);
    const lastLine = run.stderr.text.trimEnd().split('\n').at(-1) ?? '';
    if (isLast && !this.#isDeaf && !lastLine.includes('"tandem ends"')) wrongs.push(`not the last line: ${lastLine}`);
    return wrongs.filter((wrong) => wrong !== undefined);
  }

  #wrongOutput(): string[] {
    const { directory, mode, stdout, isMatrix } = this.#run;
    const wrongs = join(directory, 'wrongs');
    const noted = existsSync(wrongs) ? readFileSync(wrongs, 'utf8').trimEnd().split('\n').slice(0, 3) : [];
    if (isMatrix) return noted;
    return [
      ...noted,
      ...wrongLines(stdout.text, directory, { mode, mayLoseLast: this.#losesOutput, mayCutLast: this.#cutsOutput }),
    ];
  }
}

function commandOf(pid: number): string {
  try {
    return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()}`;
  } catch {
    return `${pid}`;
  }
}
