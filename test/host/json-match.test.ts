import t from 'tap';
import type { JsonPattern } from '../../src/core/spec.ts';
import { mismatch } from '../../src/host/json-match.ts';

const hub = { state: 'ready', servers: [{ name: 'other' }, { name: 'gateway', status: 'connected', tools: 9 }] };

const cells: readonly (readonly [pattern: JsonPattern, value: unknown, answer: string | undefined])[] = [
  [{}, hub, undefined],
  [{ state: 'ready' }, hub, undefined],
  [{ state: 'ready', servers: [{ name: 'gateway', status: 'connected' }] }, hub, undefined],
  [{ servers: [{ name: 'gateway' }, { name: 'other' }] }, hub, undefined],
  [{ servers: [] }, hub, undefined],
  [{ state: 'ready' }, { state: 'starting' }, 'state is "starting", not "ready"'],
  [{ db: { up: true } }, { db: { up: false } }, 'db.up is false, not true'],
  [{ db: { up: true } }, { db: {} }, 'db.up is missing'],
  [{ db: { up: true } }, { db: [] }, 'db is [], not an object'],
  [{ db: {} }, { db: null }, 'db is null, not an object'],
  [{ servers: [{ name: 'gone' }] }, hub, 'servers has no element like {"name":"gone"}'],
  [{ servers: [1] }, { servers: 1 }, 'servers is 1, not an array'],
  [[1, 2], [2, 3, 1], undefined],
  [[1, 2], [2, 3], 'body has no element like 1'],
  [null, null, undefined],
  [null, undefined, 'body is undefined, not null'],
  [1, '1', 'body is "1", not 1'],
  [{ toString: 'x' }, {}, 'toString is missing'],
];

for (const [pattern, value, answer] of cells) {
  const title = `${JSON.stringify(pattern)} x ${JSON.stringify(value)}: ${answer ?? 'matches'}`;
  t.equal(mismatch(pattern, value), answer, title);
}

t.test('a pattern from JSON with the key __proto__ is a key like any other', async (t) => {
  const pattern = JSON.parse('{"__proto__":{"a":1}}');
  t.equal(mismatch(pattern, {}), '__proto__ is missing');
  t.equal(mismatch(pattern, JSON.parse('{"__proto__":{"a":1}}')), undefined);
});
