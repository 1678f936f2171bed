import t from 'tap';
import { judgeHealthBody } from '../../src/core/health-verdict.ts';

const reasonOf = (body: unknown) => {
  const verdict = judgeHealthBody(body);
  return verdict.ok ? 'ok' : verdict.reason;
};

const cells: readonly (readonly [body: unknown, verdict: string])[] = [
  ...['healthy', 'ok', 'UP', 'Pass', 'completed', 'skipped', ' OK\n'].map((status) => [{ status }, 'ok'] as const),
  [{ status: 'unhealthy' }, 'status is "unhealthy"'],
  [{ status: 'starting' }, 'status is "starting"'],
  [{ status: '' }, 'status is ""'],
  [{ status: false }, 'status is false'],
  [{ status: true }, 'ok'],
  [{ status: 0 }, 'ok'],
  [{ status: null }, 'ok'],
  [{}, 'ok'],
  [{ uptime: 3 }, 'ok'],
  [undefined, 'ok'],
  [null, 'ok'],
  ['unhealthy', 'ok'],
  [{ status: 'ok', components: { db: true, cache: 'up', hub: { status: 'healthy' }, disk: { free: 3 } } }, 'ok'],
  [{ status: 'ok', components: { db: false } }, 'component "db" is false'],
  [{ status: 'ok', components: { db: null } }, 'component "db" is null'],
  [{ status: 'ok', components: { db: 'disconnected' } }, 'component "db" is "disconnected"'],
  [{ components: { gateway: { status: 'unhealthy' } } }, 'component "gateway" is "unhealthy"'],
  [
    { components: { gateway: { status: 'ok', name: 'x' }, hub: { status: 'down', name: 'x' } } },
    'component "hub" is "down"',
  ],
  [{ components: [{ name: 'db', status: 'fail' }] }, 'component "db" is "fail"'],
  [{ components: [true, 0] }, 'component "1" is 0'],
  [{ status: 'unhealthy', components: { db: 'down' } }, 'component "db" is "down"'],
  [{ status: 'unhealthy', components: { db: 'up' } }, 'status is "unhealthy"'],
  [{ status: 'ok', db: 'error' }, 'component "db" is "error"'],
  [{ status: 'ok', database: false }, 'component "database" is false'],
  ...['unhealthy', 'unreachable', 'disconnected', 'down', 'fail', 'failed', ' Error\n'].map((db) => {
    return [{ status: 'ok', db }, `component "db" is ${JSON.stringify(db)}`] as const;
  }),
  [{ status: 'unhealthy', db: 'Unavailable' }, 'component "db" is "Unavailable"'],
  ...['ok', 'connected', 'postgresql', null, undefined, true, {}].map((db) => [{ status: 'ok', db }, 'ok'] as const),
  [{ status: 'ok', components: {} }, 'ok'],
  [{ components: { a: 0, b: 0, c: 0 } }, 'component "a" is 0, component "b" is 0, component "c" is 0'],
  [{ status: 'x'.repeat(40) }, `status is "${'x'.repeat(40)}"`],
  [{ status: 'x'.repeat(41) }, `status is "${'x'.repeat(40)}…"`],
  [{ status: 'ok', components: 'none' }, 'ok'],
  [
    { components: { a: 0, b: 0, c: 0, d: 0, e: 0 } },
    'component "a" is 0, component "b" is 0, component "c" is 0, 2 more',
  ],
];

for (const [body, verdict] of cells) {
  t.equal(reasonOf(body), verdict, `B21 ${JSON.stringify(body)}: ${verdict}`);
}

t.test('B53 a word of the service gives no password away, also where it is cut short', async (t) => {
  const url = `postgres://hub:${'s3cret'.repeat(20)}@db/hub`;
  for (const body of [{ status: `no ${url}` }, { components: { db: `lost ${url}` } }]) {
    const reason = reasonOf(body);
    t.match(reason, '://***@db');
    t.notMatch(reason, 's3cret');
  }
  const startedAt = performance.now();
  reasonOf({ status: 'a'.repeat(1 << 20) });
  t.ok(performance.now() - startedAt < 1_000, 'a long one takes no time');
});

t.test('B21 a reason stays one short line, whatever the service writes', async (t) => {
  const reason = reasonOf({ status: `down\n\u001b[31m${'x'.repeat(1000)}` });
  t.match(reason, /^status is "down\\n\\u001b\[31mx+…"$/);
  t.ok(reason.length < 80);
});
