/** In a file of its own: it takes seconds, and the collector looks at the whole heap. */
import { getEventListeners } from 'node:events';
import t from 'tap';
import { aborted, Cell, race } from '../../src/core/scope.ts';
import { until } from '../support/until.ts';

t.test('100 000 races against a long-lived Cell and signal leave no listener and next to no memory', async (t) => {
  t.ok(globalThis.gc ?? (await exposeGc()), 'the collector can be called');
  const cell = new Cell(0);
  const stop = new AbortController();
  const turns = async (count: number) => {
    for (let turn = 0; turn < count; turn += 1) {
      await race({
        turn: async () => turn,
        cell: (signal) => cell.until((value) => value < 0, signal),
        stop: (signal) => aborted(stop.signal, signal),
      });
    }
  };
  await turns(10_000);
  const before = usedMegabytes();
  await turns(100_000);
  // What is kept for good stays, whatever the collector does; what is only not collected yet goes sooner or later.
  await until('no more than 3 MB are left of 100 000 turns', () => usedMegabytes() - before < 3);
  t.equal(getEventListeners(stop.signal, 'abort').length, 0);
});

async function exposeGc() {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  globalThis.gc = runInNewContext('gc');
  return globalThis.gc;
}

function usedMegabytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}
