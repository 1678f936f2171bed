/** P4: from a service's listen() to the exec of the one that waits for it, and what the waiting costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { type Usage, usageOf } from '../processes.ts';
import type { Measure } from './measure.ts';
import { beginPair, startPair } from './pair.ts';
import { entry, rowsOf } from './rows.ts';

/** Long enough that no supervisor is still starting when the gateway listens. */
const delayMs = 2_000;
/** What is waited while the cost is measured. */
const costMs = 10_000;

export const ready: Measure = {
  name: 'ready',
  id: 'P4',
  title: "a service's listen() to the exec of its dependent",
  columns: [
    { figure: 'ready', title: 'listen to exec', unit: 'ms', goal: { limit: 3 } },
    { figure: 'ready', title: 'listen to exec, p99', unit: 'ms', goal: { limit: 15, of: 'p99' } },
    { figure: 'cost', title: 'cost of the wait', unit: '% of a core', goal: { limit: 2 } },
  ],
  async run(bench) {
    const costs = await costsOf(bench);
    return rowsOf(
      bench,
      bench.peers.map(({ name, ordered }) =>
        entry(name, ordered, async (way) => {
          const { started } = await startPair(bench, way, { delayMs });
          const [gateway, hub] = [await started.event('gateway', 'listen'), await started.event('hub', 'exec')];
          await started.stop();
          const cost = costs.get(name);
          return { ready: hub.at - gateway.at, ...(cost !== undefined && { cost }) };
        }),
      ),
    );
  },
};

/** All at once: each sleeps nearly all the time. */
async function costsOf(bench: Bench): Promise<Map<string, number>> {
  const costs = new Map<string, number>();
  const child = bench.compile('child');
  const waitOf = async ({ name, ordered }: (typeof bench.peers)[number]) => {
    if (typeof ordered === 'string') return;
    const { started } = await beginPair(bench, ordered, { delayMs: costMs + 4_000 });
    await started.event('gateway', 'exec');
    await sleep(2_000);
    const before: Usage = usageOf(started.pid, child);
    await sleep(costMs);
    costs.set(name, ((usageOf(started.pid, child).cpuMs - before.cpuMs) / costMs) * 100);
    await started.event('hub', 'exec');
    await started.stop();
  };
  // Who fails here fails below, too, and is named there.
  await Promise.allSettled(bench.peers.map(waitOf));
  return costs;
}
