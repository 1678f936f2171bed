/** Counts what becomes of a process's children: who was seen, and for how long a zombie stayed one. */
import { childrenOf, isZombie } from '../fixtures/e2e-cmd-run.ts';

const sampleEveryMs = 20;

export interface Census {
  /** The pids of all children that were ever seen. */
  readonly adopted: ReadonlySet<number>;
  readonly oldestZombieMs: number;
  stop(): void;
}

/** Looks at the children of a process again and again. */
export function takeCensus(parent: number): Census {
  const adopted = new Set<number>();
  const zombieSince = new Map<number, number>();
  let oldestZombieMs = 0;
  const timer = setInterval(() => {
    const children = childrenOf(parent);
    for (const pid of children) adopted.add(pid);
    const zombies = new Set(children.filter(isZombie));
    for (const pid of zombieSince.keys()) if (!zombies.has(pid)) zombieSince.delete(pid);
    for (const pid of zombies) {
      const since = zombieSince.get(pid) ?? performance.now();
      zombieSince.set(pid, since);
      oldestZombieMs = Math.max(oldestZombieMs, performance.now() - since);
    }
  }, sampleEveryMs);
  return {
    adopted,
    get oldestZombieMs() {
      return oldestZombieMs;
    },
    stop: () => clearInterval(timer),
  };
}
