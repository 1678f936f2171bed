/** The servers' knobs: in the command line of the real master, and in what it does. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { freePorts } from '../fixtures/e2e-run-pair.ts';
import { argvOf, hasLoadedApplication, type Matrix, runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { until } from '../support/until.ts';

/** Each knob with another value than its default, and the words that it is in gunicorn's command line. */
const table: readonly (readonly [knob: string, hub: string, gateway: string, flag: string])[] = [
  ['WORKERS', '2', '3', '--workers'],
  ['TIMEOUT', '4', '45', '--timeout'],
  ['GRACEFUL_TIMEOUT', '2', '5', '--graceful-timeout'],
  ['KEEPALIVE', '2', '1', '--keep-alive'],
  ['MAX_REQUESTS', '80', '500', '--max-requests'],
  ['MAX_REQUESTS_JITTER', '7', '9', '--max-requests-jitter'],
  ['ACCESS_LOGFILE', 'access.log', 'access.log', '--access-logfile'],
  ['ERROR_LOGFILE', 'error.log', 'error.log', '--error-logfile'],
  ['LOG_LEVEL', 'debug', 'error', '--log-level'],
];

/** From the last byte of an answer until the server closes the connection, which nobody uses any more. */
function keptAliveMs(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let answeredAt = 0;
    connect(port, '127.0.0.1')
      .on('error', reject)
      .on('data', () => {
        answeredAt = performance.now();
      })
      .on('close', () => resolve(performance.now() - answeredAt))
      .write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
  });
}

async function workerOf({ ask, hubPort }: Matrix) {
  const { status, body } = await ask(hubPort, '/worker');
  return status === 200 ? (JSON.parse(body) as { pid: number; imported_by: number }) : undefined;
}

t.test('B03 every knob is in the command line of both real servers, and in what they do', async (t) => {
  const knobs = table.flatMap(([knob, hub, gateway]) => [
    [`HUB_${knob}`, hub],
    [`GW_${knob}`, gateway],
  ]);
  const matrix = await runMatrix(t, {
    gateway: 'real',
    env: {
      ...Object.fromEntries(knobs),
      ...{ HUB_PRELOAD: 'yes', GW_PRELOAD: '1', APP_MODULE: 'other:hub', GW_APP_MODULE: 'other:gateway' },
      ...{ HUB_MIGRATE: 'off', GW_ENV_DATABASE_URL: 'sqlite:///./mcp.db' },
    },
    prepare: (directory) => {
      const conf = 'gunicorn.conf.py';
      copyFileSync(join(import.meta.dirname, '../../deploy/matrix', conf), join(directory, 'gateway', conf));
      writeFileSync(join(directory, 'app/other.py'), 'from src.app import app as hub\n');
      writeFileSync(join(directory, 'gateway/other.py'), 'from mcpgateway.main import app as gateway\n');
    },
  });
  if (!matrix) return;
  await untilUp(matrix);
  const { ask, hubPort, gatewayPort, directory } = matrix;
  const [hub, gateway] = [await matrix.leader('hub'), await matrix.leader('gateway')];
  const read = (path: string) => readFileSync(join(directory, path), 'utf8');

  await t.test('the command lines', async (t) => {
    const flags = (values: readonly string[]) => table.map(([, , , flag], row) => `${flag} ${values[row]}`).join(' ');
    const cells = [
      [hub, 'other:hub', hubPort, flags(table.map(([, value]) => value))],
      [gateway, 'other:gateway', gatewayPort, flags(table.map(([, , value]) => value))],
    ] as const;
    for (const [pid, module, port, words] of cells) {
      const line = `${module} -k uvicorn.workers.UvicornWorker --bind 127.0.0.1:${port} ${words} --capture-output --preload`;
      t.equal(argvOf(pid).slice(2).join(' '), line);
    }
  });

  await t.test('WORKERS are counted', async () => {
    await until('two and three', () => matrix.workers(hub).length === 2 && matrix.workers(gateway).length === 3);
  });

  await t.test('PRELOAD: the application is loaded in the master, once, and the workers answer', async (t) => {
    t.match(await workerOf(matrix), { imported_by: hub });
    t.ok(hasLoadedApplication(gateway));
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(gatewayPort, '/health')));
    for (const { body } of answers) t.match(body, '"healthy"', 'it reads its database');
  });

  await t.test('KEEPALIVE: an idle connection is closed after so many seconds', async (t) => {
    const [ofHub, ofGateway] = await Promise.all([keptAliveMs(hubPort), keptAliveMs(gatewayPort)]);
    t.ok(ofHub > 1_900 && ofHub < 4_900, `2 s, less than the default 5; it took ${ofHub} ms`);
    t.ok(ofGateway > 900 && ofGateway < 4_900, `1 s; it took ${ofGateway} ms`);
  });

  await t.test('MAX_REQUESTS: other workers take over, and a request in flight is answered', async (t) => {
    const first = matrix.workers(hub);
    const inFlight = ask(hubPort, '/slow?seconds=1.5');
    await until('all are replaced', async () => {
      await ask(hubPort, '/');
      const now = matrix.workers(hub);
      return now.length === 2 && now.every((pid) => !first.includes(pid));
    });
    t.equal((await inFlight).status, 200);
  });

  await t.test('TIMEOUT: a stuck worker is replaced, the other one serves meanwhile', async (t) => {
    const before = matrix.workers(hub);
    const startedAt = performance.now();
    const stuck = ask(hubPort, '/stuck?seconds=50').then(({ body }) => ({ body, atMs: performance.now() - startedAt }));
    const other = await until('somebody serves', () => workerOf(matrix));
    const { body, atMs } = await stuck;
    t.notMatch(body, '"stuck"', 'killed in the middle of its request');
    t.ok(atMs > 1_500 && atMs < 20_000, `after 4 s, counted from its last sign of life; it took ${atMs} ms`);
    await until('two workers again', () => {
      const now = matrix.workers(hub);
      return now.length === 2 && now.some((pid) => !before.includes(pid)) && now.includes(other.pid);
    });
    t.equal((await until('it serves', () => workerOf(matrix))).imported_by, hub, 'by the same master');
    // A worker that is asked to stop before it has its handlers misses it.
    const hasStarted = (pid: number) => read('app/error.log').includes(`[${pid}] [INFO] Application startup complete`);
    await until('every worker has started', () => matrix.workers(hub).every(hasStarted));
  });

  await t.test('LOG_LEVEL, ACCESS_LOGFILE and ERROR_LOGFILE: in the service’s own directory', async (t) => {
    t.match(read('app/access.log'), '"GET /worker HTTP/1.1" 200');
    t.match(read('gateway/access.log'), '"GET /health HTTP/1.1" 200');
    t.notMatch(matrix.stdout, 'HTTP/1.1');
    t.match(read('app/error.log'), '[DEBUG]');
    t.notMatch(read('gateway/error.log'), '[INFO] Listening');
  });

  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
  await untilNobodyIsLeft(matrix);
});

t.test('B03 HUB_COMMAND and GW_COMMAND are the whole command line; no knob is added', async (t) => {
  const [hubPort, gatewayPort] = await freePorts(2);
  const commandOf = (module: string, port: number) =>
    `python3 -m gunicorn ${module} -k uvicorn.workers.UvicornWorker --bind 127.0.0.1:${port} --name 'a "b"'`;
  const matrix = await runMatrix(t, {
    env: {
      ...{ HUB_MIGRATE: 'off', PORT: String(hubPort), GW_PORT: String(gatewayPort) },
      ...{ HUB_TIMEOUT: '31', GW_MAX_REQUESTS: '5', HUB_PRELOAD: '1' },
      HUB_COMMAND: commandOf('src.app:app', hubPort),
      GW_COMMAND: commandOf('mcpgateway.main:app', gatewayPort),
    },
  });
  if (!matrix) return;
  await untilUp(matrix);
  for (const [service, module, port] of [
    ['hub', 'src.app:app', hubPort],
    ['gateway', 'mcpgateway.main:app', gatewayPort],
  ] as const) {
    const expected = ['-m', 'gunicorn', module, '-k', 'uvicorn.workers.UvicornWorker', '--bind', `127.0.0.1:${port}`];
    t.strictSame(argvOf(await matrix.leader(service)).slice(1), [...expected, '--name', 'a "b"']);
  }
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
});
