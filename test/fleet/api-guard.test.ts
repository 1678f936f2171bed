/** Who is let in: with the token, from no other page, by this machine's own name; and nothing is done where nothing is to be. */
import t, { test } from 'tap';
import { makeApp } from '../../src/fleet/api/app.ts';
import { until } from '../support/until.ts';
import { ask, documentOf } from './documented.ts';
import { type Made, makeFleet } from './fake-fleet.ts';

const token = 'a-token-of-the-test';
let made: Made;
t.before(async () => {
  made = await makeFleet({ stopTimeout: 1, serverConfigs: { one: {} } }, { token });
});
t.teardown(() => made.stop());

const authorization = `Bearer ${token}`;
/** All that fastify knows, with a server's name in it. */
const routes = () =>
  Object.entries(documentOf(made.app).paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => ({
      method: method.toUpperCase() as 'GET',
      url: path.replace('{server}', 'one'),
    })),
  );

test('B47 every path but /health wants the token, also those where nothing is', async (t) => {
  const all = [...routes(), { method: 'GET' as const, url: '/nothing' }, { method: 'PUT' as const, url: '/mcp/one' }];
  t.equal(all.length, 16);
  for (const { method, url } of all.filter(({ url }) => url !== '/health')) {
    for (const wrong of [
      undefined,
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
      token,
      'Bearer',
    ]) {
      const answer = await made.app.inject({ method, url, headers: { ...(wrong && { authorization: wrong }) } });
      t.match(answer, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' } }, `${method} ${url} ${wrong}`);
      t.match(answer.json(), { success: false, code: 'UNAUTHORIZED' });
      t.notOk(answer.body.includes(token));
    }
  }
  t.notOk(
    made.engine.calls.some((call) => /create|pull|stop/.test(call)),
    'nothing was done',
  );
});

test('B47 with the token all of it is answered', async (t) => {
  for (const url of ['/metrics', '/openapi.json', '/api/docker/status', '/api/docker/containers/one']) {
    t.equal((await ask(made.app, { url, headers: { authorization } })).statusCode, 200, url);
    t.equal((await ask(made.app, { url, headers: { authorization: `bearer ${token}` } })).statusCode, 200, url);
  }
});

test('B47 /health says one word to anybody, and of the engine only to who has the token', async (t) => {
  t.same((await ask(made.app, { url: '/health' })).json(), { status: 'healthy' });
  t.same((await ask(made.app, { url: '/health?x=1' })).json(), { status: 'healthy' });
  const told = await ask(made.app, { url: '/health', headers: { authorization } });
  t.same(told.json(), { status: 'healthy', engine: 'up' });
});

test('B47 the token is compared at one pace', async (t) => {
  // The digests are equally long, so timingSafeEqual takes any guess; another length would throw and be a 500.
  for (const guess of ['', 'x', 'x'.repeat(10_000)]) {
    const answer = await made.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${guess}` } });
    t.equal(answer.statusCode, 401);
  }
  t.same(made.bugs, []);
});

test('B47 who has the token may call this machine by any name, and nobody else', async (t) => {
  const host = 'mcp-hub:3456';
  t.equal((await ask(made.app, { url: '/api/docker/status', headers: { host, authorization } })).statusCode, 200);
  t.equal((await ask(made.app, { url: '/api/docker/status', headers: { host } })).statusCode, 403);
  t.equal((await ask(made.app, { url: '/health', headers: { host } })).statusCode, 403);
});

test('B47 a name that is not ours, and a page of another origin, get nothing', async (t) => {
  const asked = (headers: Record<string, string>) =>
    ask(made.app, { url: '/api/docker/status', headers: { authorization, ...headers } });
  for (const host of ['evil.example', 'evil.example:3456', 'localhost.evil']) {
    t.match((await asked({ host, authorization: '' })).json(), { code: 'FORBIDDEN_HOST' }, host);
  }
  for (const host of ['127.0.0.1:3456', 'localhost', '[::1]:3456', '10.0.0.1']) {
    t.equal((await asked({ host })).statusCode, 200, host);
  }
  for (const origin of ['http://evil.example', 'http://127.0.0.1:8080', 'null', 'https://localhost']) {
    const answer = await asked({ host: '127.0.0.1:3456', origin });
    t.match([answer.statusCode, answer.json()], [403, { success: false, code: 'FORBIDDEN_ORIGIN' }], origin);
  }
  t.equal((await asked({ host: '127.0.0.1:3456', origin: 'http://127.0.0.1:3456' })).statusCode, 200);
  const health = await ask(made.app, { url: '/health', headers: { host: 'evil.example' } });
  t.equal(health.statusCode, 403);
});

test('B40 where Docker is disabled all of it says so, whatever the body is, and /health is well', async (t) => {
  const { signal } = new AbortController();
  const options = { host: '127.0.0.1', token: undefined, version: '0', fleet: undefined, ending: signal };
  const app = await makeApp({ ...options, onBug: (error) => t.fail(String(error)) });
  t.teardown(() => app.close());
  for (const { method, url } of routes().filter(({ url }) => /^\/(api|mcp)\//.test(url))) {
    for (const payload of [undefined, { unknown: 1 }]) {
      const answer = await ask(app, { method, url, ...(payload && method !== 'GET' && { payload }) });
      t.equal(answer.statusCode, 503, `${method} ${url}`);
      const error = 'docker.enabled is false in the configuration';
      t.same(answer.json(), { success: false, code: 'DOCKER_DISABLED', error });
    }
  }
  t.same((await ask(app, { url: '/health' })).json(), { status: 'healthy', engine: 'disabled' });
  t.match((await ask(app, { url: '/metrics' })).body, 'tandem_fleet_engine_up 0');
});

test('B42 when the fleet ends, who waits and who comes is told so', async (t) => {
  const other = await makeFleet({ stopTimeout: 1, serverConfigs: { one: {} } });
  other.engine.isSilent = true;
  const waiting = ask(other.app, { method: 'POST', url: '/api/docker/containers/one/start' });
  await until('it runs', () => other.engine.running.length === 1);
  other.scope.abort();
  const later = ask(other.app, { url: '/api/docker/status' });
  for (const answer of [await waiting, await later]) {
    t.match([answer.statusCode, answer.json()], [503, { success: false, code: 'SHUTTING_DOWN' }]);
  }
  t.match(await ask(other.app, { url: '/health' }), { statusCode: 503, body: /unhealthy/ });
  await other.stop();
  t.equal(other.engine.containers.size, 0, 'nothing is left');
  t.same(other.bugs, []);
});
