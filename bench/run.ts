/**
 * `npm run bench [-- [NAME…] [--rounds N] [--peers a,b] [--cache DIRECTORY]]`: measures tandem beside its peers, in one run
 * on one machine. Without names: everything, in less than 25 minutes.
 *
 * For each measure it prints a table (goal, figures, every peer, met or not; who cannot do it, and why); the goals of all
 * of them come last. bench/results/NAME.json and .svg are written where every peer was asked ten times or more: they are
 * what docs/performance.md quotes (`npm run figures`) and what `npm run bench:guard` holds tandem to.
 *
 * --rounds: how often each peer is measured, in turns with the others (default 10). --cache: where peers are installed
 * (default: tandem-bench in XDG_CACHE_HOME or ~/.cache). Installing from Debian's packages needs root.
 */
import { parseArgs } from 'node:util';
import { Bench, now } from './bench.ts';
import { measures } from './measures/index.ts';
import { peers } from './peers/index.ts';
import { usualCache } from './peers/install.ts';
import { keep, resultOf } from './result.ts';
import { tableOf, tellGoals } from './table.ts';

const leastRounds = 10;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: String(leastRounds) },
    peers: { type: 'string' },
    cache: { type: 'string', default: usualCache },
  },
});

/** @throws Error naming what is not known, and what is */
function chosen<T extends { readonly name: string }>(
  what: string,
  all: readonly T[],
  names: readonly string[],
): readonly T[] {
  const known = all.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`cannot find ${what} ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

/** @throws Error saying what is accepted */
function roundsOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`cannot measure --rounds=${text}: a number from 1 to 9999 is`);
  return Number(text);
}

async function main(): Promise<void> {
  const wanted = chosen('the measure', measures, positionals);
  const rivals = chosen('the peer', peers, values.peers?.split(',') ?? []);
  const bench = await Bench.prepare({ peers: rivals, cache: values.cache, rounds: roundsOf(values.rounds) });
  const isWhole = rivals.length === peers.length && bench.rounds >= leastRounds;
  const verdicts = [];
  try {
    for (const measure of wanted) {
      const startedAt = now();
      const result = await resultOf(measure, bench);
      process.stdout.write(tableOf(result));
      console.error(`(${measure.name}: ${Math.round((now() - startedAt) / 1000)} s)`);
      if (isWhole) keep(result);
      verdicts.push(...result.verdicts.map((verdict) => ({ ...verdict, id: result.id })));
    }
  } finally {
    bench.close();
  }
  process.stdout.write(tellGoals(verdicts));
  if (!isWhole) console.error(`bench/results stays as it is: not all peers, or fewer than ${leastRounds} rounds`);
}

main().catch(({ message }: Error) => {
  console.error(`bench: ${message}`);
  process.exitCode = 1;
});
