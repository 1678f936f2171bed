/**
 * P1, P2 and P6 are of one and the same life of each supervisor with two services: its start, what it takes when it has
 * settled, and its end. So each is lived once, whichever of the three is asked for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import type { Figures, Outcome } from '../interleave.ts';
import { usageOf } from '../processes.ts';
import type { Row } from './measure.ts';
import { startPair } from './pair.ts';
import { entry, rowsOf } from './rows.ts';

/** Long enough for whatever a supervisor puts off until its services run; tandem gives memory back after one second. */
export const settleMs = 1_200;

const known = new WeakMap<Bench, Promise<readonly Row[]>>();

/** A row for each peer; every life has the figures `start`, `rss`, `pss`, `processes`, `end` and `stop`. */
export function livesOf(bench: Bench): Promise<readonly Row[]> {
  const lives = known.get(bench) ?? live(bench);
  known.set(bench, lives);
  return lives;
}

/** The same rows with these figures of theirs, under other names. */
export function only(rows: readonly Row[], figures: readonly string[], nameOf = (name: string) => name): Row[] {
  return rows.map(({ name, outcome, ...rest }) => ({ ...rest, name: nameOf(name), outcome: chosen(outcome, figures) }));
}

function chosen(outcome: Row['outcome'], figures: readonly string[]): Outcome | { readonly cannot: string } {
  if (!('values' in outcome)) return outcome;
  return { values: Object.fromEntries(Object.entries(outcome.values).filter(([figure]) => figures.includes(figure))) };
}

function live(bench: Bench): Promise<readonly Row[]> {
  return rowsOf(
    bench,
    bench.peers.map(({ name, together }) =>
      entry(name, together, async (way): Promise<Figures> => {
        const { started } = await startPair(bench, way);
        const firsts = await Promise.all(['gateway', 'hub'].map((child) => started.event(child, 'exec')));
        await sleep(settleMs);
        const { rssMb, pssMb, processes } = usageOf(started.pid, bench.compile('child'));
        const stop = await started.stop(0);
        const lasts = await Promise.all(['gateway', 'hub'].map((child) => started.event(child, 'term')));
        return {
          start: Math.min(...firsts.map(({ at }) => at)) - started.startedAt,
          ...{ rss: rssMb, pss: pssMb, processes },
          ...{ end: (await started.ended) - Math.max(...lasts.map(({ at }) => at)), stop },
        };
      }),
    ),
  );
}
