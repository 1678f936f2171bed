/** Dependencies that somebody else runs: real databases, late, busy, or never there. */
import { existsSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { freePorts, type Pair, runPair } from '../fixtures/e2e-run-pair.ts';
import { makePostgres, makeRedis } from '../support/databases.ts';
import { tandemWith } from '../support/matrix.ts';
import type { LogRecord } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const secret = 's3cret,p@ss';
const inUrl = encodeURIComponent(secret);

const ports = async (count: number) => (await freePorts(count)) as unknown as [number, number, number, number];

/** The wait for this service is told of, with this as its last reason. */
async function told(pair: Pair, service: string, reason: RegExp): Promise<LogRecord> {
  return until(
    `${service} is waited for: ${reason}`,
    () =>
      pair.records().find((record) => {
        return record.msg === 'still waiting' && record.service === service && reason.test(record.reason ?? '');
      }),
    { withinMs: 30_000 },
  ).catch((error: Error) => {
    throw new Error(`${error.message}; stderr:\n${pair.stderr}`);
  });
}

async function untilUp(pair: Pair): Promise<void> {
  await until('everything is up', () => pair.records().some(({ msg }) => msg === 'everything is up'), {
    withinMs: 30_000,
  });
}

/** What health says of a component while it is waited for. */
async function sickness({ env }: Pair): Promise<string> {
  return (await tandemWith({ ...env }, '/', ['health', '--timeout', '1s'])).output;
}

function listenLater(t: Test, server: Server, port: number): void {
  t.teardown(() => server.close());
  server.listen(port, '127.0.0.1');
}

test('B30 Postgres, Redis, HTTP and TCP, all five seconds late: waited for side by side, told, then everything starts', async (t) => {
  const [postgresPort, redisPort, httpPort, tcpPort] = await ports(4);
  const postgres = makePostgres(t, postgresPort, secret);
  const redis = postgres && makeRedis(t, redisPort, secret);
  if (!redis) return;
  const urls = [
    `postgresql+psycopg2://postgres:${inUrl}@127.0.0.1:${postgresPort}/nobody`,
    `redis://:${inUrl}@localhost:${redisPort}/0`,
    `http://127.0.0.1:${httpPort}/health`,
    `tcp://127.0.0.1:${tcpPort}`,
  ];
  const names = [
    `wait-postgres-127-0-0-1-${postgresPort}`,
    `wait-redis-localhost-${redisPort}`,
    `wait-http-127-0-0-1-${httpPort}`,
    `wait-tcp-127-0-0-1-${tcpPort}`,
  ];
  const pair = await runPair(t, { migrations: { ends: 0 }, env: { WAIT_FOR: urls.join(','), WAIT_FOR_TIMEOUT: '2m' } });
  for (const name of names) t.match(await told(pair, name, /^connection refused$/), { limit_ms: 120_000 });
  const first = pair.records().find(({ msg }) => msg === 'still waiting') as unknown as { elapsed_ms: number };
  t.ok(first.elapsed_ms >= 5_000 && first.elapsed_ms < 6_000, `${first.elapsed_ms} ms`);
  t.same(pair.journal(), [], 'nothing is started, migrations included');
  const words = await sickness(pair);
  for (const name of names) t.match(words, `${name} starting: connection refused`);

  postgres.start();
  redis.start();
  listenLater(
    t,
    createHttpServer((_, response) => response.end()),
    httpPort,
  );
  listenLater(
    t,
    createServer((socket) => void socket.end()),
    tcpPort,
  );
  await untilUp(pair);
  t.same(pair.events().slice(0, 2), ['migrations started', 'migrations ends']);
  t.equal((await tandemWith({ ...pair.env }, '/', ['health'])).code, 0);
  await pair.signal('SIGTERM');
  t.equal((await pair.exited).code, 0);
  t.notMatch(pair.stdout + pair.stderr, /s3cret|p%40ss/);
});

test('B30 Postgres in recovery is up and not ready; promoted it is', async (t) => {
  const [port] = await ports(1);
  const postgres = makePostgres(t, port, secret);
  if (!postgres) return;
  postgres.holdInRecovery();
  postgres.start('hot_standby=off');
  const pair = await runPair(t, { env: { WAIT_FOR: `postgres://127.0.0.1:${port}` } });
  const refusal = /^refuses sessions: the database system is not accepting connections \(57P03\)$/;
  await told(pair, `wait-postgres-127-0-0-1-${port}`, refusal);
  t.same(pair.journal(), []);
  postgres.promote();
  await untilUp(pair);
  await pair.signal('SIGTERM');
  t.equal((await pair.exited).code, 0);
});

test('B30 Postgres by its Unix socket', async (t) => {
  const [port] = await ports(1);
  const postgres = makePostgres(t, port, secret);
  if (!postgres) return;
  postgres.start('listen_addresses=');
  const pair = await runPair(t, { env: { WAIT_FOR: `postgres:///app?host=${postgres.directory}&port=${port}` } });
  await untilUp(pair);
});

test('B30 Redis that loads its data is up and not ready', async (t) => {
  const [port] = await ports(1);
  const redis = makeRedis(t, port, secret);
  if (!redis) return;
  redis.start('--enable-debug-command', 'yes');
  await until('Redis answers', () => answers(() => redis.cli('ping')));
  redis.cli('debug', 'populate', '100000', 'key', '100');
  redis.cli('save');
  await redis.stop();
  t.ok(existsSync(join(redis.directory, 'dump.rdb')));
  // It looks up from loading every KiB, and takes its time for each key until it is told otherwise.
  redis.start('--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024');
  const pair = await runPair(t, { env: { WAIT_FOR: `redis://:${inUrl}@127.0.0.1:${port}` } });
  await told(pair, `wait-redis-127-0-0-1-${port}`, /^loading its data \(LOADING\)$/);
  t.same(pair.journal(), []);
  redis.cli('config', 'set', 'key-load-delay', '0');
  await untilUp(pair);
});

function answers(ask: () => string): boolean {
  try {
    return ask() === 'PONG\n';
  } catch {
    return false;
  }
}

test('B30 Redis: without its password it is up; with a wrong one 69 and that', async (t) => {
  const [port] = await ports(1);
  const redis = makeRedis(t, port, secret);
  if (!redis) return;
  redis.start();
  await untilUp(await runPair(t, { env: { WAIT_FOR: `redis://127.0.0.1:${port}` } }));
  const pair = await runPair(t, { env: { WAIT_FOR: `redis://:hunter2@127.0.0.1:${port}`, WAIT_FOR_TIMEOUT: '500ms' } });
  t.equal((await pair.exited).code, 69);
  t.match(pair.records().at(-1)?.reason, 'is not ready within 0.5 s: the password is refused');
  t.notMatch(pair.stderr, 'hunter2');
});

test('B30 a name that does not resolve yet is waited for, and found when it does', async (t) => {
  if (process.getuid?.() !== 0) return void t.pass('skipped', { skip: 'not root: no mount namespace' });
  const [port] = await ports(1);
  const directory = t.testdir({ hosts: '127.0.0.1 localhost\n', resolv: 'nameserver 127.0.0.1\n' });
  const hosts = join(directory, 'hosts');
  const mounts = `mount --bind ${hosts} /etc/hosts && mount --bind ${join(directory, 'resolv')} /etc/resolv.conf`;
  const wrapper = ['unshare', '--mount', 'sh', '-c', `${mounts} && exec "$@"`, 'sh'];
  const urls = `tcp://late.example:${port} redis://late.example:${port} http://late.example:${port}/`;
  const pair = await runPair(t, { wrapper, env: { WAIT_FOR: urls, WAIT_FOR_TIMEOUT: '2m' } });
  for (const kind of ['tcp', 'redis', 'http']) {
    await told(pair, `wait-${kind}-late-example-${port}`, /^host not found$/);
  }
  listenLater(
    t,
    createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => socket.end(data.includes('GET /') ? 'HTTP/1.1 204 \r\n\r\n' : '+PONG\r\n'));
    }),
    port,
  );
  writeFileSync(hosts, '127.0.0.1 localhost late.example\n');
  await untilUp(pair);
});

test('B30 nobody there, ever: 69 at the limit, with the last reason; nothing was started', async (t) => {
  const [port] = await ports(1);
  for (const [scheme, kind] of [
    ['postgres', 'postgres'],
    ['rediss', 'redis'],
  ]) {
    const pair = await runPair(t, {
      migrations: { ends: 0 },
      env: { WAIT_FOR: `${scheme}://u:${inUrl}@127.0.0.1:${port}`, WAIT_FOR_TIMEOUT: '700ms' },
    });
    const { code, afterMs } = await pair.exited;
    t.equal(code, 69);
    t.ok(afterMs >= 700, `${afterMs} ms`);
    const reason = `"wait-${kind}-127-0-0-1-${port}" is not ready within 0.7 s: connection refused`;
    t.match(pair.records().at(-1), { msg: 'tandem ends', code: 69, reason });
    t.same(pair.journal(), []);
    t.notMatch(pair.stderr, 's3cret');
  }
});

test('B30 a stop during the wait ends it at once: 0, nothing was started', async (t) => {
  const [port] = await ports(1);
  const pair = await runPair(t, { env: { WAIT_FOR: `postgres://10.255.255.1,tcp://127.0.0.1:${port}` } });
  await pair.record({ service: `wait-tcp-127-0-0-1-${port}`, to: 'starting' });
  const askedAt = performance.now();
  await pair.signal('SIGTERM');
  t.equal((await pair.exited).code, 0);
  t.ok(performance.now() - askedAt < 1_000);
  t.same(pair.journal(), []);
});

test('B30 --only keeps the wait, also where what stands between is skipped', async (t) => {
  const [port] = await ports(1);
  const redis = makeRedis(t, port, secret);
  if (!redis) return;
  const pair = await runPair(t, {
    env: { HUB_MIGRATE: 'off', GATEWAY_SKIP_START: '1', WAIT_FOR: `redis://127.0.0.1:${port}` },
  });
  await pair.record({ service: 'gateway', to: 'skipped' });
  t.same(pair.journal(), []);
  redis.start();
  await untilUp(pair);
  t.same(
    pair.events().filter((event) => event.endsWith('started')),
    ['hub started'],
  );
  const checked = await tandemWith({ ...pair.env }, '/', ['check', '--only', 'hub']);
  t.match(checked.output, `wait-redis-127-0-0-1-${port} (waited for, not run)`);
});

test('B57 tandem check shows what is waited for, without a password', async (t) => {
  const env = {
    ...{ PATH: process.env['PATH'] ?? '', TANDEM_PRESET: 'embedded', HUB_COMMAND: 'true', GW_COMMAND: 'true' },
    WAIT_FOR: `tcp://a:1,redis://:${inUrl}@cache,postgres://me:hunter2@db/app`,
  };
  const text = await tandemWith(env, t.testdir({}), ['check']);
  t.equal(text.code, 0);
  t.match(text.output, /^order +wait-tcp-a-1, wait-redis-cache, wait-postgres-db, migrations, gateway, hub$/m);
  t.match(text.output, /Redis at cache:6379 answers PING, within 1m/);
  t.match(text.output, /PostgreSQL at db:5432 takes sessions, within 1m/);
  const json = await tandemWith(env, t.testdir({}), ['check', '--json']);
  t.notMatch(text.output + json.output, /s3cret|p%40ss|hunter2/);
});

test('B30 with a tandem.yaml: what it waits for is waited for once, and nothing is lost for its name', async (t) => {
  const text = 'services: {wait-tcp-a-1: {command: x}}\nwait_for: ["http://a:1/x", "redis://b"]\n';
  const cwd = t.testdir({ 'tandem.yaml': text });
  const env = { PATH: process.env['PATH'] ?? '', WAIT_FOR: 'http://a:1/y,redis://b,tcp://a:1' };
  const { output } = await tandemWith(env, cwd, ['check']);
  t.match(output, /^order +wait-http-a-1-2, wait-tcp-a-1-2, wait-http-a-1, wait-redis-b, wait-tcp-a-1$/m);
  t.match(output, 'GET http://a:1/x,');
  t.match(output, 'GET http://a:1/y,');
  t.match(output, 'connect to a:1,');
});
