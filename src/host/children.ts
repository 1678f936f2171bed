/**
 * The children that Node itself spawned, by whatever library: their exit codes are libuv's to collect. Node announces
 * each on a diagnostics channel, before the spawn; so the pid is read when somebody asks, never when it is announced.
 *
 * Children of worker threads are announced in their own thread and are not known here: tandem spawns in none.
 */
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** The registry of the own children. */
export interface Children {
  /** True while Node has yet to collect the exit code of this pid. */
  has(pid: number): boolean;
  /** How many are kept. */
  readonly size: number;
  stop(): void;
}

const channel = 'child_process';

/** Starts the registry. What was spawned before is not in it, so this comes before the first spawn. */
export function watchChildren(): Children {
  const children = new Set<ChildProcess>();
  const add = (message: unknown) => {
    // A listener on the child would be simpler, and would turn its unhandled errors into handled ones.
    forgetEnded(children);
    children.add((message as { process: ChildProcess }).process);
  };
  subscribe(channel, add);
  return {
    has(pid) {
      for (const child of children) if (child.pid === pid && !hasEnded(child)) return true;
      return false;
    },
    get size() {
      return children.size;
    },
    stop: () => unsubscribe(channel, add),
  };
}

function forgetEnded(children: Set<ChildProcess>): void {
  // A child that was announced and has no pid by now could not be spawned.
  for (const child of children) if (child.pid === undefined || hasEnded(child)) children.delete(child);
}

/** True once libuv has collected it: from then on the pid may be another's. */
function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
