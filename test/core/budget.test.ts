import fc from 'fast-check';
import t from 'tap';
import { graceMs } from '../../src/core/budget.ts';

const cells: readonly (readonly [title: string, args: Parameters<typeof graceMs>, graceMs: number])[] = [
  ['the last one has all that is left', [8_750, undefined, []], 8_750],
  ['its own limit binds it', [8_750, 3_000, []], 3_000],
  ['its own limit cannot be more than what is left', [8_750, 60_000, []], 8_750],
  ['the first leaves a reserve to the one after it', [8_750, undefined, [undefined]], 7_250],
  ['the first leaves a reserve to each after it', [8_750, undefined, [undefined, undefined]], 5_750],
  ['what a later one needs at most is what is kept for it', [8_750, undefined, [4_000]], 4_750],
  ['a later one keeps no more than its fair share', [8_000, undefined, [60_000]], 4_000],
  ['a small budget is shared evenly', [900, undefined, [undefined, undefined]], 300],
  ['what a later one does not need goes to all, not to the first', [3_001, undefined, [undefined, 1]], 1_500],
  ['and so it is where the budget is small', [901, undefined, [undefined, 1]], 450],
  ['its own limit and the reserve: the smaller', [8_750, 2_000, [undefined]], 2_000],
  ['nothing left: no grace', [0, undefined, [undefined]], 0],
  ['less than nothing left: no grace', [-500, 3_000, [undefined]], 0],
];

for (const [title, args, expected] of cells) t.equal(graceMs(...args), expected, `B12 ${title}`);

t.test(
  'B12 whatever the limits: nobody asks for more than is left, and the last one is never left without a share',
  async (t) => {
    const limit = fc.option(fc.integer({ min: 0, max: 60_000 }), { nil: undefined });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), limit, fc.array(limit, { maxLength: 6 }), (left, own, later) => {
        const first = graceMs(left, own, later);
        const fairShareMs = left / (later.length + 1);
        const keptMs = later.reduce<number>((sum, each) => sum + Math.min(each ?? 1_500, fairShareMs), 0);
        return first >= 0 && first <= left && first <= (own ?? Infinity) && left - first >= keptMs - 1e-6;
      }),
    );
    t.pass('for 100 random budgets');
  },
);
