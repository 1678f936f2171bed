/** The main job on the real parts: MCP-Gateway from PyPI, a FastAPI hub, gunicorn, alembic. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { argvOf, hasLoadedApplication, runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { until } from '../support/until.ts';

const secret = () => randomBytes(24).toString('base64');

t.test('B01 B03 B04 B10 B12 B14 the real gateway and hub: in order, healthy, heard, stopped with 0', async (t) => {
  const matrix = await runMatrix(t, {
    gateway: 'real',
    env: {
      ...{ JWT_SECRET_KEY: secret(), AUTH_ENCRYPTION_SECRET: secret(), BASIC_AUTH_PASSWORD: secret() },
      GW_ENV_DATABASE_URL: 'sqlite:///./mcp.db',
      ...{ HUB_WORKERS: '', WORKER_MEMORY: '1g' },
    },
    prepare: (directory) => mkdirSync(join(directory, 'logs')),
  });
  if (!matrix) return;
  await untilUp(matrix);
  const order = matrix.records().filter(({ msg }) => msg === 'service state');
  t.strictSame(
    order.map(({ service, to }) => `${service} ${to}`),
    ['migrations', 'gateway', 'hub'].flatMap((name) => [
      `${name} starting`,
      `${name} ${name === 'migrations' ? 'completed' : 'ready'}`,
    ]),
  );

  const workers = (await matrix.record({ msg: 'number of workers', service: 'hub' })) as unknown as {
    workers: number;
    reason: string;
  };
  t.match(workers.reason, /CPUs|memory/, 'B04 the number of workers and its reason are logged');
  const [hub, gateway] = [await matrix.leader('hub'), await matrix.leader('gateway')];
  const lineOf = (module: string, port: number, count: number) =>
    `${module} -k uvicorn.workers.UvicornWorker --bind 127.0.0.1:${port} --workers ${count} --timeout 60` +
    ' --graceful-timeout 3 --keep-alive 5 --max-requests 1000 --max-requests-jitter 100 --access-logfile -' +
    ' --error-logfile - --log-level info --capture-output';
  const ofHub = lineOf('src.app:app', matrix.hubPort, workers.workers);
  t.equal(argvOf(hub).slice(2).join(' '), ofHub, 'B03 the defaults');
  t.equal(argvOf(gateway).slice(2).join(' '), lineOf('mcpgateway.main:app', matrix.gatewayPort, 1));
  t.notOk(hasLoadedApplication(hub) || hasLoadedApplication(gateway), 'each worker loads the application itself');
  await until('all workers are there', () => matrix.workers(hub).length === workers.workers);

  const { ask, hubPort } = matrix;
  t.same(JSON.parse((await ask(hubPort, '/health?check_db=true')).body), { status: 'ok', db: 'ok' });
  t.match(JSON.parse((await ask(hubPort, '/gateway')).body), {
    url: `http://127.0.0.1:${matrix.gatewayPort}/health`,
    health: { status: /^healthy$/ },
  });
  t.equal((await ask(hubPort, '/entities/a', 'PUT')).status, 201, 'the migrations made the table');
  t.same(JSON.parse((await ask(hubPort, '/entities')).body), ['a']);
  t.ok(existsSync(join(matrix.directory, 'gateway/mcp.db')), "the gateway's state is where its own DATABASE_URL says");
  t.equal((await matrix.tandem('health')).code, 0);
  t.match(matrix.stdout, /"GET \/entities HTTP\/1.1" 200/, "B13 the access log is the container's output");

  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
  const stopped = matrix.records().filter(({ to }) => to === 'stopped');
  t.strictSame(
    stopped.map(({ service, reason }) => `${service} ${reason}`),
    ['hub exit 0', 'gateway exit 0'],
  );
  await untilNobodyIsLeft(matrix);
});

t.test('HUP and USR1 reach gunicorn: it reloads its workers and reopens its log, and nothing ends', async (t) => {
  const matrix = await runMatrix(t, { env: { HUB_ERROR_LOGFILE: '../hub.log', GATEWAY_SKIP_START: '1' } });
  if (!matrix) return;
  await untilUp(matrix);
  const hub = await matrix.leader('hub');
  const [first] = matrix.workers(hub);
  await matrix.signal('SIGHUP');
  await until('another worker serves alone', () => {
    const [only, ...others] = matrix.workers(hub);
    return only !== undefined && only !== first && others.length === 0;
  });
  const log = join(matrix.directory, 'hub.log');
  renameSync(log, `${log}.1`);
  await matrix.signal('SIGUSR1');
  await until('the log is opened anew', () => existsSync(log));
  t.match(readFileSync(`${log}.1`, 'utf8'), /signal: hup/i);
  await until('the hub answers', async () => (await matrix.ask(matrix.hubPort, '/health')).status === 200);
  await matrix.signal('SIGUSR2');
  await matrix.record({ msg: 'signal is not forwarded' });
  await matrix.signal('SIGINT');
  t.equal((await matrix.exited).code, 0, 'B12 INT is a graceful stop: gunicorn gets TERM');
  t.match(readFileSync(log, 'utf8'), /Handling signal: term/i);
  await untilNobodyIsLeft(matrix);
});
