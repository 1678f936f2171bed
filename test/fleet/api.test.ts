/** The endpoints of the seed, on an engine in memory: upstream's shapes, and no success that is none. */
import t, { test } from 'tap';
import { until } from '../support/until.ts';
import { ask } from './documented.ts';
import type { FakeEngine } from './fake-engine.ts';
import { type Made, makeFleet } from './fake-fleet.ts';

const configuration = {
  strategy: 'on-demand',
  maxContainers: 4,
  stopTimeout: 1,
  startTimeout: 5,
  serverConfigs: {
    files: {},
    kept: { strategy: 'always-on' },
    warm: { strategy: 'pre-warmed' },
    lost: { image: 'absent/lost' },
    other: { image: 'absent/lost' },
  },
};
let made: Made;
let engine: FakeEngine;
t.before(async () => {
  made = await makeFleet(configuration);
  ({ engine } = made);
  await until('those that are kept run', () => engine.running.length === 2);
  await until('always-on is connected', () => made.fleet.servers.get('kept')?.view.isConnected);
});
t.teardown(() => made.stop());

const get = (url: string) => ask(made.app, { method: 'GET', url });
const post = (url: string, payload?: object) => ask(made.app, { method: 'POST', url, ...(payload && { payload }) });
const containers = '/api/docker/containers';
const isMoment = (text: unknown) => typeof text === 'string' && new Date(text).toISOString() === text;

test('B42 GET /api/docker/status', async (t) => {
  const { statusCode, headers, body } = await get('/api/docker/status');
  t.equal(statusCode, 200);
  t.equal(headers['content-type'], 'application/json; charset=utf-8');
  t.same(JSON.parse(body), {
    enabled: true,
    strategy: 'on-demand',
    maxContainers: 4,
    containerCount: 2,
    connectionCount: 0,
  });
});

test('B42 GET /api/docker/containers, and one of them', async (t) => {
  const all = (await get(containers)).json().containers as { server: string }[];
  t.same(
    all.map(({ server }) => server),
    ['files', 'kept', 'warm', 'lost', 'other'],
  );
  for (const one of all) t.same((await get(`${containers}/${one.server}`)).json(), one);
  t.same(all[0], {
    server: 'files',
    configured: true,
    containerState: 'absent',
    endpoint: null,
    connected: false,
    strategy: 'on-demand',
    startedAt: null,
    stoppedAt: null,
    error: null,
  });
});

test('B41 B42 pre-warmed runs and is not connected, always-on is', async (t) => {
  const [warm, kept] = [(await get(`${containers}/warm`)).json(), (await get(`${containers}/kept`)).json()];
  t.match(warm, { containerState: 'running', connected: false, strategy: 'pre-warmed', endpoint: 'stdio' });
  t.match(kept, { containerState: 'running', connected: true, strategy: 'always-on', stoppedAt: null, error: null });
  t.ok(isMoment(kept.startedAt));
});

test('B42 start with connect waits until the server has answered; without, until its container runs', async (t) => {
  engine.isSilent = true;
  const without = await post(`${containers}/files/start`, { connect: false });
  t.same(without.json(), { success: true, server: 'files', endpoint: 'stdio', connected: false });
  t.ok(engine.running.includes('mcp-hub-files'));
  engine.isSilent = false;
  await post(`${containers}/files/stop`, { remove: true });
  for (const payload of [undefined, {}, { connect: true }]) {
    const started = await post(`${containers}/files/start`, payload);
    t.equal(started.statusCode, 200);
    t.same(started.json(), { success: true, server: 'files', endpoint: 'stdio', connected: true });
  }
  t.match((await get(`${containers}/files`)).json(), { containerState: 'running', connected: true });
});

test('B42 stop leaves the container, or takes it away', async (t) => {
  const left = await post(`${containers}/files/stop`);
  t.same(left.json(), { success: true, server: 'files', removed: false });
  const stopped = (await get(`${containers}/files`)).json();
  t.match(stopped, { containerState: 'stopped', connected: false, endpoint: null });
  t.ok(isMoment(stopped.stoppedAt));
  const removed = await post(`${containers}/files/stop`, { remove: true });
  t.same(removed.json(), { success: true, server: 'files', removed: true });
  t.notOk(engine.containers.has('mcp-hub-files'));
  t.match((await get(`${containers}/files`)).json(), { containerState: 'absent' });
  t.match((await post(`${containers}/files/stop`)).json(), { success: true });
  const headers = { 'content-type': 'application/json' };
  const empty = await ask(made.app, { method: 'POST', url: `${containers}/files/stop`, headers, payload: '' });
  t.match(empty.json(), { success: true }, 'no body, and its type');
});

test('B42 restart makes a new container', async (t) => {
  await post(`${containers}/files/start`);
  const { id } = engine.containers.get('mcp-hub-files') ?? {};
  const restarted = await post(`${containers}/files/restart`, { connect: true });
  t.same(restarted.json(), { success: true, server: 'files', endpoint: 'stdio', connected: true });
  t.not(engine.containers.get('mcp-hub-files')?.id, id);
  const absent = await post(`${containers}/lost/restart`);
  t.match(absent.json(), { success: false, code: 'IMAGE_MISSING' });
  await post(`${containers}/files/stop`, { remove: true });
});

test('B42 cleanup takes away what does not run, and says what it could not', async (t) => {
  t.same((await post('/api/docker/cleanup')).json(), { success: true, removed: [], failed: [] });
  await post(`${containers}/files/start`);
  await post(`${containers}/files/stop`);
  engine.troubles.set('remove', 'conflict');
  const failed = await post('/api/docker/cleanup');
  engine.troubles.clear();
  t.equal(failed.statusCode, 502);
  t.same(failed.json(), {
    success: false,
    removed: [],
    failed: [{ container: 'mcp-hub-files', error: 'the engine said: conflict' }],
  });
  t.same((await post('/api/docker/cleanup', {})).json(), { success: true, removed: ['mcp-hub-files'], failed: [] });
  t.ok(engine.running.includes('mcp-hub-kept'), 'what runs stays');
});

test('B46 a missing image is said so, with what to do, and is here once it was pulled', async (t) => {
  const missing = await post(`${containers}/lost/start`);
  t.equal(missing.statusCode, 424);
  t.match(missing.json(), { success: false, code: 'IMAGE_MISSING', error: /no image "absent\/lost".*pull it/ });
  t.match((await get(`${containers}/lost`)).json(), { containerState: 'failed', error: /no image/ });
  engine.registry.add('absent/lost');
  const pulled = await post('/api/docker/images/pull', { servers: ['lost', 'other', 'lost'] });
  t.equal(pulled.statusCode, 200);
  t.same(pulled.json(), { success: true, results: { successful: ['lost', 'other'], failed: [] } });
  t.equal(engine.calls.filter((call) => call === 'pull absent/lost').length, 1, 'an image is pulled once');
  t.match((await post(`${containers}/lost/start`)).json(), { success: true });
  await post(`${containers}/lost/stop`, { remove: true });
});

test('B42 an image that no registry has', async (t) => {
  const answer = await post('/api/docker/images/pull', { servers: ['other', 'files'] });
  t.equal(answer.statusCode, 502);
  t.match(answer.json(), {
    success: false,
    results: { successful: ['other'], failed: [{ server: 'files', error: /manifest/ }] },
  });
});

test('B42 what happened was no bug', async (t) => {
  t.same(made.bugs, []);
});
