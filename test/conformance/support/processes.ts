/** Processes of a conformance test: marked, so that all are found wherever they go, and held at a gate until it opens. */
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { makeDirectory, processesOf } from '../../fixtures/e2e-run-pair.ts';

/** What a run needs in its environment for its processes to be found. What is left is killed at the end of the test. */
export function makeMarked(t: Test): { env: Record<string, string>; survivors(): number[] } {
  const directory = makeDirectory(t);
  const survivors = () => processesOf(directory);
  t.teardown(() => {
    for (const pid of survivors()) process.kill(pid, 'SIGKILL');
  });
  return { env: { E2E_DIR: directory }, survivors };
}

/** A directory in which the user of a container may write, too. */
export function makeShared(t: Test): string {
  const directory = makeDirectory(t);
  chmodSync(directory, 0o777);
  return directory;
}

/** Such a directory with a named pipe: `read line < gate` waits there until the gate opens. */
export function makeGate(t: Test): { directory: string; openUntil(done: Promise<void>): Promise<void> } {
  const directory = makeShared(t);
  const gate = join(directory, 'gate');
  execFileSync('mkfifo', ['--mode=666', gate]);
  return {
    directory,
    async openUntil(done) {
      // Again and again, for those who come late.
      const timer = setInterval(() => pass(gate), 10);
      await done.finally(() => clearInterval(timer));
    },
  };
}

function pass(gate: string): void {
  try {
    closeSync(openSync(gate, constants.O_WRONLY | constants.O_NONBLOCK));
  } catch {
    // nobody waits there right now
  }
}

/** R, S, T (stopped), Z (zombie) and the like, as the kernel says it; empty for a process that is gone. */
export function stateOf(pid: number): string {
  const stat = readProc(pid, 'stat');
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
}

/** The name of a process' program, at most 15 characters. */
export function programOf(pid: number): string {
  return readProc(pid, 'comm').trim();
}

/** The working directory of a process. */
export function cwdOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/cwd`);
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
