/** Every error of the API: its status, its code and one shape; and no success that is none. */
import { connect } from 'node:net';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import t, { type Test, test } from 'tap';
import { type Code, errors } from '../../src/fleet/api/errors.ts';
import type { EngineTrouble } from '../../src/fleet/engine.ts';
import { until } from '../support/until.ts';
import { ask } from './documented.ts';
import type { FakeEngine } from './fake-engine.ts';
import { type Made, makeFleet } from './fake-fleet.ts';

const containers = '/api/docker/containers';
let made: Made;
let engine: FakeEngine;
t.before(async () => {
  made = await makeFleet({
    maxContainers: 1,
    stopTimeout: 1,
    startTimeout: '60s',
    serverConfigs: {
      one: {},
      two: {},
      mute: { startTimeout: '50ms' },
      absent: { image: 'absent/image' },
      closed: { strategy: 'scheduled', schedule: [{ cron: '0 0 29 2 1', duration: '1s', timezone: 'UTC' }] },
    },
  });
  ({ engine } = made);
});
t.teardown(() => made.stop());
t.afterEach(async () => {
  engine.troubles.clear();
  engine.isSilent = false;
  for (const name of ['one', 'two', 'mute', 'absent']) {
    const { statusCode, body } = await stop(name);
    if (statusCode !== 200) throw new Error(`"${name}" is not stopped: ${body}`);
  }
  if (made.bugs.length > 0) throw new Error(`a bug: ${made.bugs.splice(0)}`);
});

const post = (url: string, payload?: InjectOptions['payload'], headers: Record<string, string> = {}) =>
  ask(made.app, { method: 'POST', url, headers, ...(payload !== undefined && { payload }) });
const greeting = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
};
const greet = (server: string) => post(`/mcp/${server}`, greeting, { accept: 'application/json, text/event-stream' });
const stop = (server: string) => post(`${containers}/${server}/stop`, { remove: true });

/** An answer that is an error of this code, with its status and nothing else in it. */
function isError(t: Test, answer: LightMyRequestResponse, code: Code, words: RegExp): void {
  const { error, ...rest } = answer.json();
  t.same({ status: answer.statusCode, ...rest }, { status: errors[code].status, success: false, code });
  t.match(error, words);
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
}

test('B42 404 for a server that is not configured, whatever it is called', async (t) => {
  for (const name of ['nobody', '__proto__', 'constructor', 'ONE', 'a%20b']) {
    for (const url of [`${containers}/${name}/start`, `${containers}/${name}/stop`, `/mcp/${name}`]) {
      isError(t, await post(url), 'UNKNOWN_SERVER', /^no server ".*" is configured$/);
    }
  }
  const pull = await post('/api/docker/images/pull', { servers: ['one', 'nobody'] });
  isError(t, pull, 'UNKNOWN_SERVER', /"nobody"/);
  t.notOk(
    engine.calls.some((call) => call.startsWith('pull')),
    'nothing is pulled',
  );
});

test('B42 400 for a body with what is not accepted', async (t) => {
  const bad: readonly (readonly [string, InjectOptions['payload'], RegExp])[] = [
    [`${containers}/one/start`, { conect: true }, /must NOT have additional properties/],
    [`${containers}/one/start`, { connect: 'true' }, /connect must be boolean/],
    [`${containers}/one/start`, { connect: 1 }, /connect must be boolean/],
    [`${containers}/one/start`, [], /must be object,null/],
    [`${containers}/one/restart`, { remove: true }, /additional properties/],
    [`${containers}/one/stop`, { remove: null }, /remove must be boolean/],
    ['/api/docker/images/pull', {}, /required property 'servers'/],
    ['/api/docker/images/pull', { servers: [] }, /fewer than 1/],
    ['/api/docker/images/pull', { servers: 'one' }, /must be array/],
    ['/api/docker/images/pull', { servers: [1] }, /must be string/],
  ];
  for (const [url, payload, words] of bad) isError(t, await post(url, payload), 'BAD_REQUEST', words);
  const json = { 'content-type': 'application/json' };
  for (const none of [undefined, ''])
    isError(t, await post('/api/docker/images/pull', none, json), 'BAD_REQUEST', /body/);
  for (const broken of ['{"connect":', '{"__proto__":{"connect":true}}', ' ']) {
    isError(t, await post(`${containers}/one/start`, broken, json), 'BAD_REQUEST', /json|proto/i);
  }
  t.same(engine.running, [], 'nothing was started');
});

test('B42 415 for a body that is not JSON, 413 for one that is too large', async (t) => {
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'nonsense',
  ]) {
    isError(
      t,
      await post(`${containers}/one/start`, 'connect=true', { 'content-type': type }),
      'UNSUPPORTED_MEDIA_TYPE',
      /./,
    );
  }
  const large = JSON.stringify({ servers: ['x'.repeat(4 * 1024 * 1024)] });
  isError(
    t,
    await post('/api/docker/images/pull', large, { 'content-type': 'application/json' }),
    'TOO_LARGE',
    /too large/,
  );
});

test('B42 404 where nothing is, 405 for what is not done there', async (t) => {
  for (const url of [
    '/',
    '/api/docker',
    '/api/docker/',
    '/api/docker/nothing',
    `${containers}/one/start/x`,
    '/mcp',
    '/mcp/a/b',
  ]) {
    isError(t, await made.app.inject({ method: 'GET', url }), 'NOT_FOUND', /^nothing is at GET \//);
  }
  const wrong: readonly (readonly [InjectOptions['method'], string, string])[] = [
    ['POST', '/api/docker/status', 'GET, HEAD'],
    ['GET', `${containers}/one/start`, 'POST'],
    ['DELETE', `${containers}/one`, 'GET, HEAD'],
    ['OPTIONS', `${containers}/one/stop`, 'POST'],
    ['PUT', '/mcp/one', 'DELETE, GET, POST'],
    ['HEAD', '/mcp/one', 'DELETE, GET, POST'],
    ['PATCH', '/health', 'GET, HEAD'],
  ];
  for (const [method = 'GET', url, allow] of wrong) {
    const answer = await made.app.inject({ method, url });
    t.equal(answer.headers.allow, allow, `${method} ${url}`);
    if (method !== 'HEAD') isError(t, answer, 'METHOD_NOT_ALLOWED', /^accepted here: /);
    else t.match(answer, { statusCode: 405, body: '' });
  }
  const head = await made.app.inject({ method: 'HEAD', url: '/api/docker/status' });
  t.match(head, { statusCode: 200, body: '' });
});

test('B42 409 when all places are taken by servers in use', async (t) => {
  const session = await greet('one');
  t.equal(session.statusCode, 200);
  isError(t, await post(`${containers}/two/start`), 'LIMIT_REACHED', /all 1 containers \(maxContainers\) are in use/);
  isError(t, await greet('two'), 'LIMIT_REACHED', /maxContainers/);
});

test('B46 424 when the image is missing, with what to do about it', async (t) => {
  isError(
    t,
    await post(`${containers}/absent/start`),
    'IMAGE_MISSING',
    /pull it \(POST \/api\/docker\/images\/pull\) or build it/,
  );
  isError(t, await post(`${containers}/absent/start`, { connect: false }), 'IMAGE_MISSING', /pull it/);
  isError(t, await greet('absent'), 'IMAGE_MISSING', /pull it/);
});

test('B42 what the engine says becomes a status', async (t) => {
  const troubles: readonly (readonly [EngineTrouble, Code])[] = [
    ['conflict', 'CONFLICT'],
    ['refused', 'SERVER_FAILED'],
    ['no-such-container', 'ENGINE_ERROR'],
    ['timeout', 'SERVER_TIMEOUT'],
    ['unreachable', 'ENGINE_UNREACHABLE'],
  ];
  for (const [trouble, code] of troubles) {
    engine.troubles.set('start', trouble);
    isError(t, await post(`${containers}/one/start`), code, /./);
    isError(t, await greet('one'), code, /./);
    engine.troubles.clear();
    for (const server of made.fleet.servers.values()) server.poke();
    await until('the engine is known', () => made.fleet.servers.get('one')?.view.state !== 'unknown');
    await stop('one');
  }
  t.same(engine.running, []);
});

test('B42 504 for a server that does not answer in time', async (t) => {
  engine.isSilent = true;
  isError(t, await post(`${containers}/mute/start`), 'SERVER_TIMEOUT', /0\.05 s/);
  isError(t, await greet('mute'), 'SERVER_TIMEOUT', /0\.05 s/);
});

test('B42 502 for a server that ends before it answers', async (t) => {
  engine.isSilent = true;
  const answer = greet('one');
  await until('it runs', () => engine.running.length === 1);
  engine.crash('mcp-hub-one');
  isError(t, await answer, 'SERVER_FAILED', /./);
});

test('B41 503 for a server that is closed or was stopped by name meanwhile', async (t) => {
  isError(t, await greet('closed'), 'SERVER_CLOSED', /"closed" is closed: no window is open/);
  for (const connect of [false, true]) {
    const byName = post(`${containers}/closed/start`, { connect });
    isError(t, await byName, 'SERVER_CLOSED', /"closed" is closed: no window of its schedule is open/);
  }
  engine.isSilent = true;
  const answer = greet('one');
  await until('it runs', () => engine.running.length === 1);
  await stop('one');
  isError(t, await answer, 'SERVER_CLOSED', /stopped by name/);
});

test('B42 504 everywhere when the engine is gone, and what is known is still told', async (t) => {
  engine.troubles.set('start', 'refused');
  isError(t, await post(`${containers}/one/start`), 'SERVER_FAILED', /refused/);
  engine.troubles.clear();
  engine.isLost = true;
  isError(t, await post(`${containers}/one/start`), 'ENGINE_UNREACHABLE', /ECONNREFUSED/);
  isError(t, await greet('one'), 'ENGINE_UNREACHABLE', /ECONNREFUSED/);
  isError(t, await post('/api/docker/cleanup'), 'ENGINE_UNREACHABLE', /ECONNREFUSED/);
  isError(t, await stop('one'), 'ENGINE_UNREACHABLE', /ECONNREFUSED/);
  const pull = await post('/api/docker/images/pull', { servers: ['one'] });
  t.match(
    [pull.statusCode, pull.json()],
    [502, { success: false, results: { failed: [{ server: 'one', error: /ECONN/ }] } }],
  );
  await until('it is seen', () => !made.fleet.isConnected);
  t.match(await ask(made.app, { url: '/health' }), { statusCode: 503, body: '{"status":"unhealthy","engine":"down"}' });
  t.equal((await ask(made.app, { url: '/api/docker/status' })).statusCode, 200);
  engine.isLost = false;
  await until('it is back', () => made.fleet.isConnected && made.fleet.servers.get('one')?.view.state !== 'unknown');
  t.match((await post(`${containers}/one/start`)).json(), { success: true, error: undefined });
});

test('B42 404 for a session that is over, and no start for it', async (t) => {
  const begun = engine.calls.filter((call) => call.startsWith('create')).length;
  const answer = await post('/mcp/one', { jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': 'old' });
  isError(t, answer, 'SESSION_NOT_FOUND', /begin a new one/);
  isError(t, await ask(made.app, { method: 'GET', url: '/mcp/one' }), 'BAD_REQUEST', /Mcp-Session-Id is missing/);
  isError(t, await ask(made.app, { method: 'DELETE', url: '/mcp/one' }), 'BAD_REQUEST', /Mcp-Session-Id is missing/);
  t.equal(engine.calls.filter((call) => call.startsWith('create')).length, begun);
});

test('B42 a bug is told to the log and not to the caller', async (t) => {
  engine.troubles.set('list', new Error('a secret of the fleet'));
  isError(t, await post('/api/docker/cleanup'), 'INTERNAL', /its log tells/);
  t.match(made.bugs.splice(0), [{ message: 'a secret of the fleet' }]);
});

/** Whatever comes back for these bytes. */
async function raw(url: string, bytes: string): Promise<{ status: number; head: string; body: string }> {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await until('it is answered', () => socket.closed || Buffer.concat(chunks).includes('}'));
  socket.destroy();
  const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), head, body };
}

test('B42 what is no HTTP, or too much of it, is answered in the same shape', async (t) => {
  const url = await made.listen();
  const cases: readonly (readonly [string, Code])[] = [
    [`GET /health HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 'HEADERS_TOO_LARGE'],
    ['NONSENSE\r\n\r\n', 'BAD_REQUEST'],
    ['GET /health HTTP/1.1\r\n\r\n', 'BAD_REQUEST'],
    ['GET /%zz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n', 'BAD_REQUEST'],
    [
      'POST /api/docker/cleanup HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      'BAD_REQUEST',
    ],
  ];
  for (const [bytes, code] of cases) {
    const { status, head, body } = await raw(url, bytes);
    t.equal(status, errors[code].status, bytes.slice(0, 40));
    t.match(head.toLowerCase(), 'content-type: application/json');
    t.match(JSON.parse(body), { success: false, code, error: /./ }, bytes.slice(0, 40));
  }
});

test('B43 a caller who hangs up while a server starts is counted no more, and the start is called off', async (t) => {
  const url = await made
    .listen()
    .catch(() => `http://127.0.0.1:${(made.app.server.address() as { port: number }).port}`);
  engine.isSilent = true;
  for (const path of ['/mcp/one', `${containers}/one/start`]) {
    const controller = new AbortController();
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const { signal } = controller;
    const body = JSON.stringify(path.startsWith('/mcp') ? greeting : {});
    const asked = fetch(`${url}${path}`, { method: 'POST', headers, body, signal }).catch((error) => error);
    await until('it is waited for', () => made.fleet.servers.get('one')?.view.open === 1);
    controller.abort();
    t.match(await asked, { name: 'AbortError' });
    await until('nobody is counted', () => made.fleet.servers.get('one')?.view.open === 0);
  }
  t.equal(made.fleet.sessions.count(), 0);
});
