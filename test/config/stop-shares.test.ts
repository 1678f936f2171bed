import fc from 'fast-check';
import t from 'tap';
import { stopShares } from '../../src/config/stop-shares.ts';

const unset = { timeoutMs: undefined, drainDelayMs: 0 };

t.test('B12 nothing set: 9 s in all, and graceful is what fits', async (t) => {
  t.match(stopShares({ ...unset, gracefulMs: [undefined, undefined] }), {
    timeoutMs: 9_000,
    gracefulMs: [3_000, 3_000],
    remarks: [],
  });
  t.match(stopShares({ ...unset, gracefulMs: [undefined] }), { timeoutMs: 9_000, gracefulMs: [7_000] });
});

t.test('B12 graceful set: the budget is drain + both + 2 s, and it is said which docker stop that needs', async (t) => {
  const shares = stopShares({ timeoutMs: undefined, drainDelayMs: 5_000, gracefulMs: [30_000, 10_000] });
  t.match(shares, { timeoutMs: 47_000, gracefulMs: [30_000, 10_000] });
  t.match(shares.remarks, [{ facts: { docker_stop_timeout_seconds: 48 } }]);
});

t.test('B12 a budget that is set wins, the shares are scaled and that is said', async (t) => {
  const shares = stopShares({ timeoutMs: 22_000, drainDelayMs: 0, gracefulMs: [30_000, 10_000] });
  t.match(shares, { timeoutMs: 22_000, gracefulMs: [15_000, 5_000], remarks: [{ level: 'warn' }] });
  const fitting = stopShares({ timeoutMs: 60_000, drainDelayMs: 0, gracefulMs: [30_000, 10_000] });
  t.match(fitting, { timeoutMs: 60_000, gracefulMs: [30_000, 10_000], remarks: [] });
});

t.test('B12 shares are whole seconds, never 0, and fit the budget wherever a second each is left', async () => {
  const wish = fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined });
  const budget = fc.option(fc.integer({ min: 4_000, max: 200_000 }), { nil: undefined });
  fc.assert(
    fc.property(budget, fc.tuple(wish, wish), (timeoutMs, gracefulMs) => {
      const shares = stopShares({ timeoutMs, drainDelayMs: 0, gracefulMs });
      const sum = shares.gracefulMs.reduce((total, share) => total + share, 0);
      const areWhole = shares.gracefulMs.every((share) => share >= 1_000 && share % 1_000 === 0);
      // Rounding a tiny share up to its one second may cost the other's that much.
      return areWhole && sum <= Math.max(2_000, shares.timeoutMs - 2_000 + 1_000);
    }),
  );
});
