/**
 * What ends the container and with which code, on real gunicorns: a table of event x {code, health, survivors}. Each
 * cell follows from B11, B55 and B61.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  argvOf,
  kill,
  type Matrix,
  type MatrixOptions,
  runMatrix,
  untilNobodyIsLeft,
  untilUp,
} from '../support/matrix.ts';
import { until } from '../support/until.ts';

interface Cell {
  readonly event: string;
  readonly happens: (matrix: Matrix) => unknown;
  readonly code: number;
  /** In the last line. */
  readonly reason: string;
  readonly options?: MatrixOptions;
}

const cells: readonly Cell[] = [
  {
    event: "the gateway's master is killed -9",
    happens: async (matrix) => kill(await matrix.leader('gateway')),
    code: 137,
    reason: '"gateway" ended by itself: SIGKILL',
  },
  {
    event: "the hub's master is killed -9, as PID 1",
    happens: async (matrix) => {
      const pid = await until('the hub runs', () => matrix.survivors().find((one) => isMaster(matrix, one, 'src.app')));
      kill(pid);
    },
    code: 137,
    reason: '"hub" ended by itself: SIGKILL',
    options: { asInit: true },
  },
  {
    event: 'both are killed -9 at once',
    happens: async (matrix) => {
      const masters = [await matrix.leader('gateway'), await matrix.leader('hub')];
      for (const pid of masters) kill(pid);
    },
    code: 137,
    reason: 'ended by itself: SIGKILL',
  },
  {
    event: 'the hub is stopped by somebody else, which is 0',
    happens: async (matrix) => kill(await matrix.leader('hub'), 'SIGTERM'),
    code: 1,
    reason: '"hub" ended by itself: exit 0',
  },
];

function isMaster(matrix: Matrix, pid: number, module: string): boolean {
  return argv(pid).some((word) => word.startsWith(module)) && matrix.workers(pid).length > 0;
}

function argv(pid: number): readonly string[] {
  try {
    return argvOf(pid);
  } catch {
    return [];
  }
}

for (const { event, happens, code, reason, options } of cells) {
  t.test(`B11 ${event}: ${code}, and nobody is left`, async (t) => {
    const matrix = await runMatrix(t, { ...options, env: { HUB_MIGRATE: 'off', HUB_WORKERS: '2' } });
    if (!matrix) return;
    await untilUp(matrix);
    t.equal((await matrix.tandem('health')).code, 0);
    await happens(matrix);
    t.equal((await matrix.exited).code, code);
    t.match(matrix.records().at(-1), { msg: 'tandem ends', reason });
    await untilNobodyIsLeft(matrix);
  });
}

t.test('a dead worker is the affair of gunicorn; B21 a 200 that says "unhealthy" is none', async (t) => {
  const matrix = await runMatrix(t, { env: { HUB_MIGRATE: 'off' } });
  if (!matrix) return;
  await untilUp(matrix);
  const hub = await matrix.leader('hub');
  const [worker = 0] = matrix.workers(hub);
  kill(worker);
  await until('another one serves', async () => {
    const { status, body } = await matrix.ask(matrix.hubPort, '/worker');
    return status === 200 && JSON.parse(body).pid !== worker;
  });
  t.equal((await matrix.tandem('health')).code, 0);
  closeSync(openSync(join(matrix.env['APP_ROOT'] ?? '', 'mcpgateway/sick'), 'w'));
  const { body } = await matrix.ask(matrix.gatewayPort, '/health');
  t.match(body, '"unhealthy"');
  const url = `http://127.0.0.1:${matrix.gatewayPort}/health`;
  const asked = await matrix.tandem('health', '--timeout', '500ms', '--url', url);
  t.equal(asked.code, 1);
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
});

t.test('a gateway that is unhealthy from the start is not ready: 69, and the hub is never started', async (t) => {
  const matrix = await runMatrix(t, {
    env: { HUB_MIGRATE: 'off', GW_READY_TIMEOUT: '2' },
    prepare: (directory) => closeSync(openSync(join(directory, 'app/mcpgateway/sick'), 'w')),
  });
  if (!matrix) return;
  t.equal((await matrix.exited).code, 69);
  t.match(matrix.records().at(-1)?.reason, /"gateway" is not ready within 2 s: .*unhealthy/);
  t.notOk(matrix.records().some(({ service, to }) => service === 'hub' && to === 'starting'));
  await untilNobodyIsLeft(matrix);
});

t.test("B11 a database that is not there: gunicorn's 3 is the container's", async (t) => {
  const matrix = await runMatrix(t, {
    env: { HUB_MIGRATE: 'off', GATEWAY_SKIP_START: '1', DATABASE_URL: 'sqlite:////nowhere/at/all.db' },
  });
  if (!matrix) return;
  t.equal((await matrix.exited).code, 3);
  t.match(matrix.records().at(-1)?.reason, '"hub" ended by itself: exit 3');
  await untilNobodyIsLeft(matrix);
});

/** The first worker makes the directory and serves; the other one has served nobody when it fails, 200 ms after the first answer. */
const crashing = `
import os, time
from mcpgateway.mcpgateway.main import app as gateway
try:
    os.mkdir('first')
    async def app(scope, receive, send):
        await gateway(scope, receive, send)
        if scope['type'] == 'http':
            os.makedirs('answered', exist_ok=True)
except FileExistsError:
    while not os.path.exists('answered'):
        time.sleep(0.01)
    time.sleep(0.2)
    raise RuntimeError('cannot boot')
`;

t.test('a worker that crashes at boot after the first 200: the hub is never taken for ready', async (t) => {
  const matrix = await runMatrix(t, {
    env: { HUB_MIGRATE: 'off', GATEWAY_SKIP_START: '1', HUB_WORKERS: '2', APP_MODULE: 'crashing:app' },
    prepare: (directory) => writeFileSync(join(directory, 'app/crashing.py'), crashing),
  });
  if (!matrix) return;
  t.equal((await matrix.exited).code, 3);
  t.match(matrix.stdout + matrix.stderr, /GET \/health.*200/, 'it had answered');
  t.notOk(matrix.records().some(({ service, to }) => service === 'hub' && to === 'ready'));
});
