import t from 'tap';
import { stopBudget } from '../../../src/config/stack/stop-budget.ts';
import { parse } from './fixture.ts';

const unset = { timeoutMs: undefined, drainDelayMs: 0 };

/** Services by name: what stands behind their command. */
async function budget(services: Readonly<Record<string, string>>, said: Parameters<typeof stopBudget>[1] = unset) {
  const lines = Object.entries(services).map(([name, keys]) => `  ${name}: {command: x${keys && `, ${keys}`}}`);
  return stopBudget((await parse(`services:\n${lines.join('\n')}`)).specs, said);
}

const grace = (seconds: number, ...needs: string[]) => `stop_grace_period: ${seconds}, depends_on: [${needs}]`;

t.test('B12 nothing set, or what fits the default: 9 s', async (t) => {
  t.same(await budget({ a: '', b: 'depends_on: [a]' }), { timeoutMs: 9_000, remarks: [] });
  t.same(await budget({ a: grace(4), b: grace(4, 'a') }), { timeoutMs: 9_000, remarks: [] });
  t.same(await budget({ a: grace(9), b: grace(9) }), { timeoutMs: 9_000, remarks: [] }, 'side by side');
  t.same(await budget({ a: `${grace(60)}, skip: not here` }), { timeoutMs: 9_000, remarks: [] });
});

t.test('B12 grace periods make the budget: the longest row, and it is said which docker stop that needs', async (t) => {
  const one = await budget({ a: grace(60), b: grace(5) });
  t.match(one, { timeoutMs: 62_000, remarks: [{ level: 'info', facts: { docker_stop_timeout_seconds: 63 } }] });
  t.equal(one.remarks.length, 1);
  const rows = { db: grace(10), api: grace(20, 'db'), web: grace(5, 'api'), other: grace(7, 'db') };
  t.equal((await budget(rows)).timeoutMs, 37_000);
  t.equal((await budget(rows, { ...unset, drainDelayMs: 3_000 })).timeoutMs, 40_000);
  t.equal((await budget({ a: '', b: grace(10, 'a'), c: 'depends_on: [b]' })).timeoutMs, 12_000, 'the unsaid is short');
});

t.test('B12 a oneshot stops alone: nothing that waits for it is there yet', async (t) => {
  const wait = 'depends_on: {m: {condition: service_completed_successfully}}';
  t.equal((await budget({ m: grace(20), a: `stop_grace_period: 15, ${wait}` })).timeoutMs, 22_000);
  t.equal((await budget({ m: grace(5), a: `stop_grace_period: 6, ${wait}` })).timeoutMs, 9_000);
});

t.test('B12 a budget that is set stays; who does not fit is told of with both values and the remedy', async (t) => {
  const said = { timeoutMs: 20_000, drainDelayMs: 2_000 };
  t.same(await budget({ a: grace(18) }, said), { timeoutMs: 20_000, remarks: [] });
  const { timeoutMs, remarks } = await budget({ a: grace(30), b: grace(10), c: grace(9, 'b'), d: '' }, said);
  t.equal(timeoutMs, 20_000);
  t.same(
    remarks.map(({ level, facts }) => [level, ...Object.values(facts)]),
    [
      ['warn', 'a', 30, 20, 34],
      ['warn', 'b', 10, 20, 23],
      ['warn', 'c', 9, 20, 23],
    ],
  );
  t.match(remarks[0]?.message, /stop_grace_period.*TANDEM_STOP_TIMEOUT/);
});
