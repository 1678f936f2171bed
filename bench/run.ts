/**
 * `npm run bench:peers [-- [NAME…] [--rounds N] [--peers a,b] [--cache DIRECTORY]]`: measures tandem beside its peers, in one run
 * on one machine. Without names: everything.
 *
 * For each measure it prints a table (goal, figures, every peer, met or not; who cannot do it, and why) and leaves
 * bench/results/NAME.json and .svg. --rounds: how often each peer is measured, in turns with the others (default 10).
 * --cache: where peers are installed (default: tandem-bench in XDG_CACHE_HOME or ~/.cache). Installing from Debian's packages needs root.
 */
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Bench } from './bench.ts';
import { measures } from './measures/index.ts';
import { peers } from './peers/index.ts';
import { report } from './report.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '10' },
    peers: { type: 'string' },
    cache: {
      type: 'string',
      default: join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tandem-bench'),
    },
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

async function main(): Promise<void> {
  const wanted = chosen('the measure', measures, positionals);
  const rivals = chosen('the peer', peers, values.peers?.split(',') ?? []);
  mkdirSync(values.cache, { recursive: true });
  const bench = await Bench.prepare({ peers: rivals, cache: values.cache, rounds: Number(values.rounds) });
  try {
    for (const measure of wanted) report(measure, await measure.run(bench), bench);
  } finally {
    bench.close();
  }
}

main().catch(({ message }: Error) => {
  console.error(`bench: ${message}`);
  process.exitCode = 1;
});
