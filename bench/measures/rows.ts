/** From peers to rows: those that can are run, in turns; of the others it is said why they cannot. */
import type { Bench } from '../bench.ts';
import { type Case, type Figures, interleave } from '../interleave.ts';
import type { Way } from '../peers/peer.ts';
import type { Row } from './measure.ts';

/** A peer in one of its forms, or what it is compared with. */
export type Entry = Case | { readonly name: string; readonly cannot: string };

/** What `run` measures of a peer's way, under this name. */
export function entry<Input>(
  name: string,
  way: Way<Input>,
  run: (way: Exclude<Way<Input>, string>) => Promise<Figures>,
): Entry {
  return typeof way === 'string' ? { name, cannot: way } : { name, run: () => run(way) };
}

/** Runs them in turns. Those of tandem, by their name, are ours. */
export async function rowsOf(bench: Bench, entries: readonly Entry[], rounds = bench.rounds): Promise<Row[]> {
  const cases = entries.filter((one): one is Case => 'run' in one);
  const outcomes = await interleave(cases, rounds);
  return entries.map((one): Row => {
    const isOurs = one.name.startsWith('tandem');
    if ('cannot' in one) return { name: one.name, outcome: one, isOurs };
    return { name: one.name, outcome: outcomes.get(one.name) ?? { failure: 'was not run' }, isOurs };
  });
}
