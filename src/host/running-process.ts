/**
 * A spawned child as core's `Process`. The leader's end is its `exit`, never `close`: a grandchild can hold stdout open
 * for hours. Nothing is signalled after its end, because the pid may be another's by then.
 */
import type { ChildProcess } from 'node:child_process';
import type { Exit, Process } from '../core/ports.ts';
import type { SignalName } from '../core/spec.ts';
import { killTree, sendSignal, untilGroupIsGone } from './groups.ts';

/** Killed processes vanish within milliseconds; one that hangs in the kernel, or has no reaper, is not waited for longer. */
const groupLimitMs = 100;

/** What a terminal, or the shell that owns it, suspends and resumes with. */
const jobControl: readonly SignalName[] = ['SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGCONT'];

/** What the launcher knows of the child besides the child. */
export interface Surroundings {
  /** The child leads a group of its own. */
  readonly hasGroup: boolean;
  /** It stands where a terminal may be: what suspends and resumes it is for its group, as keys on a terminal are. */
  readonly isForeground: boolean;
  /** Resolves when its output is handed on, at the latest after the limit. */
  drained(limitMs: number): Promise<void>;
  readonly drainLimitMs: number;
  /** Called at the leader's end, before anybody else hears of it. */
  ended(): void;
  /** Called when nothing of the group is left. */
  gone(): void;
}

/** Follows a child that was just spawned; called in the same turn, so that no exit is missed. */
export function followChild(child: ChildProcess, pid: number, around: Surroundings): Process {
  let exit: Exit | undefined;
  let cleaned: Promise<void> | undefined;
  const waiting = new Set<() => void>();

  child.once('exit', (code, signal) => {
    exit = signal === null ? { code: code ?? 1 } : { signal };
    around.ended();
    for (const wake of waiting) wake();
  });

  const killGroup = () => {
    if (cleaned) return; // the group's number may be another's
    if (process.platform !== 'linux' || !around.hasGroup) killWithoutGroup();
    // One that hangs before it leads its group has none yet.
    if (around.hasGroup && !sendSignal(-pid, 'SIGKILL') && !exit) sendSignal(pid, 'SIGKILL');
  };
  const killWithoutGroup = () => {
    if (!exit) void killTree(pid);
  };
  const finish = async (drainMs: number) => {
    const limitMs = Math.min(around.drainLimitMs, drainMs);
    await Promise.all([around.hasGroup && untilGroupIsGone(pid, groupLimitMs), around.drained(limitMs)]);
    around.gone();
  };

  return {
    pid,
    get exit() {
      return exit;
    },
    exited(signal) {
      if (exit || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener('abort', wake);
      });
    },
    signal(name) {
      if (exit) return;
      const isForGroup = around.hasGroup && around.isForeground && jobControl.includes(name);
      if (!isForGroup || !sendSignal(-pid, name)) sendSignal(pid, name);
    },
    killGroup,
    cleanUp(drainMs = Infinity) {
      killGroup();
      cleaned ??= finish(drainMs);
      return cleaned;
    },
  };
}
