/** The two transports as streamable HTTP: what a client gets, byte by byte, and what the server hears of it. */
import { once } from 'node:events';
import { request as ask, createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js';
import { type Test, test } from 'tap';
import { AttachedTransport } from '../../src/fleet/transport/attached.ts';
import { HttpUpstream } from '../../src/fleet/transport/http-upstream.ts';
import { supportedProtocolVersions } from '../../src/fleet/transport/sdk.ts';
import { StdioUpstream } from '../../src/fleet/transport/stdio-upstream.ts';
import type { McpUpstream } from '../../src/fleet/transport/upstream.ts';
import { until } from '../support/until.ts';

interface Said {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

const usual = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const greeting = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
const call = (id: number | string, params: object = {}) => ({ jsonrpc: '2.0', id, method: 'tools/call', params });

async function listen(t: Test, listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

/** What stands in front of an upstream in the fleet: it reads the body, and notes sessions. */
async function front(t: Test, upstream: McpUpstream) {
  const sessions: string[] = [];
  const watch = {
    opened: (id: string) => void sessions.push(`+${id}`),
    closed: (id: string) => void sessions.push(`-${id}`),
  };
  const url = await listen(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = request.method === 'POST' ? Buffer.concat(chunks) : undefined;
    await upstream.handle({ request, response, body }, watch);
  });
  return { url, sessions };
}

/** @returns the answer, its body not read */
function send(url: string, method: string, headers: object, body?: unknown) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const sent = ask(url, { method, headers: { ...usual, ...headers } });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject);
  });
  answer.catch(() => {});
  sent.end(text);
  return { sent, answer };
}

async function textOf(answer: IncomingMessage | Promise<IncomingMessage>): Promise<string> {
  let text = '';
  for await (const chunk of await answer) text += chunk;
  return text;
}

/** A server on stdin and stdout that answers its greeting and leaves all else to the test. */
async function stdio(t: Test) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const heard: Said[] = [];
  let rest = '';
  const say = (message: object) => void stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  stdin.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as Said;
      if (message.method === 'initialize') say({ id: message.id, result: { protocolVersion: '2025-06-18' } });
      else if (message.method !== 'notifications/initialized') heard.push(message);
    }
  });
  const attachment = { stdin, stdout, stderr, close: () => stdin.end() };
  const upstream = new StdioUpstream({
    attachment,
    clientInfo: { name: 'f', version: '0' },
    ended: () => {},
    why: async () => undefined,
  });
  t.teardown(() => upstream.close());
  await upstream.connect(new AbortController().signal);
  const { url, sessions } = await front(t, upstream);
  const first = send(url, 'POST', {}, { jsonrpc: '2.0', id: 0, method: 'initialize', params: greeting });
  const session = (await first.answer).headers['mcp-session-id'] as string;
  await textOf(first.answer);
  const told = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-06-18' };
  const heardCall = async (index = 0): Promise<Said> => {
    await until(`the server hears ${index + 1} messages`, () => heard.length > index);
    return heard[index] as Said;
  };
  return { url, told, heard, heardCall, say, sessions, session, stdout, upstream };
}

test('B43 stdio: an answer that comes soon and alone is JSON, with its length', async (t) => {
  const { url, told, heardCall, say, session } = await stdio(t);
  const { answer } = send(url, 'POST', told, call('a', { name: 'x', arguments: { text: 'ä' } }));
  const { id, params } = await heardCall();
  t.same(params, { name: 'x', arguments: { text: 'ä' } });
  say({ id, result: { content: 'ü' } });
  const { statusCode, headers } = await answer;
  t.equal(statusCode, 200);
  t.match(headers, { 'content-type': 'application/json', 'content-length': '52', 'mcp-session-id': session });
  t.equal(await textOf(answer), '{"jsonrpc":"2.0","id":"a","result":{"content":"ü"}}');
});

test('B43 stdio: what comes before the answer makes it a stream, in order', async (t) => {
  const { url, told, heardCall, say } = await stdio(t);
  const { answer } = send(url, 'POST', told, call(1, { _meta: { progressToken: 'p' } }));
  const { id, params } = await heardCall();
  const { _meta } = params as { _meta: { progressToken: number } };
  const { progressToken } = _meta;
  say({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
  const { headers } = await answer;
  t.match(headers, { 'content-type': 'text/event-stream', 'cache-control': /no-cache/ });
  say({ id, error: { code: 7, message: 'no' } });
  t.equal(
    await textOf(answer),
    'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}\n\n' +
      'event: message\ndata: {"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no"}}\n\n',
  );
});

test('B43 stdio: who waits long has a stream meanwhile', async (t) => {
  const { url, told, heardCall, say } = await stdio(t);
  const { answer } = send(url, 'POST', told, call(1));
  const { id } = await heardCall();
  t.match((await answer).headers, { 'content-type': 'text/event-stream' }, 'before there is an answer');
  say({ id, result: {} });
  t.equal(await textOf(answer), 'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n');
});

test('B43 stdio: many answers in one chunk, and one in many, find their requests', async (t) => {
  const { url, told, heardCall, stdout } = await stdio(t);
  const answers = [1, 2, 3].map((id) => send(url, 'POST', told, call(id, { n: id })).answer);
  await heardCall(2);
  const all = await Promise.all([0, 1, 2].map(heardCall));
  const lines = all.map(({ id, params }) => JSON.stringify({ jsonrpc: '2.0', id, result: { ...params, ü: 1 } }));
  const bytes = Buffer.from(`${lines[0]}\nhello, I am no message\n[1]\n${lines[1]}\r\n${lines[2]}\n`);
  // In the middle of a character, too.
  const cut = bytes.lastIndexOf(Buffer.from('ü')) + 1;
  for (const part of [bytes.subarray(0, cut), bytes.subarray(cut, -1), bytes.subarray(-1)]) stdout.write(part);
  const texts = await Promise.all(answers.map(textOf));
  t.same(
    texts.map((text) => JSON.parse(text)),
    [1, 2, 3].map((id) => ({ jsonrpc: '2.0', id, result: { n: id, ü: 1 } })),
  );
});

test('B43 stdio: a client that hangs up is heard of, before and in a stream', async (t) => {
  const { url, told, heard, heardCall } = await stdio(t);
  const one = send(url, 'POST', told, call(1));
  const { id } = await heardCall();
  one.sent.destroy();
  t.match(await heardCall(1), { method: 'notifications/cancelled', params: { requestId: id } });
  const two = send(url, 'POST', told, call(2));
  const { id: next } = await heardCall(2);
  await two.answer;
  two.sent.destroy();
  t.match(await heardCall(3), { method: 'notifications/cancelled', params: { requestId: next } });
  t.equal(heard.length, 4);
});

test('B43 stdio: a request that is cancelled has no answer, and no stream that stays open', async (t) => {
  const { url, told, heardCall, say } = await stdio(t);
  const { answer } = send(url, 'POST', told, call(1));
  const { id } = await heardCall();
  const params = { requestId: 1, reason: 'enough' };
  const notice = send(url, 'POST', told, { jsonrpc: '2.0', method: 'notifications/cancelled', params });
  t.equal((await notice.answer).statusCode, 202);
  t.match(await heardCall(1), { method: 'notifications/cancelled', params: { requestId: id, reason: 'enough' } });
  say({ id, result: {} });
  t.equal(await textOf(answer), '');
});

test('B43 stdio: the session that ends under a request ends it, and so does the server', async (t) => {
  const { url, told, sessions, session, heardCall } = await stdio(t);
  const { answer } = send(url, 'POST', told, call(1));
  const { id } = await heardCall();
  t.equal((await send(url, 'DELETE', told).answer).statusCode, 200);
  t.equal((await answer).statusCode, 404);
  t.match(await heardCall(1), { method: 'notifications/cancelled', params: { requestId: id } });
  t.same(sessions, [`+${session}`, `-${session}`]);

  const other = await stdio(t);
  const lost = send(other.url, 'POST', other.told, call(5));
  await other.heardCall();
  other.stdout.end();
  t.match(JSON.parse(await textOf(lost.answer)), { id: 5, error: { message: 'the server is gone' } });
});

test('B43 stdio: what is out of the ordinary is refused as the SDK does it, and not handed on', async (t) => {
  const { url, told, heard } = await stdio(t);
  const cases: readonly [string, object, unknown, number, number][] = [
    ['an accept without streams', { ...told, accept: 'application/json' }, call(1), 406, -32_000],
    ['an unknown protocol version', { ...told, 'mcp-protocol-version': '1999-01-01' }, call(1), 400, -32_000],
    ['no JSON', told, '{', 400, -32_700],
    ['no message', told, { id: 1, method: 'tools/call' }, 400, -32_700],
    ['params that are no map', told, { jsonrpc: '2.0', id: 1, method: 'tools/call', params: 'x' }, 400, -32_700],
    ['no session', {}, call(1), 400, -32_000],
    ['a second greeting', told, { jsonrpc: '2.0', id: 1, method: 'initialize', params: greeting }, 400, -32_600],
  ];
  for (const [name, headers, body, status, code] of cases) {
    const answer = await send(url, 'POST', headers, body).answer;
    t.equal(answer.statusCode, status, name);
    t.match(JSON.parse(await textOf(answer)), { error: { code } }, name);
  }
  const notice = { jsonrpc: '2.0', method: 'notifications/initialized' };
  t.equal((await send(url, 'POST', told, notice).answer).statusCode, 202);
  t.same(heard, []);
});

test('B43 stdio: a batch, as old clients send it, is the SDK’s to answer', async (t) => {
  const { url, told, heardCall, say } = await stdio(t);
  const { answer } = send(url, 'POST', { 'mcp-session-id': told['mcp-session-id'] }, [call(1), call(2)]);
  for (const index of [0, 1]) say({ id: (await heardCall(index)).id, result: {} });
  const text = await textOf(answer);
  t.match(text, /"id":1/);
  t.match(text, /"id":2/);
});

test('the revisions of MCP that are spoken are those that the SDK knows', async (t) => {
  t.strictSame(supportedProtocolVersions, SUPPORTED_PROTOCOL_VERSIONS);
});

test('B43 a line without an end is not kept for ever', async (t) => {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let isClosed = false;
  const transport = new AttachedTransport({ stdin, stdout, stderr, close: () => stdin.end() });
  transport.onclose = () => {
    isClosed = true;
  };
  await transport.start();
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  for (let index = 0; index < 11; index++) stdout.write(chunk);
  await until('it is closed', () => isClosed);
  t.ok(isClosed);
});

test('B43 HTTP: bodies are handed on as they came, and sessions are noted', async (t) => {
  const connections = new Set<unknown>();
  const heard: { method: string | undefined; headers: IncomingMessage['headers']; text: string }[] = [];
  const endpoint = await listen(t, async (request, response) => {
    connections.add(request.socket);
    const text = await textOf(request);
    heard.push({ method: request.method, headers: request.headers, text });
    const isGreeting = text.includes('initialize');
    response.writeHead(request.method === 'DELETE' ? 204 : 200, {
      'content-type': 'application/json',
      'set-cookie': 'a=b',
      ...(isGreeting && { 'mcp-session-id': 's1' }),
    });
    response.end(request.method === 'DELETE' ? undefined : '{"n":1.0}');
  });
  const upstream = new HttpUpstream(endpoint, async () => {});
  t.teardown(() => upstream.close());
  const { url, sessions } = await front(t, upstream);
  const body = '{ "method":"initialize",  "n": 1.000, "big": 12345678901234567890 }';
  const answer = await send(url, 'POST', { cookie: 'x=y', authorization: 'Bearer secret' }, body).answer;
  t.equal(await textOf(answer), '{"n":1.0}');
  t.match(answer.headers, { 'mcp-session-id': 's1', 'set-cookie': undefined });
  t.equal(heard[0]?.text, body);
  t.match(heard[0]?.headers, { cookie: undefined, authorization: undefined, 'content-type': 'application/json' });
  await textOf(send(url, 'POST', { 'mcp-session-id': 's1' }, call(1)).answer);
  await textOf(send(url, 'DELETE', { 'mcp-session-id': 's1' }).answer);
  t.same(
    heard.map(({ method, headers }) => [method, headers['mcp-session-id']]),
    [
      ['POST', undefined],
      ['POST', 's1'],
      ['DELETE', 's1'],
    ],
  );
  t.same(sessions, ['+s1', '-s1']);
  t.equal(connections.size, 1, 'one connection for one call after the other');
});

test('B43 HTTP: a stream is known before its first event, flows, and is hung up on both sides', async (t) => {
  const streams: { write: (text: string) => void; end: () => void; isGone: boolean }[] = [];
  const endpoint = await listen(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    const stream = { write: (text: string) => void response.write(text), end: () => response.destroy(), isGone: false };
    response.on('close', () => {
      stream.isGone = true;
    });
    streams.push(stream);
  });
  const upstream = new HttpUpstream(endpoint, async () => {});
  t.teardown(() => upstream.close());
  const { url } = await front(t, upstream);
  const first = send(url, 'GET', { 'mcp-session-id': 's' });
  const answer = await first.answer;
  t.match(answer.headers, { 'content-type': 'text/event-stream' });
  answer.on('error', () => {});
  const next = once(answer, 'data');
  streams[0]?.write('data: 1\n\n');
  t.equal(String((await next)[0]), 'data: 1\n\n');
  first.sent.destroy();
  await until('the server is hung up on', () => streams[0]?.isGone === true);

  const second = await send(url, 'GET', { 'mcp-session-id': 's' }).answer;
  const cut = once(second, 'error');
  second.resume();
  streams[1]?.end();
  await cut;
  t.notOk(second.complete, 'a stream that broke off does not look like one that ended');
});
