/** P3: what it costs to ask a supervisor whether its services are well; images do it every 30 seconds. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type Bench, eventsIn, freePort, type Started } from '../bench.ts';
import type { Case } from '../interleave.ts';
import type { Asked, Launch, Peer } from '../peers/peer.ts';
import { readSpent, spending } from '../spent.ts';
import type { Measure } from './measure.ts';
import { type Entry, rowsOf } from './rows.ts';

const baseline = 'node -e 0';
/** It is short, and so there can be many. */
const timesMore = 3;

export const health: Measure = {
  name: 'health',
  id: 'P3',
  title: 'the command that tells whether two services are well',
  columns: [
    { figure: 'wall', title: 'wall', unit: 'ms', goal: { limit: 1.2, over: baseline } },
    { figure: 'cpu', title: 'CPU', unit: 'ms' },
    { figure: 'peak', title: 'peak memory', unit: 'MB' },
  ],
  async run(bench) {
    const running: Started[] = [];
    try {
      const asked = await Promise.all(bench.peers.map((peer) => questionsOf(bench, peer, running)));
      const node = question(bench, baseline, { words: [process.execPath, '-e', '0'] }, bench.directory());
      return await rowsOf(bench, [node, ...asked.flat()], bench.rounds * timesMore);
    } finally {
      await Promise.all(running.map((started) => started.stop()));
    }
  },
};

/** Starts it with two services, and waits until they listen and every question has a good answer. */
async function questionsOf(bench: Bench, { name, asked }: Peer, running: Started[]): Promise<Entry[]> {
  if (typeof asked === 'string') return [{ name, cannot: asked }];
  const directory = bench.directory();
  const events = eventsIn(directory);
  const names = ['gateway', 'hub'];
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const children = names.map((child, index) => bench.child(child, events, { port: ports[index] ?? 0 }));
  const { launch, questions }: Asked = asked(children, directory, ports[2] ?? 0);
  const started = bench.start(launch, directory);
  running.push(started);
  await Promise.all(names.map((child) => started.event(child, 'listen')));
  return Object.entries(questions).map(([words, one]) => question(bench, words, one, directory));
}

function question(bench: Bench, name: string, { words, environment }: Launch, directory: string): Case {
  const report = join(directory, 'spent');
  const [file = '', ...rest] = spending(bench, report, words);
  const env = { PATH: process.env['PATH'], HOME: directory, ...environment };
  return {
    name,
    run: async () => {
      const { status, stderr, stdout } = spawnSync(file, rest, { env, cwd: directory, encoding: 'utf8' });
      if (status !== 0)
        throw new Error(`${name} ended with ${status}: ${(stderr || stdout).trim().split('\n').at(-1)}`);
      const { wallMs, cpuMs, peakMb } = readSpent(report);
      return { wall: wallMs, cpu: cpuMs, peak: peakMb };
    },
  };
}
