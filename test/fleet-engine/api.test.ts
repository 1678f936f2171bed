/** B42 on a real engine: the ten endpoints of the seed, as its users call them. */
import t from 'tap';
import { everythingOverHttp, type Fleet, memory, mute, needsEngine, Scene } from './fleet.ts';

const root = '/api/docker';

t.test('B42 the API', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const names = ['stdio', 'http', 'no-image', 'no-registry', 'dies', 'mute'].map((name) => scene.name(name));
  const [stdio = '', http = '', noImage = '', noRegistry = '', dies = '', silent = ''] = names;
  const fleet = await scene.start({
    docker: {
      maxContainers: 7,
      serverConfigs: {
        [stdio]: memory,
        [http]: everythingOverHttp,
        [noImage]: { image: 'tandem-test-fleet:nowhere' },
        // Port 9 is nobody's.
        [noRegistry]: { image: 'localhost:9/tandem-test-fleet:nowhere' },
        [dies]: { command: ['sh', '-c', 'exit 3'] },
        [silent]: { ...mute, startTimeout: '1s' },
      },
    },
  });
  const get = (path: string) => fleet.api('GET', `${root}${path}`);
  const post = (path: string, body?: unknown) => fleet.api('POST', `${root}${path}`, body);
  const idOf = async (server: string) => (await scene.inspect(server))?.Id;

  await t.test('GET /status', async (t) => {
    const { status, body } = await get('/status');
    t.equal(status, 200);
    t.same(body, {
      enabled: true,
      strategy: 'on-demand',
      maxContainers: 7,
      containerCount: 0,
      connectionCount: 0,
    });
  });

  await t.test('GET /containers, GET /containers/:server', async (t) => {
    const { status, body } = await get('/containers');
    const containers = names.map((server) => ({
      server,
      configured: true,
      containerState: 'absent',
      endpoint: null,
      connected: false,
      strategy: 'on-demand',
      startedAt: null,
      stoppedAt: null,
      error: null,
    }));
    t.equal(status, 200);
    t.same(body, { containers });
    t.same(await get(`/containers/${stdio}`).then((one) => one.body), containers[0]);
  });

  await t.test('POST …/start, without a body: connected', async (t) => {
    const { status, body } = await post(`/containers/${stdio}/start`);
    t.equal(status, 200);
    t.same(body, { success: true, server: stdio, endpoint: 'stdio', connected: true });
    const view = await fleet.view(stdio);
    t.match(view, { containerState: 'running', connected: true, stoppedAt: null, error: null });
    const inspected = await scene.inspect(stdio);
    t.equal(Date.parse(String(view['startedAt'])), Math.floor(Date.parse(inspected?.State.StartedAt ?? '')));
    t.match((await get('/status')).body, { containerCount: 1 });
  });

  await t.test('POST …/start with {"connect": false}: runs, and is connected by the next one', async (t) => {
    const { status, body } = await post(`/containers/${http}/start`, { connect: false });
    t.equal(status, 200);
    t.match(body, { success: true, server: http, endpoint: /^http:\/\/[\d.]+:3001\/mcp$/, connected: false });
    t.ok(await scene.runs(http));
    t.match(await post(`/containers/${http}/start`, { connect: true }), { status: 200, body: { connected: true } });
    t.equal((await scene.events('start', http)).length, 1);
  });

  await t.test('POST …/stop: the container stays, and is started again', async (t) => {
    const before = await idOf(stdio);
    t.same(await answered(post(`/containers/${stdio}/stop`, { remove: false })), {
      status: 200,
      body: { success: true, server: stdio, removed: false },
    });
    t.equal(await scene.runs(stdio), false);
    t.match(await fleet.view(stdio), { containerState: 'stopped', connected: false, stoppedAt: /^20/, error: null });
    t.match(await post(`/containers/${stdio}/start`, {}), { status: 200, body: { connected: true } });
    t.equal(await idOf(stdio), before);
  });

  await t.test('POST …/restart: another container, also for those who have no body', async (t) => {
    const before = await idOf(stdio);
    t.same(await answered(post(`/containers/${stdio}/restart`, { connect: true })), {
      status: 200,
      body: { success: true, server: stdio, endpoint: 'stdio', connected: true },
    });
    const between = await idOf(stdio);
    t.not(between, before);
    t.match(await post(`/containers/${stdio}/restart`, { connect: false }), {
      status: 200,
      body: { success: true, connected: false },
    });
    t.not(await idOf(stdio), between);
    t.ok(await scene.runs(stdio));
  });

  await t.test('POST …/stop with {"remove": true}: nothing is left, and sessions are over', async (t) => {
    const session = await fleet.greet(http);
    t.same(await answered(post(`/containers/${http}/stop`, { remove: true })), {
      status: 200,
      body: { success: true, server: http, removed: true },
    });
    t.equal(await idOf(http), undefined);
    const over = await fleet.post(http, { id: 1, method: 'ping' }, session);
    t.equal(over.status, 404);
    t.equal(await idOf(http), undefined, 'a session that is over does not start it');
    t.match((await get('/status')).body, { connectionCount: 0 });
  });

  await t.test('POST /cleanup: what does not run is taken away', async (t) => {
    await fleet.greet(http);
    await post(`/containers/${stdio}/stop`, { remove: false });
    t.same(await answered(post('/cleanup')), {
      status: 200,
      body: { success: true, removed: [`mcp-hub-${stdio}`], failed: [] },
    });
    t.equal(await idOf(stdio), undefined);
    t.ok(await scene.runs(http));
    await fleet.is(stdio, 'absent');
  });

  await t.test('POST /images/pull: a failure is none of success', async (t) => {
    const { status, body } = await post('/images/pull', { servers: [noRegistry] });
    t.equal(status, 502);
    t.match(body, {
      success: false,
      results: { successful: [], failed: [{ server: noRegistry, error: /localhost:9/ }] },
    });
    const headers = { accept: 'text/event-stream' };
    const stream = await fleet.ask('POST', `${root}/images/pull`, { servers: [noRegistry] }, headers);
    t.match(stream.headers.get('content-type'), 'text/event-stream');
    const [, event, data = ''] = /^event: (.*)\ndata: (.*)$/m.exec(stream.text) ?? [];
    t.equal(event, 'result');
    t.same(JSON.parse(data), body);
  });

  await t.test('failures have their codes, and leave nothing that runs', async (t) => {
    const failures = [
      [noImage, 424, 'IMAGE_MISSING', /tandem-test-fleet:nowhere/, false],
      [dies, 502, 'SERVER_FAILED', /ended with 3/, true],
      [silent, 504, 'SERVER_TIMEOUT', /within 1 s/, true],
    ] as const;
    await Promise.all(
      failures.map(async ([server, status, code, error, hasLog]) => {
        const answer = await post(`/containers/${server}/start`, {});
        t.match(answer, { status, body: { success: false, code, error } }, server);
        t.match(await fleet.post(server, { id: 1, method: 'ping' }).then((one) => one.json()), { code });
        t.match(await fleet.view(server), { containerState: 'failed', error, connected: false });
        t.equal(await scene.runs(server), false, `nothing runs of ${server}`);
        // For `docker logs`, as the seed advises where a container will not start.
        t.equal((await idOf(server)) !== undefined, hasLog, server);
      }),
    );
  });

  await t.test('what is asked wrongly is refused, and nothing is done', async (t) => {
    const before = (await scene.events('create')).length;
    const wrong = [
      [await get('/containers/nobody'), 404, 'UNKNOWN_SERVER'],
      [await post('/containers/nobody/start'), 404, 'UNKNOWN_SERVER'],
      [await post('/containers/nobody/stop'), 404, 'UNKNOWN_SERVER'],
      [await post('/containers/nobody/restart'), 404, 'UNKNOWN_SERVER'],
      [await post('/images/pull', { servers: ['nobody'] }), 404, 'UNKNOWN_SERVER'],
      [await post('/images/pull', {}), 400, 'BAD_REQUEST'],
      [await post(`/containers/${stdio}/start`, { connect: 'perhaps' }), 400, 'BAD_REQUEST'],
      [await fleet.api('POST', '/mcp/nobody', {}), 404, 'UNKNOWN_SERVER'],
      [await get('/nothing'), 404, 'NOT_FOUND'],
    ] as const;
    for (const [answer, status, code] of wrong) t.match(answer, { status, body: { success: false, code } });
    t.equal((await scene.events('create')).length, before);
  });

  await t.test('/health, /metrics, /openapi.json', async (t) => {
    t.match(await fleet.api('GET', '/health'), { status: 200, body: { status: 'healthy' } });
    const metrics = String((await fleet.api('GET', '/metrics')).body);
    t.match(metrics, 'tandem_fleet_engine_up 1');
    t.match(metrics, 'tandem_fleet_servers{state="running"} 1');
    t.match(metrics, /tandem_fleet_requests_total\{route="\/api\/docker\/status",status="200"\} [1-9]/);
    const document = (await fleet.api('GET', '/openapi.json')).body as { paths: Record<string, object> };
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    t.same(
      seedRoutes.filter((route) => !routes.includes(route)),
      [],
      'all of the seed are told of',
    );
  });

  await t.test('nothing of it was a bug', async (t) => {
    t.same(bugs(fleet), []);
  });
});

t.test('B42 docker.enabled false: 503, and nothing is touched', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const server = scene.name('kept');
  const fleet = await scene.start({
    docker: { enabled: false, serverConfigs: { [server]: { ...memory, strategy: 'always-on' } } },
  });
  for (const route of seedRoutes) {
    const [method = '', path = ''] = route.split(' ');
    const body = method === 'post' ? { servers: [server] } : undefined;
    const isPull = path.endsWith('/pull');
    const answer = await fleet.api(
      method === 'get' ? 'GET' : 'POST',
      path.replace('{server}', server),
      isPull ? body : undefined,
    );
    t.match(answer, { status: 503, body: { success: false, code: 'DOCKER_DISABLED' } }, route);
  }
  t.match(await fleet.post(server, { id: 1, method: 'ping' }), { status: 503 });
  t.same(await scene.containers(), []);
  t.equal((await fleet.stop()).code, 0);
});

const seedRoutes = [
  'get /api/docker/status',
  'get /api/docker/containers',
  'get /api/docker/containers/{server}',
  'post /api/docker/containers/{server}/start',
  'post /api/docker/containers/{server}/stop',
  'post /api/docker/containers/{server}/restart',
  'post /api/docker/images/pull',
  'post /api/docker/cleanup',
];

async function answered(asked: ReturnType<Fleet['api']>) {
  const { status, body } = await asked;
  return { status, body };
}

/** What the fleet logged as an error of its own. */
const bugs = ({ running }: Fleet) => running.records().filter(({ level }) => level >= 50);
