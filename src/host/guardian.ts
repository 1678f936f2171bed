/**
 * The guardian: a small program beside tandem, where that is not PID 1, which kills the groups of all services when
 * tandem is killed (`src/native/guard.c`). What left its service's group is not reached.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** Knows which process groups must not outlive tandem. */
export interface Guardian {
  watch(group: number): void;
  /** To be called when nothing of the group is left: its number may be another's soon. */
  forget(group: number): void;
}

/** Before a guardian that has ended is replaced: it is to spin nowhere. */
const replaceMs = 250;

/**
 * Starts the guardian once there is something to guard, and not before that is on its way; and another one if that is killed,
 * or else a tandem that is killed after it would leave groups behind.
 */
export function makeGuardian(path: string): Guardian {
  const groups = new Set<number>();
  let guard: ChildProcess | undefined;

  const tell = (words: string) => guard?.stdin?.write(words);
  const start = () => {
    if (guard !== undefined || groups.size === 0) return;
    guard = trySpawn(path);
    if (guard === undefined) return;
    guard.on('error', () => {});
    guard.on('exit', replace);
    guard.stdin?.on('error', () => {});
    guard.unref();
    tell([...groups].map((group) => `+${group}\n`).join(''));
  };
  const replace = () => {
    guard = undefined;
    setTimeout(start, replaceMs).unref();
  };

  return {
    watch(group) {
      if (guard === undefined) setImmediate(start);
      groups.add(group);
      tell(`+${group}\n`);
    },
    forget(group) {
      groups.delete(group);
      tell(`-${group}\n`);
    },
  };
}

/** Without the guardian tandem runs on; leaders still die with tandem by themselves. Node throws some errors of a spawn. */
function trySpawn(path: string): ChildProcess | undefined {
  try {
    return spawn(path, [], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], env: {} });
  } catch {
    return undefined;
  }
}
