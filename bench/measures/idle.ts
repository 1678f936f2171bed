/** P2 and P9: what a supervisor takes while two services run and nothing happens. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Started } from '../bench.ts';
import type { Launch } from '../peers/peer.ts';
import { type Usage, usageOf } from '../processes.ts';
import type { Measure, Row } from './measure.ts';
import { startPair } from './pair.ts';
import { entry, rowsOf } from './rows.ts';

const idleNode = 'idle node';
/** P2 says: after a minute. */
const restMs = 60_000;
const looks = 10;
/** For a peer that is alone on the machine. */
const shortRestMs = 3_000;

const sleeper: Launch = { words: [process.execPath, '-e', 'setInterval(() => {}, 1e9)'] };

export const memory: Measure = {
  name: 'memory',
  id: 'P2',
  title: 'memory of all processes of the supervisor, two services up, one supervisor at a time',
  columns: [
    { figure: 'rss', title: 'RSS', unit: 'MB', goal: { limit: 1.15, over: idleNode } },
    { figure: 'pss', title: 'PSS', unit: 'MB', goal: { limit: 1, over: 'supervisord' } },
    { figure: 'processes', title: 'processes', unit: '1' },
  ],
  run: (bench) =>
    rowsOf(bench, [
      {
        name: idleNode,
        run: async () => {
          const started = bench.start(sleeper, bench.directory());
          return footprint(bench, started);
        },
      },
      ...bench.peers.map(({ name, together }) =>
        entry(name, together, async (way) => footprint(bench, (await startPair(bench, way)).started)),
      ),
    ]),
};

async function footprint(bench: Bench, started: Started) {
  await sleep(shortRestMs);
  const { rssMb, pssMb, processes } = usageOf(started.pid, bench.compile('child'));
  await started.stop();
  return { rss: rssMb, pss: pssMb, processes };
}

export const idle: Measure = {
  name: 'idle',
  id: 'P9',
  title: 'a minute without probes, two services up; memory after it',
  columns: [
    { figure: 'wakeups', title: 'wakeups', unit: '1/s', goal: { limit: 1 } },
    { figure: 'cpu', title: 'CPU', unit: '% of a core', goal: { limit: 0.1 } },
    { figure: 'rss', title: 'RSS after a minute', unit: 'MB', goal: { limit: 1.15, over: idleNode } },
  ],
  async run(bench) {
    const node = minuteOf(bench, idleNode, async () => bench.start(sleeper, bench.directory()));
    const others = bench.peers.map(async ({ name, together }): Promise<Row> => {
      if (typeof together === 'string') return { name, outcome: { cannot: together } };
      return minuteOf(bench, name, async () => (await startPair(bench, together)).started);
    });
    return Promise.all([node, ...others]);
  },
};

/** All at once: they are idle. A look every few seconds, each a value. */
async function minuteOf(bench: Bench, name: string, start: () => Promise<Started>): Promise<Row> {
  const isOurs = name === 'tandem';
  try {
    const started = await start();
    const child = bench.compile('child');
    const rest = restMs / (looks + 1);
    await sleep(rest);
    const values = { wakeups: [] as number[], cpu: [] as number[], rss: [] as number[] };
    let before: Usage = usageOf(started.pid, child);
    for (let look = 0; look < looks; look++) {
      await sleep(rest);
      const usage = usageOf(started.pid, child);
      values.wakeups.push((usage.wakeups - before.wakeups) / (rest / 1000));
      values.cpu.push(((usage.cpuMs - before.cpuMs) / rest) * 100);
      values.rss.push(usage.rssMb);
      before = usage;
    }
    await started.stop();
    return { name, isOurs, outcome: { values } };
  } catch (error) {
    return { name, isOurs, outcome: { failure: (error as Error).message } };
  }
}
