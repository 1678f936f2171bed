/** A server that speaks HTTP in its container, through the whole fleet: what reaches it, and what comes back, and when. */
import t, { test } from 'tap';
import { until } from '../support/until.ts';
import { type Made, makeFleet } from './fake-fleet.ts';
import { HttpMcp, PlainClient } from './http-mcp.ts';

const token = 'a-token-of-the-test';
const authorization = `Bearer ${token}`;
const server = new HttpMcp();
let made: Made;
let url: string;
t.before(async () => {
  const port = await server.listen();
  const serverConfigs = { http: { transport: 'http', port, path: '/deep/mcp', startTimeout: '2s' } };
  made = await makeFleet({ stopTimeout: 1, serverConfigs }, { token });
  url = `${await made.listen()}/mcp/http`;
});
t.teardown(async () => {
  await made.stop();
  await server.close();
});
t.afterEach(() => {
  server.heard.splice(0);
  server.answer = undefined;
});

async function greeted(more: Readonly<Record<string, string>> = {}): Promise<PlainClient> {
  const client = new PlainClient(url, { authorization, ...more });
  const answer = await client.greet();
  if (answer.status !== 200) throw new Error(await answer.text());
  await answer.text();
  return client;
}

const open = () => made.fleet.servers.get('http')?.view.open;

test('B47 of the headers the server sees what is for it, and never the token of the fleet', async (t) => {
  const client = await greeted({ cookie: 'c=1', 'x-forwarded-for': '1.2.3.4', 'mcp-protocol-version': '2025-06-18' });
  const answer = await client.post({ id: 'a', method: 'tools/call', params: { text: 'ä€😀' } });
  t.same(await answer.json(), { jsonrpc: '2.0', id: 'a', result: { echo: { text: 'ä€😀' } } });
  t.equal(answer.headers.get('x-own'), null, 'what is inside stays there');
  t.equal(answer.headers.get('set-cookie'), null);
  t.equal(server.requests.length, 2);
  for (const { headers } of server.heard) {
    t.notOk(JSON.stringify(headers).includes(token));
    for (const name of ['authorization', 'cookie', 'x-forwarded-for']) t.notOk(name in headers, name);
  }
  t.match(server.requests[1]?.headers, {
    'mcp-session-id': client.session,
    'mcp-protocol-version': '2025-06-18',
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
  });
});

test('B43 a stream is there before its first event, and each event when it is written', async (t) => {
  const client = await greeted();
  const controller = new AbortController();
  const answer = await client.get(controller.signal);
  t.match([answer.status, answer.headers.get('content-type')], [200, 'text/event-stream']);
  const reader = answer.body?.getReader();
  const stream = server.requests.find(({ method }) => method === 'GET');
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    stream?.response.write(event);
    t.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), event);
  }
  t.ok((open() ?? 0) >= 2, 'the session and its stream');
  controller.abort();
  await until('the server hears that the client is gone', () => stream?.isHungUp);
  await until('the stream is counted no more', () => open() === made.fleet.sessions.count());
});

test('B43 a client that hangs up on a call is heard of', async (t) => {
  const client = await greeted();
  server.answer = ({ body }) => body.includes('slow');
  const controller = new AbortController();
  const asked = client.post({ id: 1, method: 'slow' }, controller.signal).catch((error) => error);
  const call = await until('it is asked', () => server.requests.find(({ body }) => body.includes('slow')));
  controller.abort();
  t.match(await asked, { name: 'AbortError' });
  await until('the server hears of it', () => call.isHungUp);
  await until('nobody is counted but sessions', () => open() === made.fleet.sessions.count());
});

test('B43 DELETE ends the session, once', async (t) => {
  const client = await greeted();
  const count = made.fleet.sessions.count('http');
  t.equal((await client.end()).status, 200);
  t.equal(made.fleet.sessions.count('http'), count - 1);
  const again = await client.end();
  t.match([again.status, await again.json()], [404, { success: false, code: 'SESSION_NOT_FOUND' }]);
  t.equal(server.requests.filter(({ method }) => method === 'DELETE').length, 1, 'the server is not asked for it');
});

test('B43 a DELETE that the server refuses leaves the session', async (t) => {
  const client = await greeted();
  const count = made.fleet.sessions.count();
  server.answer = ({ method, response }) =>
    method === 'DELETE' && Boolean(response.writeHead(405, { allow: 'POST' }).end());
  const refused = await client.end();
  t.match([refused.status, refused.headers.get('allow')], [405, 'POST']);
  t.equal(made.fleet.sessions.count(), count);
});

test('B43 a session that the server does not know any more is over', async (t) => {
  const client = await greeted();
  const count = made.fleet.sessions.count();
  server.sessions.clear();
  const answer = await client.post({ id: 1, method: 'ping' });
  t.match([answer.status, await answer.text()], [404, 'no such session']);
  await until('it is over', () => made.fleet.sessions.count() === count - 1);
});

test('B43 notifications, errors and odd answers come back as they are', async (t) => {
  const client = await greeted();
  const accepted = await client.post({ method: 'notifications/initialized' });
  t.match([accepted.status, await accepted.text()], [202, '']);
  for (const status of [400, 429, 500, 503]) {
    server.answer = ({ response }) =>
      Boolean(response.writeHead(status, { 'retry-after': '7' }).end(`it is ${status}`));
    const answer = await client.post({ id: 1, method: 'ping' });
    t.match([answer.status, await answer.text(), answer.headers.get('retry-after')], [status, `it is ${status}`, '7']);
  }
});

test('B42 502 when the server breaks the connection before it answers, and an end in the middle is an end', async (t) => {
  const client = await greeted();
  server.answer = ({ response }) => Boolean(response.socket?.destroy());
  const answer = await client.post({ id: 1, method: 'ping' });
  t.match(
    [answer.status, await answer.json()],
    [502, { success: false, code: 'SERVER_FAILED', error: /did not answer/ }],
  );
  server.answer = ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    return response.write('data: 1\n\n', () => response.socket?.destroy());
  };
  const half = await client.post({ id: 2, method: 'ping' });
  t.equal(half.status, 200);
  await t.rejects(half.text(), 'a half answer looks like none that is whole');
  await until('nobody is counted but sessions', () => open() === made.fleet.sessions.count());
});

test('B43 it is waited for until it listens', async (t) => {
  const late = new HttpMcp();
  const port = await late.listen();
  await late.close();
  const other = await makeFleet({ stopTimeout: 1, serverConfigs: { late: { transport: 'http', port } } });
  const client = new PlainClient(`${await other.listen()}/mcp/late`);
  const asked = client.greet();
  await until('its container runs', () => other.fleet.servers.get('late')?.view.state === 'running');
  t.equal(other.fleet.servers.get('late')?.view.isConnected, false);
  const heard = new HttpMcp();
  await heard.listen(port);
  t.equal((await asked).status, 200);
  t.equal(heard.requests.length, 1, 'the greeting came once');
  await other.stop();
  await heard.close();
});

test('B43 when the container ends, streams end and sessions are over', async (t) => {
  const client = await greeted();
  const stream = await client.get();
  made.engine.crash('mcp-hub-http');
  await stream.text().catch(() => '');
  await until('no session is left', () => made.fleet.sessions.count() === 0);
  t.equal((await client.post({ id: 1, method: 'ping' })).status, 404);
  t.same(made.bugs, []);
});
