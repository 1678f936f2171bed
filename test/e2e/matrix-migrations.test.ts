/** Real alembic before anything else: every way in which it can end. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Matrix, runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { until } from '../support/until.ts';

const hubAlone = { GATEWAY_SKIP_START: '1' };
const database = (matrix: Matrix) => join(matrix.env['APP_ROOT'] ?? '', 'data/hub.db');
const started = (matrix: Matrix) =>
  matrix
    .records()
    .filter(({ to }) => to === 'starting')
    .map(({ service }) => service);

/** A migration that cannot work. */
const broken = `
revision = "0002"
down_revision = "0001"


def upgrade():
    raise SystemExit(5)
`;
const withBroken = (directory: string) => {
  writeFileSync(join(directory, 'app/alembic/versions/0002_broken.py'), broken);
};

t.test('B10 alembic makes the tables once; a database that is current costs less than a second', async (t) => {
  const first = await runMatrix(t, { env: hubAlone });
  if (!first) return;
  await untilUp(first);
  t.match(await first.record({ service: 'migrations', to: 'completed' }), { reason: 'exit 0' });
  t.equal((await first.ask(first.hubPort, '/entities/kept', 'PUT')).status, 201);
  await first.signal('SIGTERM');
  t.equal((await first.exited).code, 0);

  const again = await runMatrix(t, { env: { ...hubAlone, DATABASE_URL: `sqlite:///${database(first)}` } });
  if (!again) return;
  await untilUp(again);
  const migrated = (await again.record({ service: 'migrations', to: 'completed' })) as unknown as {
    elapsed_ms: number;
  };
  t.ok(migrated.elapsed_ms < 1_000, `${migrated.elapsed_ms} ms`);
  t.equal((await again.ask(again.hubPort, '/entities')).body, '["kept"]');
  await again.signal('SIGTERM');
  t.equal((await again.exited).code, 0);
});

t.test("B10 a migration that fails: the tool's code, and nothing is started", async (t) => {
  const matrix = await runMatrix(t, { prepare: withBroken });
  if (!matrix) return;
  t.equal((await matrix.exited).code, 5);
  t.strictSame(started(matrix), ['migrations']);
  t.match(matrix.records().at(-1), { reason: '"migrations" ended by itself: exit 5' });
});

t.test('B10 MIGRATE_ON_FAILURE=warn: it is said, and the hub is started all the same', async (t) => {
  const matrix = await runMatrix(t, { env: { ...hubAlone, MIGRATE_ON_FAILURE: 'warn' }, prepare: withBroken });
  if (!matrix) return;
  await untilUp(matrix);
  t.match(await matrix.record({ service: 'migrations', to: 'failed' }), { level: 40, reason: 'exit 5' });
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
});

t.test('B10 a migration that hangs: 69 at the timeout, health says "starting" meanwhile', async (t) => {
  const matrix = await runMatrix(t, { env: { HUB_MIGRATION_PAUSE: '60', MIGRATE_TIMEOUT: '2' } });
  if (!matrix) return;
  await until('it migrates', () => matrix.stdout.includes('migrating'));
  const health = await matrix.tandem('health', '--timeout', '200ms');
  t.equal(health.code, 1);
  t.match(health.output, /starting/);
  const { code, afterMs } = await matrix.exited;
  t.equal(code, 69);
  t.ok(afterMs < 4_000);
  t.match(matrix.records().at(-1)?.reason, /"migrations" is not completed within 2 s/);
  t.strictSame(started(matrix), ['migrations']);
  await untilNobodyIsLeft(matrix);
});

t.test('B10 SIGTERM meanwhile: the tool gets it, nothing else is started, and the stop was asked for: 0', async (t) => {
  const matrix = await runMatrix(t, { env: { HUB_MIGRATION_PAUSE: '60' } });
  if (!matrix) return;
  await until('it migrates', () => matrix.stdout.includes('migrating'));
  const startedAt = performance.now();
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
  t.ok(performance.now() - startedAt < 2_000);
  t.match(await matrix.record({ service: 'migrations', to: 'stopped' }), { reason: 'SIGTERM' });
  t.strictSame(started(matrix), ['migrations']);
  await untilNobodyIsLeft(matrix);
});

t.test('B10 HUB_MIGRATE=off leaves the database alone; required without alembic is 78', async (t) => {
  const off = await runMatrix(t, { env: { ...hubAlone, HUB_MIGRATE: 'off' } });
  if (!off) return;
  await untilUp(off);
  t.match(await off.record({ service: 'migrations', to: 'skipped' }), { reason: 'HUB_MIGRATE is off' });
  t.notOk(existsSync(database(off)) && readFileSync(database(off)).includes('alembic_version'));
  await off.signal('SIGTERM');
  t.equal((await off.exited).code, 0);

  const required = await runMatrix(t, { env: { ...hubAlone, HUB_MIGRATE: 'required', HUB_VENV: 'app/.venv' } });
  if (!required) return;
  t.equal((await required.exited).code, 78);
  t.match(required.stderr, /HUB_MIGRATE: "required", but there is no .*\/app\/\.venv\/bin\/alembic/);
});
