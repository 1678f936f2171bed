/** Who is in a session keeps the server, until they end it, their server is gone, or nothing was heard of them for long enough. */
import t, { test } from 'tap';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';
import { type Made, makeFleet } from './fake-fleet.ts';
import { HttpMcp, PlainClient } from './http-mcp.ts';

/** Requests are real, and time passes when a test says so. */
const clock = new FakeClock();
const sessionTimeoutMs = 60_000;
/** Longer than it may take until a session that is over is ended. */
const idleTimeoutMs = 60_000;
const server = new HttpMcp();
let made: Made;
let url: string;
t.before(async () => {
  const port = await server.listen();
  const serverConfigs = { http: { transport: 'http', port }, other: { transport: 'http', port }, stdio: {} };
  made = await makeFleet(
    { idleTimeout: idleTimeoutMs / 1_000, sessionTimeout: sessionTimeoutMs / 1_000, serverConfigs },
    { clock },
  );
  url = await made.listen();
});
t.teardown(async () => {
  await made.stop();
  await server.close();
});

async function greeted(name: string): Promise<PlainClient> {
  const client = new PlainClient(`${url}/mcp/${name}`);
  await (await client.greet()).text();
  if (client.session === undefined) throw new Error('there is no session');
  return client;
}

const stateOf = (name: string) => made.fleet.servers.get(name)?.view.state;
async function goes(name: string): Promise<void> {
  await until(`${name} is used by nobody`, () => made.fleet.servers.get(name)?.view.open === 0);
  if (!made.engine.containers.has(`mcp-hub-${name}`)) throw new Error(`${name} went before it was idle`);
  await clock.advance(idleTimeoutMs);
  await until(`${name} is gone`, () => stateOf(name) === 'absent');
  if (made.engine.containers.has(`mcp-hub-${name}`)) throw new Error(`${name} left its container`);
}

test('B43 a session keeps its server, and the last one who ends it lets it go', async (t) => {
  for (const name of ['http', 'stdio']) {
    const [one, two] = [await greeted(name), await greeted(name)];
    t.not(one.session, two.session);
    t.equal(made.fleet.sessions.count(name), 2);
    await one.end();
    t.equal(made.fleet.sessions.count(name), 1);
    const { id } = made.engine.containers.get(`mcp-hub-${name}`) ?? {};
    const stillThere = await two.post({ id: 1, method: 'ping' });
    t.match([stillThere.status, await stillThere.text()], [200, /"id":1/]);
    t.equal(made.engine.containers.get(`mcp-hub-${name}`)?.id, id);
    await two.end();
    await goes(name);
    t.match(made.fleet.servers.get(name)?.view, { open: 0, state: 'absent' });
  }
});

test('B43 a session of which nothing is heard is over, its server is told, and is let go', async (t) => {
  for (const name of ['http', 'stdio']) {
    const client = await greeted(name);
    await clock.advance(sessionTimeoutMs - 1);
    t.equal(made.fleet.sessions.count(name), 1, 'not before its time');
    await clock.advance(sessionTimeoutMs / 4 + 1);
    t.equal(made.fleet.sessions.count(name), 0);
    t.equal((await client.post({ id: 1, method: 'ping' })).status, 404);
    await goes(name);
  }
  await until('the server is told', () => server.requests.at(-1)?.method === 'DELETE');
});

test('B43 whoever asks now and then, or has a stream open, stays', async (t) => {
  const [asking, streaming] = [await greeted('http'), await greeted('http')];
  const controller = new AbortController();
  await streaming.get(controller.signal);
  for (let round = 0; round < 5; round += 1) {
    await clock.advance(sessionTimeoutMs * 0.7);
    const answer = await asking.post({ id: 1, method: 'ping' });
    t.match([answer.status, await answer.text()], [200, /"id":1/]);
  }
  t.equal(made.fleet.sessions.count('http'), 2, 'both are older than the limit');
  t.equal(stateOf('http'), 'running');
  controller.abort();
  await until('the stream is over', () => made.fleet.servers.get('http')?.view.open === 2);
  await clock.advance(sessionTimeoutMs * 1.3);
  t.equal(made.fleet.sessions.count(), 0);
  await goes('http');
});

test('B43 a session is of one server, and of nobody who guesses', async (t) => {
  const client = await greeted('http');
  const stranger = new PlainClient(`${url}/mcp/other`);
  for (const session of [client.session, 'guessed', '']) {
    stranger.session = session;
    const answer = await stranger.post({ id: 1, method: 'ping' });
    t.match([answer.status, await answer.json()], [404, { code: 'SESSION_NOT_FOUND' }]);
  }
  t.equal(stateOf('other'), 'absent', 'it is no reason to start a server');
  await client.end();
});

test('B43 six clients at once never see each other’s answers', async (t) => {
  for (const name of ['http', 'stdio']) {
    const clients = await Promise.all(Array.from({ length: 6 }, () => greeted(name)));
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 5; round += 1) {
          const params = { name: 'echo', arguments: { who: index, round } };
          const answer = await client.post({ id: round, method: 'tools/call', params });
          const text = (await answer.text()).replaceAll('\\"', '"');
          t.match(text, `"who":${index},"round":${round}`);
          t.match(text, `"id":${round}`);
        }
      }),
    );
    await Promise.all(clients.map((client) => client.end()));
    await goes(name);
  }
});

test('B43 a server that ends takes its sessions along, and theirs alone', async (t) => {
  const [lost, kept] = [await greeted('http'), await greeted('stdio')];
  made.engine.crash('mcp-hub-http');
  await until('its session is over', () => made.fleet.sessions.count('http') === 0);
  t.equal((await lost.post({ id: 1, method: 'ping' })).status, 404);
  t.equal((await kept.post({ id: 1, method: 'ping' })).status, 200);
  await kept.end();
  t.same(made.bugs, []);
});
