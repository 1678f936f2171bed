/** What is made of the figures of many services before they are judged. */
import { test } from 'tap';
import { compared, grown } from '../../bench/measures/many.ts';
import type { Row } from '../../bench/measures/measure.ts';

const row = (name: string, values: Record<string, number[]>): Row => ({ name, outcome: { values } });
const valuesOf = ({ outcome }: Row) => ('values' in outcome ? outcome.values : {});

test('what the children take by themselves is taken off round by round, from what is known rather than from what is', async (t) => {
  const rows = [
    row('nobody', { up: [50, 60] }),
    row('tandem', { up: [300, 400] }),
    row('tandem, ready by port', { up: [300, 400], known: [350, 500] }),
    { name: 'tini', outcome: { cannot: 'runs one command' } },
  ];
  const [nobody, spawned, ready, tini] = compared(rows).map(valuesOf);
  t.notOk(nobody?.['beyond']);
  t.same(spawned?.['beyond'], [250, 340]);
  t.same(ready?.['beyond'], [300, 440]);
  t.same(tini, {});
});

test('without the children alone nothing can be taken off', async (t) => {
  const rows = [row('tandem', { up: [300] })];
  t.same(compared(rows), rows);
});

test('growth is 1 where each further service takes as long, and memory is the slope', async (t) => {
  const at = (up: number, rss: number) => [row('tandem', { up: [up], rss: [rss] })];
  const [linear] = grown(at(110, 50), at(200, 58), at(600, 50 + 49)).map(valuesOf);
  t.ok(Math.abs((linear?.['growth']?.[0] ?? 0) - 1) < 1e-9);
  t.ok(Math.abs((linear?.['each']?.[0] ?? 0) - 102.4) < 1e-9);
  const [quadratic] = grown(at(100, 50), at(10_000, 60), at(250_000, 99)).map(valuesOf);
  t.ok((quadratic?.['growth']?.[0] ?? 0) > 5);
});
