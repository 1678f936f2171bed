/** P5 and P6: how fast an end is handed on. */

import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../bench.ts';
import { livesOf, only } from './lives.ts';
import type { Measure } from './measure.ts';
import { startPair } from './pair.ts';
import { entry, rowsOf } from './rows.ts';

/** Until then every supervisor has seen that its children are there. */
const settleMs = 300;

export const crash: Measure = {
  name: 'crash',
  id: 'P5',
  title: 'crash of one service to TERM at its sibling',
  columns: [{ figure: 'crash', title: 'crash to TERM', unit: 'ms', goal: { limit: 2 } }],
  run: (bench) =>
    rowsOf(
      bench,
      bench.peers.map(({ name, bound }) =>
        entry(name, bound, async (way) => {
          const { started } = await startPair(bench, way);
          const { pid } = await started.event('gateway', 'listen');
          await sleep(settleMs);
          const killedAt = now();
          process.kill(pid, 'SIGKILL');
          const { at } = await started.event('hub', 'term');
          await started.ended;
          return { crash: at - killedAt };
        }),
      ),
    ),
};

export const stop: Measure = {
  name: 'stop',
  id: 'P6',
  title: "the last child's exit to the end of the supervisor",
  columns: [
    { figure: 'end', title: 'last exit to end', unit: 'ms', goal: { limit: 4 } },
    { figure: 'stop', title: 'TERM to end', unit: 'ms' },
  ],
  run: async (bench) => only(await livesOf(bench), ['end', 'stop']),
};
