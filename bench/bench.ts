/**
 * One run of the bench: the peers that could be installed, the compiled child, and fresh directories. It starts what is
 * measured and knows when the children did what; what is made of that is the measures' affair.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { arch, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debian } from './peers/install.ts';
import type { Child, Launch, Peer } from './peers/peer.ts';

/** Milliseconds of the clock that the children use, too. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const patienceMs = 30_000;
/** Some lose a TERM that comes before they have taken note of their own children (honcho 2.0.0 then never ends). */
const settleMs = 500;

export interface Machine {
  readonly processors: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly architecture: string;
  readonly node: string;
}

export const machine: Machine = {
  processors: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  architecture: arch(),
  node: process.version,
};

export interface Options {
  readonly peers: readonly Peer[];
  readonly cache: string;
  readonly rounds: number;
}

export class Bench {
  readonly peers: readonly Peer[];
  /** By peer. */
  readonly versions: ReadonlyMap<string, string>;
  /** Peers that this machine could not get, and why. */
  readonly absent: ReadonlyMap<string, string>;
  readonly rounds: number;
  /** Holds the programs that are compiled for this run. */
  readonly work: string;
  readonly #running = new Set<Started>();

  private constructor(options: Options, work: string, versions: Map<string, string>, absent: Map<string, string>) {
    this.peers = options.peers.filter(({ name }) => !absent.has(name));
    this.rounds = options.rounds;
    this.work = work;
    this.versions = versions;
    this.absent = absent;
  }

  static async prepare(options: Options): Promise<Bench> {
    const work = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
    const [versions, absent] = [new Map<string, string>(), new Map<string, string>()];
    mkdirSync(options.cache, { recursive: true });
    const installed = options.peers.map(({ name, install }) =>
      install(options.cache).then(
        (version) => versions.set(name, version),
        (error: Error) => absent.set(name, `could not be installed: ${error.message}`),
      ),
    );
    // For the children; a machine without a package manager may have another compiler.
    await Promise.all([...installed, ...['gcc', 'libc6-dev'].map((name) => debian(name).catch(() => {}))]);
    const bench = new Bench(options, work, versions, absent);
    bench.compile('child');
    return bench;
  }

  /** Compiles a C program of this directory. @returns the program */
  compile(name: string): string {
    const program = join(this.work, name);
    if (!existsSync(program)) execFileSync('cc', ['-O2', '-o', program, join(import.meta.dirname, `${name}.c`)]);
    return program;
  }

  directory(): string {
    return mkdtempSync(join(this.work, 'run-'));
  }

  /** A service that only listens and notes what happens to it. `delayMs`: from its exec to its listen(). */
  child(name: string, events: string, more: { port?: number; delayMs?: number; after?: string } = {}): Child {
    const { port, delayMs, after } = more;
    const words = [join(this.work, 'child'), name];
    if (port !== undefined) words.push(String(port));
    if (delayMs !== undefined) words.push(String(delayMs));
    return { name, words, environment: { BENCH_EVENTS: events }, ...(port && { port }), ...(after && { after }) };
  }

  /** Starts it with an environment that holds PATH and what the launch says. Output goes to `stdout`, a descriptor, or nowhere. */
  start(launch: Launch, directory: string, stdout: number | 'ignore' = 'ignore'): Started {
    const started = new Started(launch, directory, stdout);
    this.#running.add(started);
    void started.ended.then(() => this.#running.delete(started));
    return started;
  }

  close(): void {
    for (const { process } of this.#running) process.kill('SIGKILL');
    // Children whose supervisor was killed: their program is in the directory of this run.
    spawnSync('pkill', ['-KILL', '-f', this.work]);
    rmSync(this.work, { recursive: true, force: true });
  }
}

/** Something that was started, and the journal of its children. */
export class Started {
  readonly process: ChildProcess;
  readonly startedAt: number;
  /** When it was gone. */
  readonly ended: Promise<number>;
  readonly #events: string;
  readonly #stopSignal: NodeJS.Signals;

  constructor({ words, environment, stopSignal = 'SIGTERM' }: Launch, directory: string, stdout: number | 'ignore') {
    const [file = '', ...rest] = words;
    this.#events = eventsIn(directory);
    this.#stopSignal = stopSignal;
    if (!existsSync(this.#events)) writeFileSync(this.#events, '');
    const env = { PATH: process.env['PATH'], HOME: directory, ...environment };
    this.startedAt = now();
    this.process = spawn(file, rest, { stdio: ['ignore', stdout, 'ignore'], env, cwd: directory });
    this.ended = new Promise((resolve, reject) => {
      this.process.on('exit', () => resolve(now()));
      this.process.on('error', reject);
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** The first event of this kind: when it was, and the child's pid. */
  async event(child: string, kind: 'exec' | 'listen' | 'term'): Promise<{ readonly at: number; readonly pid: number }> {
    const start = `${child} ${kind} `;
    for (const deadline = now() + patienceMs; now() < deadline; await sleep(1)) {
      const line = readFileSync(this.#events, 'latin1')
        .split('\n')
        .find((one) => one.startsWith(start));
      const [, , nanoseconds, pid] = line?.split(' ') ?? [];
      if (nanoseconds !== undefined) return { at: Number(nanoseconds) / 1e6, pid: Number(pid) };
    }
    throw new Error(`"${child}" did not ${kind} within ${patienceMs / 1000} s`);
  }

  /** Asks it to stop, after a moment of rest, and waits until it is gone. @returns how long that took, in ms */
  async stop(restMs = settleMs): Promise<number> {
    await sleep(restMs);
    const askedAt = now();
    this.process.kill(this.#stopSignal);
    const killer = setTimeout(() => this.process.kill('SIGKILL'), patienceMs);
    const tookMs = (await this.ended) - askedAt;
    clearTimeout(killer);
    if (tookMs >= patienceMs) throw new Error(`did not stop within ${patienceMs / 1000} s`);
    return tookMs;
  }
}

/** The journal of the children that run in this directory. */
export const eventsIn = (directory: string): string => join(directory, 'events');

/** A port that nobody held a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
