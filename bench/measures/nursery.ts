/** A supervisor as PID 1 of a pid namespace with one child, which makes orphans when it is told to (`orphans.c`). */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, now, type Started } from '../bench.ts';
import type { Figures } from '../interleave.ts';
import type { Child, Launch } from '../peers/peer.ts';
import { cpuMsOf, programOf, read, threadsOf, treeOf } from '../processes.ts';

/** What runs a command as PID 1; killed, it takes the namespace with it. Needs root. */
export const asPid1 = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] as const;

export const orphansPerSecond = 167;
/** A third of a second of them. */
export const orphansPerSlice = 50;

const patienceMs = 10_000;
const lookMs = 20;

export class Nursery {
  readonly #started: Started;
  readonly #directory: string;
  readonly #program: string;
  /** From an orphan's exit until it was reaped, in ms, of all slices but the first. */
  readonly latencies: number[] = [];
  #slices = 0;

  private constructor(started: Started, directory: string, program: string) {
    this.#started = started;
    this.#directory = directory;
    this.#program = program;
  }

  /** Resolves when the child waits for its orders. */
  static async open(bench: Bench, way: (children: readonly Child[], directory: string) => Launch): Promise<Nursery> {
    const directory = bench.directory();
    const program = bench.compile('orphans');
    const words = [program, directory, String(orphansPerSecond), String(orphansPerSlice)];
    const launch = way([{ name: 'orphans', words, environment: {} }], directory);
    const started = bench.start({ ...launch, words: [...asPid1, ...launch.words] }, directory);
    const nursery = new Nursery(started, directory, program);
    await nursery.#until('the child did not start', () => existsSync(join(directory, 'go')));
    return nursery;
  }

  /** One slice: how many were left, and what the supervisor took meanwhile, in % of a core. */
  async slice(): Promise<Figures> {
    const [, ...inside] = treeOf(this.#started.pid);
    const own = inside.filter((pid) => programOf(pid) !== this.#program);
    const [since, before] = [now(), spentBy(own)];
    writeFileSync(join(this.#directory, 'go'), 'x');
    let lines: string[] = [];
    await this.#until('the orphans did not end', () => {
      lines = read(join(this.#directory, 'slices')).split('\n');
      return lines.length > this.#slices + 1;
    });
    const cpu = (spentMs(before, spentBy(own)) / (now() - since)) * 100;
    const [zombies = Number.NaN, ...nanoseconds] = (lines[this.#slices] ?? '').split(' ').map(Number);
    // The first is not counted.
    if (this.#slices++ > 0) this.latencies.push(...nanoseconds.map((one) => one / 1e6));
    return { zombies, cpu };
  }

  /** Ends everything in the namespace. */
  async close(): Promise<void> {
    this.#started.process.kill('SIGKILL');
    await this.#started.ended;
  }

  async #until(failure: string, claim: () => boolean): Promise<void> {
    for (const deadline = now() + patienceMs; !claim(); await sleep(lookMs)) {
      if (now() > deadline) throw new Error(`${failure} within ${patienceMs / 1000} s`);
    }
  }
}

/** Time on a processor of all threads of these processes; nothing for those that are gone. */
function spentBy(pids: readonly number[]): Map<number, number> {
  return new Map(
    pids.map((pid) => {
      return [pid, threadsOf(pid).reduce((sum, thread) => sum + cpuMsOf(thread), 0)];
    }),
  );
}

/** What those took that were there before and after. */
function spentMs(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number {
  return [...before].reduce((sum, [pid, ms]) => sum + Math.max(0, (after.get(pid) ?? 0) - ms), 0);
}
