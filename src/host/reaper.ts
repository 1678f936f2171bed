/**
 * The reaper: collects the orphans that the kernel gives to tandem, as PID 1 or as subreaper, and nothing else.
 *
 * A `waitpid(-1)` would be shorter and would steal exit codes from libuv. So it peeks at the next ended child, collects
 * it by pid if it is a stranger, and leaves it to libuv if it is one of Node's own. It reaps; it never signals.
 */
import { watchChildren } from './children.ts';
import type { Addon } from './native.ts';

/** How often it looks without having been told to: SIGCHLD can be lost only in ways that nobody has seen yet, and each look wakes an idle machine. */
const netIntervalMs = 10_000;

/** The most that one turn of the event loop collects, so that a storm of orphans delays nobody. */
const reapsPerTurn = 256;

/** The most turns after one SIGCHLD: libuv collects its own within one, so this only keeps a bug from spinning. */
const turnsPerSignal = 64;

/** A running reaper. */
export interface Reaper {
  stop(): void;
}

/** Starts reaping. To be called before anything is spawned; orphans of other processes come to tandem from then on. */
export function startReaper(addon: Addon): Reaper {
  if (process.pid !== 1) addon.becomeSubreaper();
  const children = watchChildren();
  let next: NodeJS.Immediate | undefined;
  let turnsLeft = 0;

  const takeTurn = () => {
    next = undefined;
    if (collectOrphans(addon, children.has) === 'all' || --turnsLeft <= 0) return;
    next = setImmediate(takeTurn).unref();
  };
  const begin = () => {
    turnsLeft = turnsPerSignal;
    if (next === undefined) takeTurn();
  };

  process.on('SIGCHLD', begin);
  const net = setInterval(begin, netIntervalMs).unref();
  begin();
  return {
    stop() {
      process.off('SIGCHLD', begin);
      clearInterval(net);
      clearImmediate(next);
      children.stop();
    },
  };
}

/** Returns `all` if no ended child is left, `some` if a look in the next turn is worth it. */
function collectOrphans(addon: Addon, isOwn: (pid: number) => boolean): 'all' | 'some' {
  for (let reaps = 0; reaps < reapsPerTurn; reaps++) {
    const pid = addon.peekZombie();
    if (pid <= 0) return 'all';
    // The kernel shows the first one only: those behind it wait until libuv, in this very turn, has collected its own.
    if (isOwn(pid)) return 'some';
    addon.reap(pid);
  }
  return 'some';
}
