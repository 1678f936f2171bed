/** The guard must see what is lost and must not cry wolf. */
import { test } from 'tap';
import { machine } from '../../bench/bench.ts';
import { judge } from '../../bench/judge.ts';
import { lostOf } from '../../bench/lost.ts';
import type { Column } from '../../bench/measures/measure.ts';
import type { Result } from '../../bench/result.ts';
import { summarize } from '../../bench/statistics.ts';

function resultOf(column: Omit<Column, 'figure' | 'title'>, values: Record<string, number>, nodeMs = 20): Result {
  const columns = [{ ...column, figure: 'it', title: 'it' }];
  const lines = Object.entries(values).map(([name, value]) => {
    return { name, isOurs: name === 'tandem', figures: { it: summarize([value]) } };
  });
  const verdicts = columns.flatMap((one) => judge(one, lines));
  return { name: 'x', id: 'P1', title: 'x', machine, nodeMs, versions: {}, columns, lines, verdicts };
}

const time = { unit: 'ms', goal: { limit: 2 } };
const share = { unit: 'MB', goal: { limit: 1.5, over: 'node' } };
const speed = { unit: 'lines/s', isHigherBetter: true, goal: { limit: 2e6 } } as const;

test('a goal that was met and is missed by a quarter is lost', async (t) => {
  const kept = resultOf(time, { tandem: 1.5 });
  t.same(lostOf(kept, resultOf(time, { tandem: 2.49 })), []);
  t.match(lostOf(kept, resultOf(time, { tandem: 2.51 })), [/it <= 2 ms: tandem 1\.50: met once; now 2\.51/]);
  const many = resultOf(speed, { tandem: 3e6 });
  t.same(lostOf(many, resultOf(speed, { tandem: 1.7e6 })), []);
  t.match(lostOf(many, resultOf(speed, { tandem: 1.5e6 })), [/1\.50 M/]);
});

test('a goal that was never met is not lost', async (t) => {
  t.same(lostOf(resultOf(time, { tandem: 2.1 }), resultOf(time, { tandem: 9 })), []);
});

test('a slow machine is no loss: times are seen as the machine of the kept results would have needed them', async (t) => {
  const kept = resultOf(time, { tandem: 1.9 }, 20);
  t.same(lostOf(kept, resultOf(time, { tandem: 3.8 }, 40)), []);
  t.equal(lostOf(kept, resultOf(time, { tandem: 2.4 }, 10)).length, 1);
});

test('a ratio is itself, however fast the machine', async (t) => {
  const kept = resultOf(share, { node: 40, tandem: 50 }, 20);
  t.same(lostOf(kept, resultOf(share, { node: 40, tandem: 70 }, 10)), []);
  t.equal(lostOf(kept, resultOf(share, { node: 40, tandem: 80 }, 80)).length, 1);
});

test('extremes are not judged again', async (t) => {
  const worst = { unit: 'ms', goal: { limit: 2, of: 'maximum' } } as const;
  t.same(lostOf(resultOf(worst, { tandem: 1 }), resultOf(worst, { tandem: 9 })), []);
});

test('a figure that cannot be taken any more is lost', async (t) => {
  t.match(lostOf(resultOf(time, { tandem: 1 }), resultOf(time, {})), [/there is no figure now/]);
});
