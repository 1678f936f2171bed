/** P1: from the exec of the supervisor to the exec of its first child. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, eventsIn, now } from '../bench.ts';
import type { Case } from '../interleave.ts';
import type { Peer } from '../peers/peer.ts';
import { livesOf, only } from './lives.ts';
import type { Measure } from './measure.ts';
import { type Entry, entry, rowsOf } from './rows.ts';

const baseline = 'node empty.cjs';

export const start: Measure = {
  name: 'start',
  id: 'P1',
  title: 'exec of the supervisor to exec of its first child',
  columns: [{ figure: 'start', title: 'start', unit: 'ms', goal: { limit: 1.6, over: baseline } }],
  async run(bench) {
    const commands = await rowsOf(bench, [emptyNode(bench), ...bench.peers.map((peer) => commandOf(bench, peer))]);
    return [...commands, ...only(await livesOf(bench), ['start'], (name) => `${name}, two services`)];
  },
};

/** A whole life of Node that does nothing: what no program in it can be below. */
export function emptyNode({ work }: Bench): Case {
  const file = join(work, 'empty.cjs');
  writeFileSync(file, '');
  return {
    name: baseline,
    run: async () => {
      const startedAt = now();
      spawnSync(process.execPath, [file], { env: {} });
      return { start: now() - startedAt };
    },
  };
}

function commandOf(bench: Bench, { name, command }: Peer): Entry {
  return entry(`${name} -- CMD`, command, async (way) => {
    const directory = bench.directory();
    const { words, environment } = bench.child('first', eventsIn(directory));
    const launch = way(words, directory);
    const started = bench.start({ ...launch, environment: { ...environment, ...launch.environment } }, directory);
    const { at } = await started.event('first', 'exec');
    await started.ended;
    return { start: at - started.startedAt };
  });
}
