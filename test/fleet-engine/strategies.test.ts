/** B41 on a real engine: what runs when nobody asks, what comes back, and who yields. */
import t from 'tap';
import { until } from '../support/until.ts';
import { ask, callText, everything, everythingOverHttp, memory, needsEngine, patience, Scene } from './fleet.ts';

const ping = { id: 1, method: 'ping' };

t.test('B41 the strategies side by side', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const names = ['kept', 'warm', 'warm-http', 'timed', 'closed', 'asked'].map((name) => scene.name(name));
  const [kept = '', warm = '', warmHttp = '', timed = '', closed = '', asked = ''] = names;
  // Once, soon, and long enough for a fleet that takes its time.
  const opensAt = new Date(Math.ceil(Date.now() / 1_000 + 3) * 1_000);
  const openMs = 10_000;
  const at = (moment: Date) => `${moment.getUTCSeconds()} ${moment.getUTCMinutes()} ${moment.getUTCHours()} * * *`;
  const window = (moment: Date) => ({ cron: at(moment), duration: `${openMs}ms`, timezone: 'Etc/UTC' });
  const halfADayLater = new Date(opensAt.getTime() + 12 * 3_600_000);
  const fleet = await scene.start({
    docker: {
      serverConfigs: {
        [kept]: { ...memory, strategy: 'always-on' },
        [warm]: { ...everything, strategy: 'pre-warmed' },
        [warmHttp]: { ...everythingOverHttp, strategy: 'pre-warmed' },
        [timed]: { ...memory, strategy: 'scheduled', schedule: [window(opensAt)] },
        [closed]: { ...memory, strategy: 'scheduled', schedule: [window(halfADayLater)] },
        [asked]: memory,
      },
    },
  });
  const throughTheWindow = (async () => {
    await until('the window is open', () => scene.runs(timed), patience);
    const { client, leave } = await fleet.client(timed);
    await until('nobody else may come', async () => (await fleet.post(timed, ping)).status === 503, patience);
    const closedAtMs = Date.now();
    const graph = await callText(client, 'read_graph');
    await leave();
    await scene.gone(timed);
    const [[started], [died]] = await Promise.all([scene.events('start', timed), scene.events('die', timed)]);
    return { graph, closedAtMs, startedAtMs: (started?.timeNano ?? 0) / 1e6, diedAtMs: (died?.timeNano ?? 0) / 1e6 };
  })();
  // Awaited by the last of the tests here.
  throughTheWindow.catch(() => {});

  await t.test('scheduled: closed but for its window, and says so', async (t) => {
    const refused = await fleet.post(closed, ping);
    t.equal(refused.status, 503);
    t.match(await refused.json(), { success: false, code: 'SERVER_CLOSED' });
  });

  await t.test('always-on, pre-warmed: up without being asked for; on-demand: not', async (t) => {
    for (const name of [kept, warm, warmHttp]) await fleet.is(name, 'running');
    for (const name of [asked, closed]) t.equal(await scene.inspect(name), undefined);
  });

  await t.test('pre-warmed: runs, and is connected when the first client comes', async (t) => {
    for (const name of [warm, warmHttp]) {
      t.match(await fleet.view(name), { containerState: 'running', connected: false });
      const { client } = await fleet.client(name);
      t.equal(await callText(client, 'echo', { message: name }), `Echo: ${name}`);
      t.match(await fleet.view(name), { containerState: 'running', connected: true });
      t.equal((await scene.events('start', name)).length, 1, 'by the container that was there');
    }
  });

  await t.test('always-on: comes back when it is killed, after a while', async (t) => {
    await until('it is connected', async () => (await fleet.view(kept))['connected'], patience);
    await ask(['kill', `mcp-hub-${kept}`]);
    const starts = async () => (await scene.events('start', kept)).length;
    await until('it was started again', async () => (await starts()) === 2, patience);
    // The wait is anything from nothing to a second: that it is one is seen in the states.
    const changes = fleet.running.records().flatMap((record) => ('server' in record ? [record] : []));
    const path = changes.filter(({ server }) => server === kept).map(({ from, to }) => `${from} > ${to}`);
    t.same(path.slice(0, 4), ['absent > starting', 'starting > running', 'running > failed', 'failed > starting']);
    const { client } = await fleet.client(kept);
    t.match(await callText(client, 'read_graph'), 'entities');
    t.match(await fleet.view(kept), { containerState: 'running', error: null });
  });

  await t.test('scheduled: up when its window opens, gone when it closes', async (t) => {
    const { graph, closedAtMs, startedAtMs, diedAtMs } = await throughTheWindow;
    t.ok(startedAtMs >= opensAt.getTime(), 'not before');
    t.ok(closedAtMs >= opensAt.getTime() + openMs, 'open for as long as it is to be');
    t.match(graph, 'entities', 'who is in by then is served');
    t.ok(diedAtMs >= closedAtMs, 'and it goes when they do');
  });
});

t.test(
  'B41 over maxContainers the one that was idle for longest yields, else the next is refused',
  needsEngine,
  async (t) => {
    const scene = await Scene.make(t);
    const names = ['first', 'second', 'third', 'fourth'].map((name) => scene.name(name));
    const [first = '', second = '', third = '', fourth = ''] = names;
    const fleet = await scene.start({
      docker: { maxContainers: 2, serverConfigs: Object.fromEntries(names.map((name) => [name, memory])) },
    });
    const running = async () => (await scene.containers()).map(({ Name }) => Name.replace('/mcp-hub-', '')).sort();

    await fleet.leave(first, await fleet.greet(first));
    await fleet.leave(second, await fleet.greet(second));
    const session = await fleet.greet(third);
    t.same(await running(), [second, third].sort(), 'the first was idle for longest');
    await fleet.greet(second);
    const refused = await fleet.post(fourth, ping);
    t.equal(refused.status, 409, 'both are in use');
    t.match(await refused.json(), { success: false, code: 'LIMIT_REACHED', error: /maxContainers/ });
    t.match(await fleet.api('POST', `/api/docker/containers/${fourth}/start`, {}), { status: 409 });
    t.same(
      await running(),
      [second, third].sort(),
      'nobody was sent away, and nothing is left of the one that was refused',
    );
    await fleet.leave(third, session);
    await fleet.greet(fourth);
    t.same(await running(), [fourth, second].sort(), 'who is not in use any more yields');
  },
);
