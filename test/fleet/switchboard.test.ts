/** Many clients, one server behind stdin and stdout: nobody sees what is not theirs. */
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import fc from 'fast-check';
import { test } from 'tap';
import { type Session, Switchboard } from '../../src/fleet/transport/switchboard.ts';
import { settle } from '../support/fake-clock.ts';

interface Client extends Session {
  readonly got: { readonly message: JSONRPCMessage; readonly related: RequestId | undefined }[];
}

function client(): Client {
  const got: Client['got'] = [];
  return { got, send: (message, related) => void got.push({ message, related }) };
}

type Asked = JSONRPCMessage & { id?: RequestId; method?: string; params?: Record<string, unknown> };

/** A server that answers its greeting and keeps all else for the test. */
async function stage() {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const asked: Asked[] = [];
  const greeting = {
    protocolVersion: '2025-06-18',
    capabilities: { tools: {} },
    serverInfo: { name: 's', version: '1' },
  };
  theirs.onmessage = (message) => {
    const one = message as Asked;
    if (one.method === 'initialize') void theirs.send({ jsonrpc: '2.0', id: one.id as RequestId, result: greeting });
    else if (one.method !== 'notifications/initialized') asked.push(one);
  };
  await theirs.start();
  const board = new Switchboard(ours);
  await board.open({ name: 'fleet', version: '0' });
  const say = async (message: JSONRPCMessage) => {
    await theirs.send(message);
    await settle();
  };
  return { board, asked, say, greeting, theirs };
}

const call = (id: RequestId, more: object = {}): JSONRPCMessage => {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x', ...more } };
};

test("B43 a client's greeting is answered with the server's own, and the server is greeted once", async (t) => {
  const { board, asked, greeting } = await stage();
  const one = client();
  board.join(one);
  const params = {
    protocolVersion: '2025-06-18',
    capabilities: { roots: {} },
    clientInfo: { name: 'c', version: '1' },
  };
  board.receive(one, { jsonrpc: '2.0', id: 'a', method: 'initialize', params });
  board.receive(one, { jsonrpc: '2.0', method: 'notifications/initialized' });
  t.same(one.got, [{ message: { jsonrpc: '2.0', id: 'a', result: greeting }, related: 'a' }]);
  t.same(asked, []);
});

test('B43 a client of an older version is answered in its own, any other in that of the server', async (t) => {
  const { board, greeting } = await stage();
  const answers: Record<string, unknown> = {};
  for (const protocolVersion of ['2025-03-26', '2025-06-18', '2025-11-25', '1999-01-01']) {
    const one = client();
    const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'c', version: '1' } };
    board.receive(one, { jsonrpc: '2.0', id: 1, method: 'initialize', params });
    const [{ message } = { message: undefined }] = one.got;
    const { result } = message as unknown as { result: typeof greeting };
    t.same(result, { ...greeting, protocolVersion: result.protocolVersion }, 'all else is as the server said it');
    answers[protocolVersion] = result.protocolVersion;
  }
  t.same(answers, {
    '2025-03-26': '2025-03-26',
    '2025-06-18': '2025-06-18',
    '2025-11-25': '2025-06-18',
    '1999-01-01': '2025-06-18',
  });
});

test("B43 six clients with the same numbers never see each other's answers", async (t) => {
  const order = fc.shuffledSubarray(
    Array.from({ length: 24 }, (_, index) => index),
    { minLength: 24 },
  );
  await fc.assert(
    fc.asyncProperty(order, async (answers) => {
      const { board, asked, say } = await stage();
      const clients = Array.from({ length: 6 }, client);
      for (const one of clients) board.join(one);
      for (let id = 0; id < 4; id++) {
        for (const [index, one] of clients.entries()) board.receive(one, call(id, { from: index, id }));
      }
      await settle();
      for (const index of answers) {
        const { id, params } = asked[index] as Asked;
        await say({ jsonrpc: '2.0', id: id as RequestId, result: { echo: params } });
      }
      for (const [index, one] of clients.entries()) {
        if (one.got.length !== 4) throw new Error(`${one.got.length} answers`);
        for (const { message, related } of one.got) {
          const { id, result } = message as unknown as {
            id: RequestId;
            result: { echo: { from: number; id: number } };
          };
          if (result.echo.from !== index || result.echo.id !== id || related !== id) throw new Error('somebody else’s');
        }
      }
    }),
    { numRuns: 50 },
  );
  t.pass();
});

test('B43 progress goes to whom it belongs to, under the name that the client gave it', async (t) => {
  const { board, asked, say } = await stage();
  const [one, two] = [client(), client()];
  board.receive(one, call(1, { _meta: { progressToken: 'p' } }));
  board.receive(two, call(1, { _meta: { progressToken: 'p' } }));
  await settle();
  const { params } = asked[1] as { params: { _meta: { progressToken: number } } };
  const token = params._meta.progressToken;
  await say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress: 1 } });
  t.same(one.got, []);
  t.match(two.got, [{ message: { params: { progressToken: 'p', progress: 1 } }, related: 1 }]);
});

test('B43 a cancellation, a hung-up request and a client that goes are handed on, and late answers are dropped', async (t) => {
  const { board, asked, say } = await stage();
  const [one, two] = [client(), client()];
  for (const session of [one, two]) board.join(session);
  board.receive(one, call(7));
  board.receive(one, call(8));
  board.receive(two, call(7));
  board.receive(two, call(9));
  await settle();
  const numbers = asked.map(({ id }) => id);
  board.receive(one, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7, reason: 'enough' } });
  board.abandon(one, 8);
  board.leave(two);
  await settle();
  const cancelled = asked.slice(4).map(({ method, params }) => [method, params?.['requestId']]);
  t.same(
    cancelled,
    numbers.map((number) => ['notifications/cancelled', number]),
  );
  for (const id of numbers) await say({ jsonrpc: '2.0', id: id as RequestId, result: {} });
  t.same(one.got, []);
  t.same(two.got, []);
  board.receive(one, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 99 } });
  await settle();
  t.equal(asked.length, 8, 'what is not known is not cancelled');
});

test('B43 what concerns all is told to all, updates to those who subscribed', async (t) => {
  const { board, asked, say } = await stage();
  const [one, two] = [client(), client()];
  for (const session of [one, two]) board.join(session);
  await say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  t.equal(one.got.length + two.got.length, 2);
  const subscribe = (session: Client, id: number, method = 'resources/subscribe') =>
    board.receive(session, { jsonrpc: '2.0', id, method, params: { uri: 'file:///x' } });
  subscribe(one, 1);
  subscribe(two, 1);
  subscribe(two, 2, 'resources/unsubscribe');
  await settle();
  t.match(two.got.at(-1), { message: { id: 2, result: {} } }, 'the server keeps the other subscription');
  const [before, ours] = [two.got.length, one.got.length];
  await say({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'file:///x' } });
  t.equal(two.got.length, before);
  t.equal(one.got.length, ours + 1);
  board.leave(one);
  await settle();
  t.equal(asked.filter(({ method }) => method === 'resources/unsubscribe').length, 1, 'the last one out');
});

test("B43 the server's own questions are answered by the fleet", async (t) => {
  const { asked, say } = await stage();
  await say({ jsonrpc: '2.0', id: 'q', method: 'ping' });
  await say({ jsonrpc: '2.0', id: 'r', method: 'sampling/createMessage', params: {} });
  t.match(asked, [
    { id: 'q', result: {} },
    { id: 'r', error: { code: -32601 } },
  ]);
});

test('B43 when the server goes, whoever waits is told', async (t) => {
  const { board, theirs } = await stage();
  const one = client();
  board.join(one);
  board.receive(one, call(3));
  await settle();
  await theirs.close();
  t.match(one.got, [{ message: { id: 3, error: { message: 'the server is gone' } }, related: 3 }]);
});
