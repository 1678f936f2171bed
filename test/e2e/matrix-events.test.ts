/**
 * What happens to a running pair, and what comes of it: one table of event x {exit code, last words, health, survivors}. Each
 * cell was derived before it was run; its `because` says from what. BEHAVIOURS' numbers, sections of DESIGN. Survivors are
 * none, always: DESIGN "Groups", after the leader's exit the rest of its group is ended.
 */
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { HealthReport } from '../../src/core/health.ts';
import type { JsonPattern } from '../../src/core/spec.ts';
import { mismatch } from '../../src/host/json-match.ts';
import {
  argvOf,
  inFlight,
  kill,
  type Matrix,
  type MatrixOptions,
  python,
  runMatrix,
  untilNobodyIsLeft,
  untilUp,
} from '../support/matrix.ts';
import { postgres } from '../support/postgres.ts';
import { partOf } from '../support/python.ts';
import { until } from '../support/until.ts';

/** Probes are 10 s apart, may take 3 s each, and three failures count: `defaultTiming`. */
const noticedWithinMs = 3 * (10_000 + 3_000) + 5_000;

/** Long enough for a look at the health report while the other one stops. */
const slowStop = { HUB_GRACEFUL_TIMEOUT: '8', GW_GRACEFUL_TIMEOUT: '8' };

interface Cell {
  readonly event: string;
  /** From what the other fields were derived. */
  readonly because: string;
  readonly options?: MatrixOptions | ((t: Test, scene: Scene) => Promise<MatrixOptions | undefined>);
  /** When it happens. Default: everything is up. */
  readonly when?: (matrix: Matrix) => Promise<unknown>;
  readonly happens?: (matrix: Matrix, scene: Scene, t: Test) => unknown;
  readonly health?: Health;
  /** After `health`: it passes, and everything is healthy again. */
  readonly passes?: (matrix: Matrix, scene: Scene) => unknown;
  /** How it ends: the container's code and its last words. A run that goes on is ended by the test with SIGTERM. */
  readonly ends: 'goes on' | { readonly code: number; readonly reason: string | RegExp };
  /** The state that the hub never comes into. */
  readonly hubIsNever?: 'starting' | 'ready';
}

/** The report while the event lasts, and the one line of `tandem health`, which ends with 0 only for `healthy`. */
interface Health {
  readonly status: HealthReport['status'];
  readonly live: boolean;
  readonly components?: Readonly<Record<string, object>>;
  readonly reason?: string;
  readonly line: RegExp;
}

/** What an event brings with it besides the pair. */
interface Scene {
  database?: { stop(): Promise<void>; start(): Promise<void> };
  worker?: number;
}

const sick = (matrix: Matrix) => join(matrix.env['APP_ROOT'] ?? '', 'mcpgateway/sick');
const makeSick = (path: string) => closeSync(openSync(path, 'w'));

const real: MatrixOptions = { gateway: 'real', env: { HUB_MIGRATE: 'off', GW_ENV_DATABASE_URL: 'sqlite:///./mcp.db' } };
const light: MatrixOptions = { env: { HUB_MIGRATE: 'off' } };
const hubAlone = { GATEWAY_SKIP_START: '1', HUB_MIGRATE: 'off' };

/** The master of a gunicorn, also where tandem is PID 1 and its log has pids of another namespace. */
async function masterOf(matrix: Matrix, module: string): Promise<number> {
  return until(
    `the master of ${module} runs`,
    () => {
      const all = matrix.survivors().filter((pid) => argv(pid).some((word) => word.startsWith(module)));
      return all.find((pid) => matrix.workers(pid).some((child) => all.includes(child)));
    },
    python,
  );
}

function argv(pid: number): readonly string[] {
  try {
    return argvOf(pid);
  } catch {
    return [];
  }
}

/** All processes of the gateway. */
async function gatewayProcesses(matrix: Matrix): Promise<number[]> {
  const master = await matrix.leader('gateway');
  return [master, ...matrix.workers(master)];
}

/**
 * The first worker makes the directory and answers once; whoever asks again waits for the end of it. The other worker has
 * answered nobody when it fails, after that one answer.
 */
const crashing = `
import asyncio, os, time
from mcpgateway.mcpgateway.main import app as gateway
try:
    os.mkdir('first')
    async def app(scope, receive, send):
        if scope['type'] == 'http' and os.path.exists('answered'):
            await asyncio.sleep(60)
        await gateway(scope, receive, send)
        if scope['type'] == 'http':
            os.makedirs('answered')
except FileExistsError:
    while not os.path.exists('answered'):
        time.sleep(0.01)
    time.sleep(0.2)
    raise RuntimeError('cannot boot')
`;

const cells: readonly Cell[] = [
  {
    event: 'the database of both is stopped, and comes back',
    because:
      'B61: health changes, only liveness ends a container; B21: `db` and a 200 that says "unhealthy" are unhealthy; defaultTiming; ' +
      'the same question heals',
    options: async (t, scene) => {
      const server = await postgres(t, { databases: ['hub', 'gateway'], password: 'pw' });
      if (!server) return undefined;
      scene.database = server;
      const env = { DATABASE_URL: server.url('hub'), GW_ENV_DATABASE_URL: server.url('gateway') };
      return { gateway: 'real', env: { ...env, HUB_HEALTH_PATH: '/health?check_db=true' } };
    },
    happens: (_, { database }) => database?.stop(),
    health: {
      status: 'unhealthy',
      live: true,
      components: {
        migrations: { status: 'completed' },
        gateway: { status: 'unhealthy', state: 'unready', reason: 'status is "unhealthy"' },
        hub: { status: 'unhealthy', state: 'unready', reason: 'component "db" is "error"' },
      },
      line: /^unhealthy: gateway unhealthy: status is "unhealthy", hub unhealthy: component "db" is "error"$/m,
    },
    passes: (_, { database }) => database?.start(),
    ends: 'goes on',
  },
  {
    event: 'the gateway is stopped by SIGSTOP, and then the container is',
    because:
      'B61; no answer within the 3 s of a probe. DESIGN "Groups": the leader is asked, ARCHITECTURE: SIGCONT follows; its workers stay ' +
      'stopped and end by gunicorn within its own grace, so B12: a clean stop, 0',
    options: real,
    happens: async (matrix) => {
      for (const pid of await gatewayProcesses(matrix)) kill(pid, 'SIGSTOP');
    },
    health: {
      status: 'unhealthy',
      live: true,
      components: {
        gateway: { status: 'unhealthy', state: 'unready', reason: 'no answer within 3000 ms' },
        hub: { status: 'healthy' },
      },
      line: /^unhealthy: gateway unhealthy: no answer within 3000 ms$/m,
    },
    ends: 'goes on',
  },
  {
    event: 'the gateway is out of workers: they hang',
    because:
      'B61, as above; the master lives, so B11 does not apply; gunicorn replaces a worker that is silent for --timeout (B03), and the ' +
      'new ones answer',
    options: { ...real, env: { ...real.env, GW_TIMEOUT: '45' } },
    happens: async (matrix, scene) => {
      const workers = (await gatewayProcesses(matrix)).slice(1);
      scene.worker = workers[0] ?? 0;
      for (const pid of workers) kill(pid, 'SIGSTOP');
    },
    health: {
      status: 'unhealthy',
      live: true,
      components: { gateway: { status: 'unhealthy', reason: 'no answer within 3000 ms' }, hub: { status: 'healthy' } },
      line: /^unhealthy: gateway unhealthy: no answer within 3000 ms$/m,
    },
    passes: () => {},
    ends: 'goes on',
  },
  {
    event: 'the gateway answers 200 with "status":"unhealthy"',
    because:
      'B21, B61: the word counts, not the 200; nothing ends for it, and SIGTERM is a clean stop meanwhile, too (B12)',
    options: light,
    happens: async (matrix, _, t) => {
      makeSick(sick(matrix));
      const url = `http://127.0.0.1:${matrix.gatewayPort}/health`;
      t.match(await matrix.ask(matrix.gatewayPort, '/health'), { status: 200, body: '"unhealthy"' });
      t.match(await matrix.tandem('health', '--timeout', '1s', '--url', url), {
        code: 1,
        output: 'status is "unhealthy"',
      });
    },
    health: {
      status: 'unhealthy',
      live: true,
      components: {
        gateway: { status: 'unhealthy', state: 'unready', reason: 'status is "unhealthy"' },
        hub: { status: 'healthy' },
      },
      line: /^unhealthy: gateway unhealthy: status is "unhealthy"$/m,
    },
    ends: 'goes on',
  },
  {
    event: 'another gateway (GW_COMMAND) does so, and gets well',
    because: 'as above, whatever the command is (B03); one success is enough (defaultTiming)',
    options: { env: { ...light.env, GW_COMMAND: 'python3 sick-or-not.py' }, prepare: writeGateway },
    happens: (matrix) => makeSick(sick(matrix)),
    health: {
      status: 'unhealthy',
      live: true,
      components: { gateway: { status: 'unhealthy', reason: 'status is "unhealthy"' }, hub: { status: 'healthy' } },
      line: /^unhealthy: gateway unhealthy: status is "unhealthy"$/m,
    },
    passes: (matrix) => rmSync(sick(matrix)),
    ends: 'goes on',
  },
  {
    event: 'the gateway answers 200 with "unhealthy" from the start',
    because: 'B01: not ready, so B08: 69 at GW_READY_TIMEOUT, the hub never started. DESIGN: ready is never assumed',
    options: {
      env: { ...light.env, GW_READY_TIMEOUT: '12' },
      prepare: (directory) => makeSick(join(directory, 'app/mcpgateway/sick')),
    },
    when: (matrix) => matrix.record({ service: 'gateway', to: 'starting' }),
    health: {
      status: 'starting',
      live: true,
      components: {
        gateway: { status: 'starting', probe: { ok: false, reason: 'status is "unhealthy"' } },
        hub: { status: 'pending' },
      },
      line: /^unhealthy: gateway starting: status is "unhealthy", hub pending: not started yet$/m,
    },
    ends: { code: 69, reason: '"gateway" is not ready within 12 s: status is "unhealthy"' },
    hubIsNever: 'starting',
  },
  {
    event: 'the gateway is killed -9, a request of the hub in flight',
    because:
      'B11: the other is stopped gracefully, 128+9; B55: the reason in the last line and, while the hub drains, in the report; live is ' +
      'false once an essential service is lost. Its workers outlive a master: the group is ended',
    options: { ...real, env: { ...real.env, ...slowStop } },
    happens: async (matrix) => {
      await inFlight(matrix, matrix.hubPort, '/slow?seconds=60');
      kill(await matrix.leader('gateway'));
    },
    health: {
      status: 'stopping',
      live: false,
      reason: '"gateway" ended by itself: SIGKILL',
      components: {
        gateway: { status: 'unhealthy', state: 'failed', reason: 'SIGKILL', exit: { signal: 'SIGKILL' } },
        hub: { status: 'stopping', reason: 'requested' },
      },
      line: /^unhealthy: gateway unhealthy: SIGKILL, hub stopping/m,
    },
    ends: { code: 137, reason: '"gateway" ended by itself: SIGKILL' },
  },
  {
    event: 'the hub is killed -9, a request of the gateway in flight, tandem as PID 1',
    because: 'B11, B55 as above with the parts exchanged; PID 1 ends whatever is left',
    options: { env: { ...light.env, ...slowStop }, asInit: true },
    happens: async (matrix) => {
      await inFlight(matrix, matrix.gatewayPort, '/slow');
      kill(await masterOf(matrix, 'src.app'));
    },
    health: {
      status: 'stopping',
      live: false,
      reason: '"hub" ended by itself: SIGKILL',
      components: {
        gateway: { status: 'stopping', reason: 'requested' },
        hub: { status: 'unhealthy', state: 'failed', reason: 'SIGKILL' },
      },
      line: /^unhealthy: gateway stopping.*, hub unhealthy: SIGKILL$/m,
    },
    ends: { code: 137, reason: '"hub" ended by itself: SIGKILL' },
  },
  {
    event: 'both are killed -9 at once',
    because: 'B11: the first one noticed decides, and both ends are the same. No health: nobody is left to wait for',
    options: real,
    happens: async (matrix) => {
      const masters = [await matrix.leader('gateway'), await matrix.leader('hub')];
      for (const pid of masters) kill(pid);
    },
    ends: { code: 137, reason: /^"(gateway|hub)" ended by itself: SIGKILL$/ },
  },
  {
    event: 'the gateway is killed -9 before it is ready',
    because: "B08: the wait ends at once, its code is the container's, the hub is never started",
    options: real,
    when: (matrix) => masterOf(matrix, 'mcpgateway.main'),
    happens: async (matrix) => kill(await masterOf(matrix, 'mcpgateway.main')),
    ends: { code: 137, reason: '"gateway" ended by itself: SIGKILL' },
    hubIsNever: 'starting',
  },
  {
    event: 'a worker of the hub is killed -9',
    because: "B11 speaks of the service, whose leader lives: gunicorn's own affair, and no three probes fail (B61)",
    options: light,
    happens: async (matrix) => {
      const [worker = 0] = matrix.workers(await matrix.leader('hub'));
      kill(worker);
      await until(
        'another one serves',
        async () => {
          const { status, body } = await matrix.ask(matrix.hubPort, '/worker');
          return status === 200 && JSON.parse(body).pid !== worker;
        },
        python,
      );
    },
    health: {
      status: 'healthy',
      live: true,
      components: { gateway: { status: 'healthy' }, hub: { status: 'healthy', restarts: 0 } },
      line: /^healthy: /m,
    },
    ends: 'goes on',
  },
  {
    event: 'all workers of both are killed -9',
    because: 'as above',
    options: { env: { ...light.env, HUB_WORKERS: '2', GW_WORKERS: '2' } },
    happens: async (matrix) => {
      const masters = [await matrix.leader('gateway'), await matrix.leader('hub')];
      const before = masters.flatMap((pid) => matrix.workers(pid));
      for (const pid of before) kill(pid);
      await until(
        'both have new ones',
        () => masters.every((pid) => matrix.workers(pid).filter((worker) => !before.includes(worker)).length === 2),
        python,
      );
      for (const port of [matrix.gatewayPort, matrix.hubPort]) {
        await until('they serve', async () => (await matrix.ask(port, '/health')).status === 200, python);
      }
    },
    health: {
      status: 'healthy',
      live: true,
      components: { gateway: { status: 'healthy', restarts: 0 }, hub: { status: 'healthy', restarts: 0 } },
      line: /^healthy: /m,
    },
    ends: 'goes on',
  },
  {
    event: "the gateway's workers are killed -9, and new ones cannot boot",
    because: 'gunicorn gives up with 3 (FACTS: bad boot is 3); B11: its own code',
    options: light,
    happens: async (matrix) => {
      const workers = (await gatewayProcesses(matrix)).slice(1);
      writeFileSync(
        join(matrix.env['APP_ROOT'] ?? '', 'mcpgateway/mcpgateway/main.py'),
        'raise RuntimeError("broken")\n',
      );
      for (const pid of workers) kill(pid);
    },
    ends: { code: 3, reason: '"gateway" ended by itself: exit 3' },
  },
  {
    event: 'a hub of uvicorn alone is killed -9',
    because: 'B11: there is no master, the process is the service',
    options: {
      env: { ...hubAlone, HUB_VENV: 'app/.venv' },
      prepare: (directory, whole) => partOf(whole, join(directory, 'app/.venv'), ['uvicorn']),
    },
    happens: async (matrix) => kill(await matrix.leader('hub')),
    ends: { code: 137, reason: '"hub" ended by itself: SIGKILL' },
  },
  {
    event: 'the hub ends by itself with 0',
    because: 'B11: an unasked 0 becomes 1; B55: the reason says the 0',
    options: light,
    happens: async (matrix) => kill(await matrix.leader('hub'), 'SIGTERM'),
    ends: { code: 1, reason: '"hub" ended by itself: exit 0' },
  },
  {
    event: 'the gateway ends by itself with 0',
    because: 'B11 is the same for either',
    options: light,
    happens: async (matrix) => kill(await matrix.leader('gateway'), 'SIGTERM'),
    ends: { code: 1, reason: '"gateway" ended by itself: exit 0' },
  },
  {
    event: 'the database is not there from the start',
    because: 'the hub does not boot without it, and gunicorn ends with 3; B11: its own code, also before it was ready',
    options: { env: { ...hubAlone, DATABASE_URL: 'sqlite:////nowhere/at/all.db' } },
    when: async () => {},
    ends: { code: 3, reason: '"hub" ended by itself: exit 3' },
    hubIsNever: 'ready',
  },
  {
    event: 'a worker of the hub cannot boot, after the other one has answered',
    because:
      'DESIGN: ready is never assumed, so one 200 of several workers is none (settleMs); gunicorn ends with 3, B11',
    options: {
      env: { ...hubAlone, HUB_WORKERS: '2', HUB_GRACEFUL_TIMEOUT: '1', APP_MODULE: 'crashing:app' },
      prepare: (directory) => writeFileSync(join(directory, 'app/crashing.py'), crashing),
    },
    when: (matrix) => until('it answers', () => /GET \/health.*200/.test(matrix.stdout + matrix.stderr), python),
    ends: { code: 3, reason: '"hub" ended by itself: exit 3' },
    hubIsNever: 'ready',
  },
];

/** A gateway of nobody's: health is what the file `sick` makes it. */
function writeGateway(directory: string): void {
  const lines = [
    'import http.server, os',
    'class Gateway(http.server.BaseHTTPRequestHandler):',
    '    def do_GET(self):',
    '        self.send_response(200)',
    '        self.send_header("content-type", "application/json")',
    '        self.end_headers()',
    '        self.wfile.write(b\'{"status":"unhealthy"}\' if os.path.exists("sick") else b\'{"status":"healthy"}\')',
    'http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Gateway).serve_forever()',
  ];
  writeFileSync(join(directory, 'app/mcpgateway/sick-or-not.py'), `${lines.join('\n')}\n`);
}

/** Waits for the report: probes are asked now and then, and components turn one after the other. */
async function seeHealth(t: Test, matrix: Matrix, { line, ...expected }: Health): Promise<void> {
  const pattern = { ...expected, ready: expected.status === 'healthy' } as JsonPattern;
  let differs: string | undefined;
  await until(
    'the report is as expected',
    async () => {
      differs = mismatch(pattern, await matrix.report());
      return differs === undefined;
    },
    { withinMs: noticedWithinMs, everyMs: 20 },
  ).catch((error: Error) => t.fail(`${error.message}: ${differs}`));
  const { code, output } = await matrix.tandem('health', '--timeout', '2s');
  t.equal(code, expected.status === 'healthy' ? 0 : 1, output);
  t.match(output, line);
}

t.setTimeout(300_000);

// Most of the time is waiting for probes.
t.jobs = 4;

for (const { event, because, options, when, happens, health, passes, ends, hubIsNever } of cells) {
  const title = ends === 'goes on' ? 'goes on' : String(ends.code);
  t.test(`B11 B55 B61 ${event}: ${title}, nobody is left`, { buffered: true }, async (t) => {
    t.comment(because);
    t.setTimeout(300_000);
    const scene: Scene = {};
    const chosen = typeof options === 'function' ? await options(t, scene) : options;
    const matrix = chosen && (await runMatrix(t, chosen));
    if (!matrix) return;
    t.setTimeout(300_000);
    if (when) await when(matrix);
    else {
      await untilUp(matrix);
      t.equal((await matrix.tandem('health')).code, 0, 'healthy before');
    }
    await happens?.(matrix, scene, t);
    if (health) await seeHealth(t, matrix, health);
    if (passes) {
      await passes(matrix, scene);
      await seeHealth(t, matrix, { status: 'healthy', live: true, line: /^healthy: .*gateway healthy, hub healthy$/m });
    }
    if (ends === 'goes on') {
      t.notOk(matrix.records().some(({ msg }) => msg === 'tandem ends'));
      await matrix.signal('SIGTERM');
    }
    const expected = ends === 'goes on' ? { code: 0, reason: 'stopped by SIGTERM' } : ends;
    t.equal((await matrix.exited).code, expected.code);
    t.match(matrix.records().at(-1), { msg: 'tandem ends', ...expected });
    if (hubIsNever) t.notOk(matrix.records().some(({ service, to }) => service === 'hub' && to === hubIsNever));
    await untilNobodyIsLeft(matrix);
  });
}
