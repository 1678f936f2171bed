/**
 * `npm run bench:guard`: fails when a goal that was met, by the results kept in bench/results, is missed by 25 % or more.
 *
 * It asks tandem and what it is compared with, in a few rounds, and looks at ratios: of a goal that is a ratio, at that;
 * of one in milliseconds, at what the machine of the kept results would have needed, which is told by how long a Node that
 * does nothing lives here and lived there. Whoever misses is asked twice again, for a busy machine is no regression.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bench } from './bench.ts';
import { guardedIn, lostOf } from './lost.ts';
import { measures } from './measures/index.ts';
import type { Measure } from './measures/measure.ts';
import { peers } from './peers/index.ts';
import { usualCache } from './peers/install.ts';
import { type Result, resultOf, resultsDirectory } from './result.ts';

const tries = 3;
const rounds = 5;
/** They need minutes or a container engine, and other tests see to what they are about. */
const unguarded = new Set(['idle', 'docker', 'install', 'many', 'orphans', 'fleet']);

function keptResults(): Map<string, Result> {
  const names = existsSync(resultsDirectory)
    ? readdirSync(resultsDirectory).filter((one) => one.endsWith('.json'))
    : [];
  const results = names.map((name) => JSON.parse(readFileSync(join(resultsDirectory, name), 'utf8')) as Result);
  return new Map(results.map((result) => [result.name, result]));
}

/** Who is asked: tandem, and the peers that goals name. */
function rivalsOf(all: readonly Measure[]) {
  const named = new Set(all.flatMap(({ columns }) => columns.map(({ goal }) => goal?.over)));
  return peers.filter(({ name }) => name === 'tandem' || named.has(name));
}

async function main(): Promise<void> {
  const kept = keptResults();
  const guarded = measures.filter(({ name }) => {
    const before = kept.get(name);
    return before && guardedIn(before).length > 0 && !unguarded.has(name);
  });
  const bench = await Bench.prepare({ peers: rivalsOf(guarded), cache: usualCache, rounds });
  const held: string[] = [];
  try {
    for (const measure of guarded) {
      const before = kept.get(measure.name) as Result;
      let lost = ['not measured'];
      for (let turn = 0; turn < tries && lost.length > 0; turn++) lost = lostOf(before, await resultOf(measure, bench));
      console.log(`${lost.length === 0 ? 'ok' : 'LOST'} ${before.id} ${before.title}`);
      for (const goal of lost) console.log(`  ${goal}`);
      held.push(...lost);
    }
  } finally {
    bench.close();
  }
  if (held.length > 0) throw new Error(`${held.length} goals are lost`);
}

main().catch(({ message }: Error) => {
  console.error(`bench: ${message}`);
  process.exitCode = 1;
});
