/**
 * Health in every phase of a life, asked in every way: `tandem health`, the control socket, the HTTP port. The subtests
 * run side by side, because one of them waits for the probes that go on for ever.
 */
import { existsSync, statSync } from 'node:fs';
import t, { type Test } from 'tap';
import { askPort, askSocket, runHealth, runStatus, socketOf } from '../fixtures/e2e-run-health.ts';
import { forms, freePorts, type Pair, type PairOptions, runPair } from '../fixtures/e2e-run-pair.ts';
import { until } from '../support/until.ts';

t.jobs = 2;
t.setTimeout(120_000);

/** A run with a health port. */
interface Open {
  readonly pair: Pair;
  readonly port: number;
}

async function runWithPort(test: Test, options: PairOptions = {}): Promise<Open> {
  const [port] = await freePorts(1);
  const pair = await runPair(test, { ...options, env: { TANDEM_HEALTH_PORT: String(port), ...options.env } });
  return { pair, port };
}

/** What every door says at this moment. */
interface Verdicts {
  readonly livez: number;
  readonly readyz: number;
  readonly healthz: number;
  readonly health: number;
  /** The exit code of `tandem health`. */
  readonly command: number;
}

async function verdicts(test: Test, { pair, port }: Open): Promise<Verdicts> {
  const statuses = async (ask: (path: string) => Promise<{ status: number }>) => {
    const paths = ['livez', 'readyz', 'healthz', 'health'];
    return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, (await ask(`/${path}`)).status])));
  };
  const byPort = await statuses((path) => askPort(port, path));
  const bySocket = await statuses((path) => askSocket(pair, path));
  test.same(bySocket, byPort, 'both doors say the same');
  return { ...byPort, command: (await runHealth(pair.env)).code } as Verdicts;
}

const starting: Verdicts = { livez: 200, readyz: 503, healthz: 503, health: 503, command: 1 };
const healthy: Verdicts = { livez: 200, readyz: 200, healthz: 200, health: 200, command: 0 };
const stopping: Verdicts = { livez: 200, readyz: 503, healthz: 503, health: 503, command: 1 };
const lost: Verdicts = { livez: 503, readyz: 503, healthz: 503, health: 503, command: 1 };

t.test(
  'B61 a probe that fails for long makes the whole unhealthy and restarts nothing, and one good answer heals it',
  {
    buffered: true,
    timeout: 100_000,
  },
  async (t) => {
    const open = await runWithPort(t);
    const { pair } = open;
    await pair.record({ msg: 'everything is up' });
    pair.open('gateway-sick');
    // Ten seconds apart, three in a row: DESIGN's timing, which no variable changes.
    const patience = { withinMs: 45_000, everyMs: 100 };
    await until('the gateway is unready', async () => (await askSocket(pair, '/readyz')).status === 503, patience);
    t.same(await verdicts(t, open), starting, 'alive, and not ready');
    const { body } = await askSocket(pair, '/health');
    t.match(body, { status: 'unhealthy', live: true, components: { gateway: { status: 'unhealthy', restarts: 0 } } });
    t.match(body, { components: { gateway: { probe: { ok: false, reason: /503/ } }, hub: { status: /^healthy$/ } } });
    t.match((await runHealth(pair.env)).stdout, /gateway unhealthy: .*503/);
    pair.shut('gateway-sick');
    await until('the gateway is ready again', async () => (await askSocket(pair, '/readyz')).status === 200, patience);
    t.same(await verdicts(t, open), healthy);
    t.notOk(pair.events().includes('gateway SIGTERM'));
  },
);

for (const { form, asInit } of forms) {
  t.test(`B10 B14 B21 ${form}: every door says "starting" until all is ready`, { buffered: true }, async (t) => {
    const migrations = { listens: false, waits: ['end'], ends: 0 } as const;
    const waiting = { waits: ['listen'] } as const;
    const open = await runWithPort(t, { asInit, migrations, gateway: waiting, hub: waiting });
    const { pair } = open;
    await pair.entry('migrations', 'started');
    t.same(await verdicts(t, open), starting, 'migrating');
    t.match((await askSocket(pair, '/health')).body, {
      status: 'starting',
      components: { hub: { status: 'pending' } },
    });
    pair.open('migrations-end');
    await pair.entry('gateway', 'started');
    t.same(await verdicts(t, open), starting, 'waiting for the gateway');
    t.match((await runHealth(pair.env)).stdout, /gateway starting/, 'names the component');
    pair.open('gateway-listen');
    await pair.entry('hub', 'started');
    t.same(await verdicts(t, open), starting, 'waiting for the hub');
    t.match((await askSocket(pair, '/health')).body, { components: { gateway: { status: /^healthy$/, pid: Number } } });
    pair.open('hub-listen');
    await pair.record({ msg: 'everything is up' });
    t.same(await verdicts(t, open), healthy, 'up');
    t.match((await askSocket(pair, '/health')).body, {
      status: /^healthy$/,
      components: {
        migrations: { status: 'completed' },
        gateway: { status: /^healthy$/ },
        hub: { status: /^healthy$/ },
      },
    });
    const { stdout } = await runHealth(pair.env);
    t.equal(stdout, 'healthy: migrations completed, gateway healthy, hub healthy\n');
  });

  t.test(
    `B58 ${form}: readiness drops at the signal, the services serve on for the drain delay`,
    { buffered: true },
    async (t) => {
      const env = { TANDEM_DRAIN_DELAY: '1500ms', TANDEM_STOP_TIMEOUT: '5' };
      const open = await runWithPort(t, { asInit, hub: { waits: ['stop'] }, env });
      const { pair, port } = open;
      await pair.record({ msg: 'everything is up' });
      await pair.signal('SIGTERM');
      const asked = await pair.record({ msg: 'asked to stop' });
      const dropped = await until('readiness drops', async () => {
        const { status } = await askPort(port, '/readyz');
        return status === 503 && { events: pair.events() };
      });
      t.notOk(
        dropped.events.some((event) => event.includes('SIGTERM')),
        'before the first stop signal',
      );
      t.equal((await askPort(pair.hubPort, '/health')).status, 200, 'the hub serves on');
      const told = await pair.record({ service: 'hub', to: 'stopping' });
      t.ok(told.time - asked.time >= 1_490, `${told.time - asked.time} ms`);
      await pair.entry('hub', 'SIGTERM');
      t.same(await verdicts(t, open), stopping);
      t.match((await askSocket(pair, '/health')).body, {
        status: 'stopping',
        live: true,
        reason: 'stopped by SIGTERM',
      });
      pair.open('hub-stop');
      t.equal((await pair.exited).code, 0);
    },
  );

  t.test(`B58 ${form}: a second signal cuts the drain`, { buffered: true }, async (t) => {
    const pair = await runPair(t, { asInit, env: { TANDEM_DRAIN_DELAY: '8' } });
    await pair.record({ msg: 'everything is up' });
    await pair.signal('SIGTERM');
    await pair.record({ msg: 'asked to stop' });
    await pair.signal('SIGTERM');
    const first = await Promise.race([
      pair.exited,
      pair.record({ msg: 'this is never written' }).catch(() => undefined),
    ]);
    t.equal(first?.code, 143);
    t.same(pair.survivors(), []);
  });

  t.test(
    `B55 ${form}: a lost service is neither ready nor live, for a new container is what helps`,
    { buffered: true },
    async (t) => {
      const open = await runWithPort(t, { asInit, hub: { waits: ['stop'] }, gateway: { waits: ['end'], ends: 5 } });
      await open.pair.record({ msg: 'everything is up' });
      open.pair.open('gateway-end');
      await open.pair.entry('hub', 'SIGTERM');
      t.same(await verdicts(t, open), lost);
      open.pair.open('hub-stop');
      t.equal((await open.pair.exited).code, 5);
    },
  );
}

t.test('B10 migrations that failed and may fail do not make what goes on unhealthy', { buffered: true }, async (t) => {
  const migrations = { listens: false, ends: 3 } as const;
  const open = await runWithPort(t, { migrations, env: { MIGRATE_ON_FAILURE: 'warn' } });
  await open.pair.record({ msg: 'everything is up' });
  t.same(await verdicts(t, open), healthy);
});

t.test('the control socket is its owner’s alone, and gone with tandem', { buffered: true }, async (t) => {
  const pair = await runPair(t, { env: { TANDEM_HEALTH_PORT: '' } });
  await pair.record({ msg: 'everything is up' });
  t.equal(statSync(socketOf(pair)).mode & 0o777, 0o600);
  await pair.signal('SIGTERM');
  await pair.exited;
  t.notOk(existsSync(socketOf(pair)));
  const { code, stdout } = await runHealth(pair.env, ['--timeout', '300ms']);
  t.equal(code, 1, 'nobody is there');
  t.match(stdout, /unhealthy/);
});

t.test('B22 the port answers where the socket cannot be found', { buffered: true }, async (t) => {
  const { pair, port } = await runWithPort(t);
  await pair.record({ msg: 'everything is up' });
  const env = { ...pair.env, TANDEM_RUNTIME_DIR: '/nonexistent', TANDEM_HEALTH_PORT: String(port) };
  t.equal((await runHealth(env)).code, 0);
});

t.test('B56 `tandem status` shows the services, and that nobody is there', { buffered: true }, async (t) => {
  const pair = await runPair(t);
  await pair.record({ msg: 'everything is up' });
  const { code, stdout } = await runStatus(pair.env);
  t.equal(code, 0);
  t.match(stdout, /^healthy, up \d+ s, tandem /);
  for (const name of ['gateway', 'hub']) t.match(stdout, new RegExp(`^${name} +ready +\\d+ s +\\d+ +0 `, 'm'));
  const { body } = await askSocket(pair, '/health');
  t.same(Object.keys(JSON.parse((await runStatus(pair.env, ['--json'])).stdout)), Object.keys(Object(body)));
  const nobody = await runStatus({ ...pair.env, TANDEM_RUNTIME_DIR: '/nonexistent', TANDEM_HEALTH_PORT: '' });
  t.match(nobody, { code: 1, stdout: '', stderr: /no supervisor answers/ });
});

t.test('B21 HEALTHCHECK_DEBUG=1 shows each try on stderr', { buffered: true }, async (t) => {
  const pair = await runPair(t);
  await pair.record({ msg: 'everything is up' });
  const quiet = await runHealth(pair.env);
  t.equal(quiet.stderr, '');
  const debug = await runHealth({ ...pair.env, HEALTHCHECK_DEBUG: '1' });
  t.equal(debug.code, 0);
  t.match(debug.stderr, /^try 1, \d+ ms: healthy/);
  t.equal(debug.stdout, quiet.stdout);
});

t.test('B22 `tandem health --url` asks any service, without a supervisor', { buffered: true }, async (t) => {
  const pair = await runPair(t);
  await pair.record({ msg: 'everything is up' });
  const url = `http://127.0.0.1:${pair.gatewayPort}/health`;
  const env = { PATH: pair.env['PATH'] ?? '' };
  t.equal((await runHealth(env, ['--url', url])).code, 0);
  pair.open('gateway-sick');
  const sick = await runHealth({ ...env, HEALTHCHECK_DEBUG: '1' }, ['--url', url, '--timeout', '700ms']);
  t.equal(sick.code, 1);
  t.match(sick.stdout, /503/);
  t.match(sick.stderr, /^try 2, .*503/m, 'tried again until the deadline');
});
