/** B43 on a real engine: many clients of one server, over both transports, each with nothing but its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../support/until.ts';
import {
  ask,
  callText,
  docker,
  everything,
  everythingOverHttp,
  type Fleet,
  needsEngine,
  patience,
  Scene,
  type ServerConfig,
} from './fleet.ts';

const longRunning = 'trigger-long-running-operation';

const transports: Readonly<Record<string, ServerConfig>> = { stdio: everything, http: everythingOverHttp };

for (const [transport, config] of Object.entries(transports)) {
  t.test(`over ${transport}`, needsEngine, async (t) => {
    const scene = await Scene.make(t);
    const server = scene.name(transport);
    const other = scene.name('hung-up-on');
    const fleet = await scene.start({ docker: { serverConfigs: { [server]: config, [other]: config } } });
    const hungUp = transport === 'http' ? hangUp(fleet, other) : undefined;
    const clients = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => ({ index, ...(await fleet.client(server)) })),
    );

    await t.test('B43 six clients at once get their own answers, with equal ids', async (t) => {
      // The client counts its ids from 0: all six use the same ones.
      const answers = clients.map(async ({ client, index }) => {
        const texts = Array.from({ length: 20 }, (_, call) => `${index}/${call} ${'x'.repeat(call * 1_000)}`);
        const heard = await Promise.all(texts.map((message) => callText(client, 'echo', { message })));
        return heard.every((text, call) => text === `Echo: ${texts[call]}`);
      });
      t.same(
        await Promise.all(answers),
        clients.map(() => true),
      );
    });

    await t.test('B43 progress reaches only the client whose request it is of', async (t) => {
      const reports = clients.map(async ({ client, index }) => {
        const steps = index + 2;
        const heard: (number | undefined)[] = [];
        await client.callTool({ name: longRunning, arguments: { duration: 0.5, steps } }, undefined, {
          onprogress: ({ total }) => void heard.push(total),
        });
        return heard;
      });
      const own = clients.map(({ index }) => Array.from({ length: index + 2 }, () => index + 2));
      t.same(await Promise.all(reports), own);
    });

    await t.test('B43 what a client cancels, leaves or hangs up on is ended at the server', async (t) => {
      const sessions = await Promise.all(Array.from({ length: 4 }, () => fleet.greet(server)));
      const [cancelling = '', leaving = '', hangingUp = '', staying = ''] = sessions;
      const open = new AbortController();
      const [cancelled] = await Promise.all([
        call(fleet, server, cancelling, { duration: 3, steps: 11 }),
        call(fleet, server, leaving, { duration: 3, steps: 12 }),
        call(fleet, server, hangingUp, { duration: 3, steps: 13 }, open.signal),
      ]);
      const params = { requestId: 7, reason: 'not wanted any more' };
      t.equal((await fleet.post(server, { method: 'notifications/cancelled', params }, cancelling)).status, 202);
      await fleet.leave(server, leaving);
      open.abort();
      const gone = await fleet.post(server, { id: 8, method: 'ping' }, leaving);
      t.match(await gone.json(), { code: 'SESSION_NOT_FOUND' });
      // Begun later and as long: when it is answered, the others would have been.
      const witness = await call(fleet, server, staying, { duration: 3, steps: 14 });
      t.match(await witness.text(), 'Steps: 14');
      const said = await saidBy(server);
      t.same(
        ['Steps: 11', 'Steps: 12', 'Steps: 13'].filter((text) => said.includes(text)),
        [],
      );
      await fleet.leave(server, cancelling);
      t.notOk((await cancelled.text()).includes('Steps: 11'), 'nobody hears of it');
    });

    await t.test('B43 who waits for an answer is told when the server goes', async (t) => {
      const waiting = await waitingOn(fleet, server);
      if (transport === 'stdio') {
        await fleet.api('POST', `/api/docker/containers/${server}/stop`, { remove: true });
        t.match(await waiting.answer, { id: 7, error: { message: 'the server is gone' } }, 'stopped by name');
        const again = await waitingOn(fleet, server);
        await ask(['kill', `mcp-hub-${server}`]);
        t.match(await again.answer, { id: 7, error: { message: 'the server is gone' } }, 'killed');
      } else {
        await fleet.api('POST', `/api/docker/containers/${server}/stop`, { remove: true });
        await t.rejects(waiting.answer, 'the connection breaks: an answer that is half there cannot be mended');
      }
    });

    if (!hungUp) return;
    await t.test('B43 a client that hangs up over HTTP hangs up at the server', async (t) => {
      t.equal(await hungUp, 'heard');
    });
  });
}

t.test('B43 a server that is heard no more is started anew, though its container runs on', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const server = scene.name('cut-off');
  const data = scene.makeDirectory('data');
  writeFileSync(join(data, 'long'), 'x'.repeat(6 * 1_024 ** 2));
  writeFileSync(join(data, 'short'), 'short');
  const fleet = await scene.start({
    docker: {
      allowedVolumes: [data],
      // The shell holds the container when the server has ended with its stdin.
      serverConfigs: {
        [server]: { volumes: { [data]: '/data' }, command: ['sh', '-c', 'mcp-server-filesystem /data; sleep 600'] },
      },
    },
  });
  const { client } = await fleet.client(server);
  // The text is told twice, and more than the SDK takes for a message: the stream cannot be read any further.
  await t.rejects(callText(client, 'read_text_file', { path: '/data/long' }), /the server is gone/);
  const again = await fleet.client(server);
  t.equal(await callText(again.client, 'read_text_file', { path: '/data/short' }), 'short');
  t.equal((await scene.containers()).length, 1);
});

/** In MCP over HTTP it is no cancellation: the connection ends. */
async function hangUp(fleet: Fleet, server: string): Promise<string> {
  const session = await fleet.greet(server);
  const open = new AbortController();
  await call(fleet, server, session, { duration: 60, steps: 1 }, open.signal);
  // Idle ones the server closes by itself: the one that stays is the request's.
  const connections = () => connectionsOf(server);
  await until('only its connection is left', async () => (await connections()) === 1, patience);
  open.abort();
  await until('it is closed', async () => (await connections()) === 0, patience);
  return 'heard';
}

/** Calls the long-running tool with id 7. Resolves when the call is under way: its stream is open. */
async function call(
  fleet: Fleet,
  server: string,
  session: string,
  toolArguments: { readonly duration: number; readonly steps: number },
  signal?: AbortSignal,
): Promise<Response> {
  const params = { name: longRunning, arguments: toolArguments };
  const response = await fleet.post(server, { id: 7, method: 'tools/call', params }, session, signal);
  if (!response.ok) throw new Error(`not called: ${response.status} ${await response.text()}`);
  return response;
}

/** A call under way in a session of its own, and the message that will answer it. */
async function waitingOn(fleet: Fleet, server: string): Promise<{ readonly answer: Promise<unknown> }> {
  const response = await call(fleet, server, await fleet.greet(server), { duration: 60, steps: 1 });
  const answer = response.text().then((text): unknown => JSON.parse(/^data: (.+)$/m.exec(text)?.[1] ?? 'null'));
  answer.catch(() => {});
  return { answer };
}

/** All that the server has written on its stdout: with stdio, all of its answers. */
async function saidBy(server: string): Promise<string> {
  return (await docker(['logs', `mcp-hub-${server}`])).stdout;
}

/** How many the server has, as its kernel knows them. */
async function connectionsOf(server: string): Promise<number> {
  const { code, stdout } = await docker(['exec', `mcp-hub-${server}`, 'cat', '/proc/net/tcp', '/proc/net/tcp6']);
  if (code !== 0) throw new Error(`${server} cannot be asked for its connections`);
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  return rows.filter(([, local, , state]) => local?.endsWith(`:${listensAt}`) && state === established).length;
}

/** 3001, and the state, in the kernel's hexadecimal words. */
const listensAt = '0BB9';
const established = '01';
