/**
 * P10: 10,000 orphans a minute under a supervisor that is PID 1 of a pid namespace: how long each stays a zombie, how many
 * stay for good, and what that costs. All are started first and are idle but for their slices, which they have in turns.
 */
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { interleave } from '../interleave.ts';
import type { Child, Way } from '../peers/peer.ts';
import { summarize } from '../statistics.ts';
import type { Measure, Row } from './measure.ts';
import { asPid1, Nursery, orphansPerSlice } from './nursery.ts';

/** Until then every supervisor has done what it does at its start. */
const settleMs = 3_000;

const withoutReaper = 'tandem without its addon';

export const orphans: Measure = {
  name: 'orphans',
  id: 'P10',
  title: '10,000 orphans a minute under PID 1: from an exit until it is reaped',
  columns: [
    { figure: 'latency', title: 'exit to reaped', unit: 'ms', goal: { limit: 5 } },
    { figure: 'p99', title: 'p99', unit: 'ms' },
    {
      figure: 'zombies',
      title: `of ${orphansPerSlice} left after 0.5 s`,
      unit: '1',
      goal: { limit: 0, of: 'maximum' },
    },
    { figure: 'cpu', title: 'CPU', unit: '% of a core', goal: { limit: 1.2, over: withoutReaper } },
  ],
  async run(bench) {
    const forms = formsOf(bench);
    if (spawnSync(asPid1[0], [...asPid1.slice(1), 'true']).status !== 0) {
      return forms.map(({ name }) => ({ name, outcome: { cannot: 'a pid namespace needs root' } }));
    }
    const rows: Row[] = [];
    const nurseries = new Map<string, Nursery>();
    for (const { name, way } of forms) {
      if (typeof way === 'string') rows.push({ name, outcome: { cannot: way } });
      else {
        await Nursery.open(bench, way).then(
          (nursery) => nurseries.set(name, nursery),
          ({ message }: Error) => rows.push({ name, outcome: { failure: message } }),
        );
      }
    }
    await sleep(settleMs);
    const cases = [...nurseries].map(([name, nursery]) => ({ name, run: () => nursery.slice() }));
    for (const [name, outcome] of await interleave(cases, bench.rounds)) {
      const latencies = nurseries.get(name)?.latencies ?? [];
      const isOurs = name === 'tandem';
      if ('failure' in outcome || latencies.length === 0) rows.push({ name, outcome, isOurs });
      else {
        const { p99 } = summarize(latencies);
        rows.push({ name, isOurs, outcome: { values: { ...outcome.values, latency: latencies, p99: [p99] } } });
      }
    }
    await Promise.all([...nurseries.values()].map((nursery) => nursery.close()));
    return rows;
  },
};

interface Form {
  readonly name: string;
  readonly way: Way<readonly Child[]>;
}

/** Everybody with one child; and what reaps nothing, for comparison. */
function formsOf(bench: Bench): readonly Form[] {
  const asService = bench.peers.map(({ name, together, command }): Form => {
    if (typeof together !== 'string' || typeof command === 'string') return { name, way: together };
    return { name, way: ([child], directory) => command(child?.words ?? [], directory) };
  });
  const ours = bench.peers.find(({ name }) => name === 'tandem')?.together;
  const crippled: Form[] =
    ours === undefined || typeof ours === 'string' ? [] : [{ name: withoutReaper, way: without(ours) }];
  return [...crippled, { name: 'node', way: bareNode }, ...asService];
}

/** The same bundle, which finds its other native parts, but not the one that reaps. */
function without(way: Exclude<Way<readonly Child[]>, string>): Way<readonly Child[]> {
  const native = join(import.meta.dirname, '../../dist/native');
  return (children, directory) => {
    for (const part of ['launch', 'guard', 'hold.so']) symlinkSync(join(native, part), join(directory, part));
    const launch = way(children, directory);
    return { ...launch, environment: { ...launch.environment, TANDEM_NATIVE_DIR: directory } };
  };
}

/** A Node that only spawns its child. */
const bareNode: Way<readonly Child[]> = ([child]) => {
  const [file, ...rest] = child?.words ?? [];
  const script = `require('node:child_process').spawn(${JSON.stringify(file)}, ${JSON.stringify(rest)}, { stdio: 'ignore' })`;
  return { words: [process.execPath, '-e', script] };
};
