/** From the first process to the last one that is ready: the order, what breaks it off, and with which code. */
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { basename, join } from 'node:path';
import { type Test, test } from 'tap';
import { askSocket } from '../fixtures/e2e-run-health.ts';
import {
  emptyNodeMs,
  forms,
  freePorts,
  makeDirectory,
  nowMs,
  type Pair,
  runPair,
  type Script,
} from '../fixtures/e2e-run-pair.ts';
import { until } from '../support/until.ts';

/** The command of this very process, which plays the stranger on a port. */
const ownCommand = basename(process.execPath);

for (const { form, asInit } of forms) {
  test(`B01 B60 ${form}: migrations, gateway, gateway really ready, hub; then a report of the time`, async (t) => {
    const migrations: Script = { listens: false, waits: ['end'], ends: 0 };
    const pair = await runPair(t, { asInit, migrations, gateway: { waits: ['listen', 'answer'] } });
    await pair.entry('migrations', 'started');
    t.same(pair.events(), ['migrations started']);
    pair.open('migrations-end');
    await pair.entry('gateway', 'started');
    pair.open('gateway-listen');
    await until('the gateway was asked three times', () => count(pair, 'gateway refuses') >= 3);
    t.notOk(pair.events().includes('hub started'), 'a port that is open is not enough');
    pair.open('gateway-answer');

    const report = await pair.record({ msg: 'everything is up' });
    t.match(report, { startup_ms: { migrations: Number, gateway: Number, hub: Number, total: Number } });
    t.match(report, { listening: { gateway: `http://127.0.0.1:${pair.gatewayPort}` } });
    const answer = await pair.entry('gateway', 'answers');
    const hub = await pair.entry('hub', 'started');
    t.equal(answer.path, '/health');
    t.ok((hub.execAtMs ?? 0) > answer.atMs, 'the hub is executed after the first good answer');
    const steps = pair.events().filter((event, index, all) => all.indexOf(event) === index);
    t.same(steps, [
      ...['migrations started', 'migrations ends', 'gateway started', 'gateway listening', 'gateway refuses'],
      ...['gateway answers', 'hub started', 'hub listening', 'hub answers'],
    ]);
  });

  test(`B08 ${form}: a gateway that never listens ends in 69 at its timeout, without a hub`, async (t) => {
    const pair = await runPair(t, { asInit, gateway: { listens: false }, env: { GW_READY_TIMEOUT: '700ms' } });
    const { atMs } = await pair.entry('gateway', 'started');
    t.equal((await pair.exited).code, 69);
    t.ok(nowMs() - atMs < 3_000);
    assertNothingIsLeft(t, pair, ['gateway started', 'gateway SIGTERM', 'gateway end']);
    t.match(lastRecord(pair).reason, /"gateway" is not ready within 0\.7 s: nothing listens on port \d+/);
  });

  for (const [ends, code] of [
    [7, 7],
    [0, 1],
    ['SIGKILL', 137],
    ['SIGSEGV', 139],
  ] as const) {
    test(`B08 ${form}: a gateway that ends by ${ends} while it is waited for ends the wait at once with ${code}`, async (t) => {
      const pair = await runPair(t, { asInit, gateway: { listens: false, waits: ['end'], ends } });
      await pair.entry('gateway', 'started');
      pair.open('gateway-end');
      t.equal((await pair.exited).code, code);
      t.ok(nowMs() - (await pair.entry('gateway', 'ends')).atMs < 2_000, 'the timeout is 60 s');
      assertNothingIsLeft(t, pair, ['gateway started', 'gateway ends']);
    });
  }
}

test('B08 a gateway that listens and never answers well ends in 69 with the last answer as the reason', async (t) => {
  const pair = await runPair(t, { gateway: { waits: ['answer'] }, env: { GW_READY_TIMEOUT: '700ms' } });
  t.equal((await pair.exited).code, 69);
  t.notOk(pair.events().includes('hub started'));
  t.match(lastRecord(pair).reason, /503/);
  t.same(pair.survivors(), []);
});

test('B08 a gateway that ends between its port and its first good answer ends the wait at once', async (t) => {
  const pair = await runPair(t, { gateway: { waits: ['answer', 'end'], ends: 9 } });
  await pair.entry('gateway', 'refuses');
  pair.open('gateway-end');
  t.equal((await pair.exited).code, 9);
  t.notOk(pair.events().includes('hub started'));
});

test('a hub that never gets ready ends in 69, and the gateway is asked to stop', async (t) => {
  const pair = await runPair(t, { hub: { listens: false }, env: { HUB_READY_TIMEOUT: '500ms' } });
  t.equal((await pair.exited).code, 69);
  t.match(lastRecord(pair).reason, /"hub" is not ready within 0\.5 s/);
  t.match(pair.events().slice(-4), ['hub SIGTERM', 'hub end', 'gateway SIGTERM', 'gateway end']);
  t.same(pair.survivors(), []);
});

test('B09 a stranger on the gateway’s port: 69, its pid and command, nothing started', async (t) => {
  const stranger = await occupy(t);
  const pair = await runPair(t, { env: { GW_PORT: String(stranger.port) } });
  t.equal((await pair.exited).code, 69);
  assertNothingIsLeft(t, pair, []);
  t.match(lastRecord(pair).reason, `port ${stranger.port} is held by pid ${process.pid} (${ownCommand})`);
  t.ok(stranger.server.listening);
});

test('B09 as PID 1: a stranger that cannot be seen is named by its uid', async (t) => {
  const stranger = await occupy(t);
  const pair = await runPair(t, { asInit: true, env: { GW_PORT: String(stranger.port) } });
  t.equal((await pair.exited).code, 69);
  assertNothingIsLeft(t, pair, []);
  t.match(lastRecord(pair).reason, `port ${stranger.port} is held by uid ${process.getuid?.()}, process not visible`);
});

test('B09 a stranger is found within 200 ms of start-up, beyond what Node takes for itself', async (t) => {
  const stranger = await occupy(t);
  const withStranger: number[] = [];
  const emptyNode: number[] = [];
  // In turns, so that both see the same machine; the fastest of each is the least disturbed.
  for (let turn = 0; turn < 5; turn += 1) {
    const pair = await runPair(t, { env: { GW_PORT: String(stranger.port) } });
    withStranger.push((await pair.exited).afterMs);
    emptyNode.push(await emptyNodeMs());
  }
  const extraMs = Math.min(...withStranger) - Math.min(...emptyNode);
  t.comment(`${Math.round(extraMs)} ms`);
  t.ok(extraMs < 200, `${extraMs} ms`);
});

test('B09 a stranger that takes the port after the gateway was started: 69, its pid, no hub', async (t) => {
  const pair = await runPair(t, { gateway: { waits: ['listen'] } });
  await pair.entry('gateway', 'started');
  await occupy(t, pair.gatewayPort);
  t.equal((await pair.exited).code, 69);
  t.match(lastRecord(pair).reason, `held by pid ${process.pid} (${ownCommand})`);
  assertNothingIsLeft(t, pair, ['gateway started', 'gateway SIGTERM', 'gateway end']);
});

test('B52 as PID 1: a listener of the same user that cannot be seen counts, with one warning', async (t) => {
  const pair = await runPair(t, { asInit: true, gateway: { waits: ['listen'] }, env: { GW_HEALTH_PATH: '' } });
  await pair.entry('gateway', 'started');
  await occupy(t, pair.gatewayPort);
  await pair.entry('hub', 'started');
  const warnings = pair.records().filter(({ service, msg }) => service === 'gateway' && /cannot see/.test(msg));
  t.equal(warnings.length, 1);
});

test('B09 the health port taken: 69 before anything starts, with the variable to change', async (t) => {
  const stranger = await occupy(t);
  const pair = await runPair(t, { env: { TANDEM_HEALTH_PORT: String(stranger.port) } });
  t.equal((await pair.exited).code, 69);
  assertNothingIsLeft(t, pair, []);
  t.match(pair.stderr, `pid ${process.pid} (${ownCommand})`);
  t.match(pair.stderr, 'set TANDEM_HEALTH_PORT');
});

test('B09 the control socket taken: 69 before anything starts, and the first tandem stays as it was', async (t) => {
  const first = await runPair(t);
  await first.record({ msg: 'everything is up' });
  const { TANDEM_RUNTIME_DIR = '' } = first.env;
  const second = await runPair(t, { env: { TANDEM_RUNTIME_DIR } });
  t.equal((await second.exited).code, 69);
  assertNothingIsLeft(t, second, []);
  t.match(second.stderr, 'set TANDEM_RUNTIME_DIR');
  t.notOk(first.events().includes('hub SIGTERM'));
});

for (const [what, take] of [
  ['health port', async (t: Test) => ({ TANDEM_HEALTH_PORT: String((await occupy(t)).port) })],
  ['control socket', async (t: Test) => ({ TANDEM_RUNTIME_DIR: await runtimeDirOfAnother(t) })],
] as const) {
  test(`B09 the ${what} taken: 69, and none of the embedded pair's files is written`, async (t) => {
    const own = { GW_COMMAND: '', HUB_COMMAND: '' };
    const pair = await runPair(t, { env: { ...own, ...(await take(t)) } });
    t.equal((await pair.exited).code, 69);
    t.notOk(existsSync(join(pair.env['E2E_DIR'] ?? '', 'data')));
  });
}

test('B10 migrations that fail end the container with their code, and nothing else is started', async (t) => {
  const pair = await runPair(t, { migrations: { ends: 3, listens: false } });
  t.equal((await pair.exited).code, 3);
  assertNothingIsLeft(t, pair, ['migrations started', 'migrations ends']);
  t.match(lastRecord(pair).reason, '"migrations" ended by itself: exit 3');
});

test('B10 migrations that take too long: 69, and nothing else is started', async (t) => {
  const pair = await runPair(t, { migrations: { listens: false }, env: { MIGRATE_TIMEOUT: '500ms' } });
  t.equal((await pair.exited).code, 69);
  assertNothingIsLeft(t, pair, ['migrations started', 'migrations SIGTERM', 'migrations end']);
  t.match(lastRecord(pair).reason, '"migrations" is not completed within 0.5 s');
});

test('services get the limit of open files that TANDEM_NOFILE says', async (t) => {
  const pair = await runPair(t, { env: { TANDEM_NOFILE: '123', MIGRATE_COMMAND: "sh -c 'ulimit -Sn'" } });
  await until('the limit is printed', () => pair.stdout === '123\n');
});

for (const [what, migrations] of [
  ['fail', { listens: false, ends: 3 }],
  ['take too long', { listens: false }],
] as const) {
  test(`B10 MIGRATE_ON_FAILURE=warn goes on when migrations ${what}`, async (t) => {
    const env = { MIGRATE_ON_FAILURE: 'warn', MIGRATE_TIMEOUT: '500ms' };
    const pair = await runPair(t, { migrations, env });
    await pair.record({ msg: 'everything is up' });
    t.equal((await pair.record({ service: 'migrations', to: 'failed' })).level, 40, 'a warning');
    await pair.signal('SIGTERM');
    t.equal((await pair.exited).code, 0);
  });
}

test('B07 --only external-gateway waits for the gateway elsewhere and runs nothing', async (t) => {
  const stranger = await occupy(t);
  const url = `http://127.0.0.1:${stranger.port}`;
  const env = { GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', MCP_GATEWAY_URL: url, GW_READY_TIMEOUT: '500ms' };
  const pair = await runPair(t, { env, flags: ['--only', 'external-gateway'] });
  t.equal((await pair.exited).code, 69);
  t.match(lastRecord(pair).reason, '"external-gateway" is not ready within 0.5 s');
  assertNothingIsLeft(t, pair, []);
});

test('B53 a gateway URL from a file is in no log and no reason, even if the gateway itself repeats it', async (t) => {
  const [port] = await freePorts(1);
  const gateway = createHttpServer((request, response) => {
    const error = { code: -32000, message: `no route ${request.url}, http://127.0.0.1:${port}${request.url}` };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id: 1, error }));
  }).listen(port, '127.0.0.1');
  t.teardown(() => gateway.close());
  const file = join(makeDirectory(t), 'url');
  writeFileSync(file, `http://127.0.0.1:${port}/s3cret-path/mcp\n`);
  const env = { GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', GW_READY_TIMEOUT: '2', MCP_GATEWAY_URL_FILE: file };
  const pair = await runPair(t, { env });
  const report = await until('it was asked', async () => {
    const { body } = await askSocket(pair, '/health').catch(() => ({ body: undefined }));
    const text = JSON.stringify(body) ?? '';
    return text.includes('no route') && text;
  });
  t.match(report, 'no route ***, ***');
  t.equal((await pair.exited).code, 69);
  t.match(lastRecord(pair).reason, 'MCP error -32000: no route ***, ***');
  t.notMatch(report + pair.stderr, 's3cret');
});

async function runtimeDirOfAnother(t: Test): Promise<string> {
  const first = await runPair(t);
  await first.record({ msg: 'everything is up' });
  return first.env['TANDEM_RUNTIME_DIR'] ?? '';
}

function count(pair: Pair, event: string): number {
  return pair.events().filter((each) => each === event).length;
}

function lastRecord(pair: Pair) {
  const last = pair.records().at(-1);
  if (last?.msg !== 'tandem ends') throw new Error(`the last record is no farewell; stderr:\n${pair.stderr}`);
  return last;
}

function assertNothingIsLeft(t: Test, pair: Pair, events: readonly string[]): void {
  t.same(pair.events(), events, 'nothing else was started');
  t.same(pair.survivors(), [], 'nothing is left running');
}

/** Listens in this process, on a port that is free. */
async function occupy(t: Test, wantedPort?: number): Promise<{ server: Server; port: number }> {
  const port = wantedPort ?? (await freePorts(1))[0];
  const server = createServer((socket) => socket.on('error', () => {}).resume()).listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { server, port };
}
