/** P2 and P9: what a supervisor takes while two services run and nothing happens. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Started } from '../bench.ts';
import type { Case } from '../interleave.ts';
import type { Child, Launch, Way } from '../peers/peer.ts';
import { type Usage, usageOf } from '../processes.ts';
import { livesOf, only, settleMs } from './lives.ts';
import type { Measure, Row } from './measure.ts';
import { startPair } from './pair.ts';
import { rowsOf } from './rows.ts';

const idleNode = 'idle node';
const restMs = 60_000;
const looks = 10;

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
  async run(bench) {
    const node: Case = {
      name: idleNode,
      run: async () => {
        const started = bench.start(sleeper, bench.directory());
        await sleep(settleMs);
        const { rssMb, pssMb, processes } = usageOf(started.pid, bench.compile('child'));
        await started.stop(0);
        return { rss: rssMb, pss: pssMb, processes };
      },
    };
    // Nothing but itself is up while any of them is looked at: pages that two processes share count half for each.
    const alone = await rowsOf(bench, [node]);
    return [...alone, ...only(await livesOf(bench), ['rss', 'pss', 'processes'])];
  },
};

export const idle: Measure = {
  name: 'idle',
  id: 'P9',
  title: 'a minute with two services up, without probes and with those that tandem asks by default; memory after it',
  columns: [
    { figure: 'wakeups', title: 'wakeups', unit: '1/s', goal: { limit: 1 } },
    { figure: 'cpu', title: 'CPU', unit: '% of a core', goal: { limit: 0.1 } },
    { figure: 'rss', title: 'RSS after a minute', unit: 'MB', goal: { limit: 1.15, over: idleNode } },
  ],
  async run(bench) {
    const node = minuteOf(bench, idleNode, async () => bench.start(sleeper, bench.directory()));
    const rowOf = async (name: string, way: Way<readonly Child[]>): Promise<Row> => {
      if (typeof way === 'string') return { name, outcome: { cannot: way } };
      return minuteOf(bench, name, async () => (await startPair(bench, way)).started);
    };
    const others = bench.peers.map(({ name, together }) => rowOf(name, together));
    // In order is by readiness, and what is ready is asked for ever whether it still is.
    const probed = bench.peers.filter(isOurs).map(({ name, ordered }) => rowOf(`${name}, default probes`, ordered));
    return Promise.all([node, ...others, ...probed]);
  },
};

const isOurs = ({ name }: { readonly name: string }) => name.startsWith('tandem');

/** All at once: they are idle. A look every few seconds, each a value. */
async function minuteOf(bench: Bench, name: string, start: () => Promise<Started>): Promise<Row> {
  const row = { name, isOurs: isOurs({ name }) };
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
    return { ...row, outcome: { values } };
  } catch (error) {
    return { ...row, outcome: { failure: (error as Error).message } };
  }
}
