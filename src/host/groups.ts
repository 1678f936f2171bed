/**
 * Signals to processes, to their groups, and as the last resort to all that is left. A process that is gone or that we
 * may not signal is an ordinary answer here, never an error.
 */
import type { SignalName } from '../core/spec.ts';
import { systemClock } from './clock.ts';
import { findCommand } from './command-lookup.ts';

/** How often a wait looks whether the killed are gone; a kill takes the kernel about a millisecond. */
const lookIntervalMs = 2;

/** Signals a process; a negative pid is a group. False: there is none, or it is not ours to signal. */
export function sendSignal(pid: number, signal: SignalName | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH' || code === 'EPERM') return false;
    throw error;
  }
}

/** Resolves once the group has no members, zombies included, or after `limitMs`. */
export async function untilGroupIsGone(group: number, limitMs: number): Promise<void> {
  await untilGone(-group, limitMs);
}

/**
 * As PID 1: kills every other process of the container and resolves with true once all are gone, false after
 * `limitMs`. It reaches those that left their service's session. At once and without a TERM: their leaders have had
 * their grace. The reaper must still run. Not as PID 1: does nothing, for -1 would then be the user's whole machine.
 */
export async function sweepAll(limitMs = 1_000): Promise<boolean> {
  if (process.pid !== 1) return true;
  sendSignal(-1, 'SIGKILL');
  return untilGone(-1, limitMs);
}

/**
 * Kills a process and its descendants, found from parent to child: for systems where a group is not enough. Whoever has
 * lost its parent is not found.
 */
export async function killTree(pid: number): Promise<void> {
  const tool = process.platform === 'darwin' ? 'pgrep' : 'ps';
  // tree-kill crashes the whole process where its tool is missing.
  const { PATH: path } = process.env;
  if (typeof findCommand(tool, { cwd: '/', path }) !== 'string') {
    sendSignal(pid, 'SIGKILL');
    return;
  }
  const { default: treeKill } = await import('tree-kill');
  await new Promise<void>((resolve) => treeKill(pid, 'SIGKILL', () => resolve()));
}

async function untilGone(target: number, limitMs: number): Promise<boolean> {
  const deadline = systemClock.now() + limitMs;
  while (sendSignal(target, 0)) {
    if (systemClock.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, lookIntervalMs));
  }
  return true;
}
