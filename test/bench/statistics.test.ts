/** The harness's own sums: what they say is what is published. */
import { test } from 'tap';
import { machine } from '../../bench/bench.ts';
import { type Case, interleave } from '../../bench/interleave.ts';
import { judge } from '../../bench/judge.ts';
import type { Column } from '../../bench/measures/measure.ts';
import type { Line } from '../../bench/result.ts';
import { summarize } from '../../bench/statistics.ts';
import { tableOf, tellGoals } from '../../bench/table.ts';

test('a summary has the median, the extremes and the 99th percentile', async (t) => {
  t.same(summarize([3, 1, 2]), { median: 2, minimum: 1, maximum: 3, p99: 3, runs: 3 });
  t.equal(summarize([4, 1, 2, 3]).median, 2.5);
  t.equal(summarize(Array.from({ length: 101 }, (_, index) => index)).p99, 99);
  t.throws(() => summarize([]), RangeError);
});

function caseOf(name: string, log: string[], fails = false): Case {
  return {
    name,
    run: async () => {
      log.push(name);
      if (fails) throw new Error('no luck');
      return { time: log.length };
    },
  };
}

test('cases take turns, each round begins with another, and the first round is not counted', async (t) => {
  const log: string[] = [];
  const outcomes = await interleave([caseOf('a', log), caseOf('b', log)], 2);
  t.same(log, ['a', 'b', 'b', 'a', 'a', 'b']);
  t.same(outcomes.get('a'), { values: { time: [4, 5] } });
  t.same(outcomes.get('b'), { values: { time: [3, 6] } });
});

test('a case that fails is asked no more, and says why', async (t) => {
  const log: string[] = [];
  const outcomes = await interleave([caseOf('a', log, true), caseOf('b', log)], 2);
  t.same(log, ['a', 'b', 'b', 'b']);
  t.same(outcomes.get('a'), { failure: 'no luck' });
});

const line = (name: string, values: readonly number[], isOurs = false): Line => {
  return { name, isOurs, figures: { start: summarize(values) } };
};
const column: Column = { figure: 'start', title: 'start', unit: 'ms', goal: { limit: 1.5, over: 'node' } };

test('a goal is judged for tandem alone, by the ratio of medians', async (t) => {
  const lines = [line('node', [10, 20, 30]), line('tandem', [30, 31, 99], true), line('peer', [1])];
  t.match(judge(column, lines), [{ name: 'tandem', reached: 1.55, isMet: false }]);
  t.equal(judge(column, lines).length, 1);
  t.match(judge({ ...column, goal: { limit: 40, of: 'maximum' } }, lines), [{ reached: 99, isMet: false }]);
  t.match(judge({ ...column, goal: { limit: 31 } }, lines), [{ reached: 31, isMet: true }]);
  t.match(judge({ ...column, isHigherBetter: true, goal: { limit: 32 } }, lines), [{ isMet: false }]);
  t.same(judge({ ...column, goal: { limit: 1, over: 'nobody' } }, lines), []);
});

test('the table says of everybody how it did, or why it did not', async (t) => {
  const lines = [
    line('node', [10]),
    line('tandem', [15], true),
    { ...line('tini', [1]), figures: {}, remark: 'cannot' },
  ];
  const verdicts = judge(column, lines);
  const about = { name: 'start', id: 'P1', title: 'a start', machine, nodeMs: 20, versions: {} };
  const text = tableOf({ ...about, columns: [column], lines, verdicts });
  t.match(text, /^node +10 \[10-10\]$/m);
  t.match(text, /^tini +- {2}cannot$/m);
  t.match(text, /start <= 1\.5 x node: tandem 1\.50: met/);
  t.match(tellGoals(verdicts.map((verdict) => ({ ...verdict, id: 'P1' }))), /Goals: 1 of 1 met\nP1 {2}start/);
});
