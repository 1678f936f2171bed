/** A run on this machine: as a process, or as PID 1 of a namespace. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, rmSync, symlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { processesOf } from '../fixtures/e2e-run-pair.ts';
import { makePipe } from '../support/pipe.ts';
import { inEnvironment, node, program } from '../support/run-tandem.ts';
import type { Mode } from './lines.ts';
import { childrenOf, wordsOf } from './processes.ts';
import { type Form, kill, type Reader, type Run, type RunOptions } from './run.ts';
import { makeScene, type Scene, services } from './scene.ts';

const unshare = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];

export async function startLocal(options: RunOptions): Promise<Run> {
  const scene = await makeScene(options);
  const { directory, args, env } = scene;
  const [[outEnd, outChildEnd], [errEnd, errChildEnd]] = [makePipe(), makePipe()];
  const words = [
    ...(options.wrapper?.(directory) ?? []),
    ...(options.form === 'plain' ? [] : unshare),
    ...(options.form === 'held' ? [entryPoint(directory)] : [node, program]),
    ...args,
  ];
  const [file, ...rest] = inEnvironment(env, words);
  // In a session of its own, so that it has no terminal, wherever the test is run.
  const child = spawn(file, rest, { cwd: directory, stdio: ['ignore', outChildEnd, errChildEnd], detached: true });
  closeSync(outChildEnd);
  closeSync(errChildEnd);
  return new LocalRun(options, scene, child, [new PipeReader(outEnd), new PipeReader(errEnd)]);
}

class LocalRun implements Run {
  readonly form: Form;
  readonly mode: Mode;
  readonly isMatrix: boolean;
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: Run['ports'];
  readonly services = services;
  readonly stdout: Reader;
  readonly stderr: Reader;
  readonly ended: Promise<number>;
  code: number | undefined;
  endedAt: number | undefined;
  readonly #child: ChildProcess;
  #pid = 0;

  constructor(
    { form, mode, stack }: RunOptions,
    scene: Scene,
    child: ChildProcess,
    [stdout, stderr]: [Reader, Reader],
  ) {
    this.form = form;
    this.mode = mode;
    this.isMatrix = stack !== undefined;
    this.directory = scene.directory;
    this.env = scene.env;
    this.ports = scene.ports;
    this.stdout = stdout;
    this.stderr = stderr;
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        this.endedAt = performance.now();
        this.code = code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
        resolve(this.code);
      });
    });
  }

  get pid(): number {
    const { pid = 0 } = this.#child;
    this.#pid ||= this.form === 'plain' ? pid : initOf(pid);
    return this.#pid;
  }

  signal(name: NodeJS.Signals): void {
    if (this.code === undefined) kill(this.pid, name);
  }

  async clear(): Promise<void> {
    if (this.code === undefined) this.#child.kill('SIGKILL');
    for (const pid of processesOf(this.directory)) kill(pid, 'SIGKILL');
    await this.ended;
    this.stdout.close();
    this.stderr.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** unshare's child is PID 1. Before, there is no child, or one of a shell that is about to become unshare. */
function initOf(unsharePid: number): number {
  const words = wordsOf(unsharePid);
  return words[0] === 'unshare' && words.includes('--pid') ? (childrenOf(unsharePid)[0] ?? 0) : 0;
}

function entryPoint(directory: string): string {
  const link = join(directory, 'tandem');
  symlinkSync(join(program, '../native/launch'), link);
  return link;
}

class PipeReader implements Reader {
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];

  constructor(readEnd: number) {
    this.#socket = new Socket({ fd: readEnd, readable: true, writable: false });
    this.#socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk)).on('error', () => {});
    this.ended = new Promise((resolve) => this.#socket.on('close', () => resolve()));
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }
}
