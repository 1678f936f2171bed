/** B43 on a real engine: a server is there when somebody asks, once, and for as long as somebody holds it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../support/until.ts';
import { callText, everything, type Fleet, filesystem, memory, mute, needsEngine, Scene } from './fleet.ts';

t.test('B43 the first call starts the container and answers from its volume; idle, it goes', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const server = scene.name('filesystem');
  const data = scene.makeDirectory('data');
  writeFileSync(join(data, 'note.txt'), 'from the host');
  const read = { path: '/data/note.txt' };
  const fleet = await scene.start({
    docker: {
      allowedVolumes: [scene.directory],
      idleTimeout: '1s',
      serverConfigs: { [server]: { ...filesystem, volumes: { [data]: '/data' } } },
    },
  });
  t.equal(await scene.inspect(server), undefined, 'nothing runs that nobody asked for');

  const { client, leave } = await fleet.client(server);
  t.equal(await callText(client, 'read_text_file', read), 'from the host');
  t.match(await fleet.view(server), { containerState: 'running', connected: true });
  await leave();
  const leftAtMs = Date.now();
  await scene.gone(server);
  const [died] = await scene.events('die', server);
  t.ok(Number(died?.timeNano) / 1e6 - leftAtMs > 900, 'not before its idle time is over');
  await fleet.is(server, 'absent');
  t.match(await fleet.view(server), { endpoint: null, connected: false, error: null });

  const again = await fleet.client(server);
  t.equal(await callText(again.client, 'read_text_file', read), 'from the host', 'it comes again');
  t.equal((await scene.events('create')).length, 2);
});

t.test('B43 fifty clients at once start it once', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const server = scene.name('memory');
  const fleet = await scene.start({ docker: { serverConfigs: { [server]: memory } } });
  const clients = Array.from({ length: 50 }, async () => callText((await fleet.client(server)).client, 'read_graph'));
  const answers = await Promise.all(clients);
  t.ok(answers.every((text) => text.includes('"entities"')));
  t.equal((await scene.events('create')).length, 1);
  t.equal((await scene.events('start')).length, 1);
  t.match((await fleet.api('GET', '/api/docker/status')).body, { containerCount: 1, connectionCount: 50 });
});

t.test('B43 a stream, a request or a session that is open keeps it, and nothing else does', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const names = (['left', 'silent', 'streamed', 'called'] as const).map((name) => scene.name(name));
  const [left = '', silent = '', streamed = '', called = ''] = names;
  const fleet = await scene.start({
    docker: {
      idleTimeout: '500ms',
      sessionTimeout: '1s',
      serverConfigs: Object.fromEntries(names.map((name) => [name, everything])),
    },
  });
  const opened = [fleet.greet(left), openStream(fleet, streamed), callForLong(fleet, called)] as const;
  const [session, stream, call] = await Promise.all(opened);
  await fleet.greet(silent);
  await fleet.leave(left, session);

  // Each one's end is the clock for those that are to stay.
  const gone = async (server: string) => {
    await scene.gone(server);
    const died = await scene.events('die');
    return died.map(({ Actor }) => Actor.Attributes['mcp-hub.server']);
  };
  t.same(await gone(left), [left], 'only the one whose session was ended');
  t.same(await gone(silent), [left, silent], 'a session of which nothing is heard ends by its timeout');
  stream.abort();
  t.same(await gone(streamed), [left, silent, streamed], 'when the stream is closed');
  call.abort();
  t.same(await gone(called), [left, silent, streamed, called], 'when nobody waits for the answer');
});

t.test('B43 a start that nobody waits for any more is called off, and leaves nothing', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const server = scene.name('mute');
  const fleet = await scene.start({ docker: { serverConfigs: { [server]: mute } } });
  const open = new AbortController();
  const asked = fleet.post(server, { id: 1, method: 'ping' }, undefined, open.signal);
  await until('its container runs', () => scene.runs(server), { everyMs: 20 });
  open.abort();
  await t.rejects(asked, { name: 'AbortError' });
  await scene.gone(server);
  await fleet.is(server, 'absent');
});

/** In a session of its own. @returns what closes it */
async function openStream(fleet: Fleet, server: string): Promise<AbortController> {
  const session = await fleet.greet(server);
  const open = new AbortController();
  const headers = { accept: 'text/event-stream', 'mcp-session-id': session };
  const response = await fetch(`${fleet.url}/mcp/${server}`, { headers, signal: open.signal });
  if (!response.ok) throw new Error(`no stream: ${response.status}`);
  return open;
}

/** A request that takes longer than the test. @returns what hangs up */
async function callForLong(fleet: Fleet, server: string): Promise<AbortController> {
  const session = await fleet.greet(server);
  const open = new AbortController();
  const params = { name: 'trigger-long-running-operation', arguments: { duration: 60, steps: 1 } };
  const response = await fleet.post(server, { id: 1, method: 'tools/call', params }, session, open.signal);
  if (!response.ok) throw new Error(`not called: ${response.status}`);
  return open;
}
