/** What the fleet takes while nothing is asked of it: with no servers, and with many that it holds the stdin and stdout of. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, now, type Started } from '../bench.ts';
import { usageOf } from '../processes.ts';
import { api, type FleetProcess, type Scene } from './fleet-scene.ts';
import type { Row } from './measure.ts';

const many = 50;
const restMs = 10_000;
const looks = 10;
/** Until then V8 has put away what only the start has needed. */
const settleMs = 5_000;

/** All are looked at side by side: a page that they share counts for each. */
export async function atRest(bench: Bench, scene: Scene): Promise<Row[]> {
  const sleeper = { words: [process.execPath, '-e', 'setInterval(() => {}, 1e9)'] };
  const node = bench.start(sleeper, bench.directory());
  const none = await scene.fleet('none', []);
  const servers = Array.from({ length: many }, (_, index) => ({
    ...({
      name: `many-${index}`,
      kind: 'quick',
      transport: 'stdio',
      strategy: 'always-on',
      lightweight: true,
    } as const),
  }));
  const crowd = await scene.fleet('many', servers);
  await untilRunning(crowd, many);
  await sleep(settleMs);
  const rows = await Promise.all([
    restOf(bench, 'idle node', node),
    restOf(bench, 'tandem, no servers', none.started),
    restOf(bench, `tandem, ${many} stdio servers`, crowd.started),
  ]);
  await node.stop(0);
  return rows;
}

async function untilRunning(process: FleetProcess, count: number): Promise<void> {
  for (const deadline = now() + 120_000; now() < deadline; await sleep(200)) {
    const { containerCount } = await api<{ containerCount: number }>(process, 'GET', '/status');
    if (containerCount >= count) return;
  }
  throw new Error(`${count} servers did not run within 120 s`);
}

async function restOf(bench: Bench, name: string, { pid }: Started): Promise<Row> {
  const child = bench.compile('child');
  const values = { rss: [] as number[], cpu: [] as number[], wakeups: [] as number[] };
  let before = usageOf(pid, child);
  for (let look = 0; look < looks; look++) {
    await sleep(restMs / looks);
    const usage = usageOf(pid, child);
    values.rss.push(usage.rssMb);
    values.cpu.push(((usage.cpuMs - before.cpuMs) / (restMs / looks)) * 100);
    values.wakeups.push((usage.wakeups - before.wakeups) / (restMs / looks / 1_000));
    before = usage;
  }
  return { name, isOurs: name.startsWith('tandem'), outcome: { values } };
}
