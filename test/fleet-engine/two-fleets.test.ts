/** Two fleets on one engine: of two names, of one name by mistake, and beside containers that are nobody's. */
import t from 'tap';
import { freePorts } from '../fixtures/e2e-run-pair.ts';
import { until } from '../support/until.ts';
import { ask, callText, docker, type Fleet, needsEngine, Scene, type ServerConfig } from './fleet.ts';
import { small } from './own-engine.ts';

const dockerOf = (serverConfigs: Readonly<Record<string, ServerConfig>>, rest: object = {}) => ({
  docker: { idleTimeout: '1s', serverConfigs, ...rest },
});

async function echoes(fleet: Fleet, server: string): Promise<boolean> {
  const { client, leave } = await fleet.client(server);
  const text = await callText(client, 'echo', { text: server });
  await leave();
  return text === server;
}

const start = (fleet: Fleet, server: string) => fleet.api('POST', `/api/docker/containers/${server}/start`, {});

t.test('B45 two fleets of two names on one engine', { ...needsEngine, timeout: 60_000 }, async (t) => {
  const [one, other] = [await Scene.make(t), await Scene.make(t)];
  const [shared, mine, its] = [one.name('shared'), one.name('mine'), other.name('its')];
  const kept = small('http', { strategy: 'always-on' });
  const first = await one.start(dockerOf({ [shared]: kept, [mine]: kept }));
  await first.is(shared, 'running');
  await first.is(mine, 'running');
  const before = await one.containers();
  const second = await other.start(dockerOf({ [shared]: small('http'), [its]: kept }));
  await second.is(its, 'running');

  await t.test('the same server in both: who comes second is told who has it', async (t) => {
    const { status, body } = await start(second, shared);
    t.equal(status, 409);
    t.match(body, { success: false, code: 'CONFLICT', error: one.fleetName });
    t.match(body, { error: `mcp-hub-${shared}` });
    const stopped = await second.api('POST', `/api/docker/containers/${shared}/stop`, { remove: true });
    t.match(stopped.body, { success: true });
  });

  await t.test("neither counts, lists, cleans up or ends what is the other's", async (t) => {
    t.match((await second.api('GET', '/api/docker/status')).body, { containerCount: 1 });
    await ask(['kill', `mcp-hub-${mine}`]);
    t.match((await second.api('POST', '/api/docker/cleanup')).body, { removed: [] });
    await first.is(mine, 'running');
    await second.stop();
    t.same(await other.containers(), []);
    const after = await one.containers();
    t.same(after.map(({ Name }) => Name).sort(), before.map(({ Name }) => Name).sort());
    t.equal((await one.inspect(shared))?.Id, before.find(({ Name }) => Name === `/mcp-hub-${shared}`)?.Id);
    t.ok(await echoes(first, shared));
  });
});

t.test('B45 two processes of one fleet', { ...needsEngine, timeout: 60_000 }, async (t) => {
  const scene = await Scene.make(t);
  const [kept, keptHttp, lazy, stranger] = ['kept', 'kept-http', 'lazy', 'stranger'].map((one) => scene.name(one)) as [
    string,
    string,
    string,
    string,
  ];
  const servers = {
    [kept]: small('stdio', { strategy: 'always-on' }),
    [keptHttp]: small('http', { strategy: 'always-on' }),
    [lazy]: small('stdio'),
  };
  const [port] = await freePorts(2);
  const running = async (fleet: Fleet) => {
    for (const server of [kept, keptHttp]) {
      await fleet.is(server, 'running');
    }
  };
  const attempts = ({ running: { stderr } }: Fleet) =>
    stderr.split('\n').filter((line) => line.includes(`"server":"${kept}","from":"failed","to":"starting"`)).length;
  const creations = async () => (await scene.events('create')).length;

  await t.test("who comes later takes over, and they do not end each other's servers", async (t) => {
    const first = await scene.start(dockerOf({ ...servers, [stranger]: small('stdio', { strategy: 'always-on' }) }));
    await running(first);
    await first.is(stranger, 'running');
    const second = await scene.start({ ...dockerOf(servers), port });
    await running(second);
    // What is not in its configuration it ends once, and the other one makes it anew.
    await until('the stranger is back', async () => (await scene.events('create', stranger)).length === 2, {
      everyMs: 50,
    });
    await first.is(stranger, 'running');
    await first.is(kept, 'failed');
    t.match((await first.view(kept))['error'], /another process of the fleet/);
    t.ok(await echoes(second, kept));
    t.ok(await echoes(second, keptHttp));
    const made = await creations();
    const { status, body } = await start(first, kept);
    t.equal(status, 409);
    t.match(body, { code: 'CONFLICT', error: 'end one of the two' });
    const before = attempts(first);
    await until('the first one has tried again by itself', () => attempts(first) > before, { everyMs: 50 });
    await first.is(kept, 'failed');
    t.equal(await creations(), made, 'nothing was made anew');
    t.ok(await echoes(second, kept));
    t.ok(await echoes(first, stranger));

    await t.test('and when one ends, the other has all of it again', async (t) => {
      await second.stop();
      for (const server of [kept, keptHttp]) {
        t.match((await start(first, server)).body, { success: true });
        t.ok(await echoes(first, server));
      }
      await first.stop();
      t.same(await scene.containers(), []);
    });
  });
});

t.test(
  "B45 what is not the fleet's, and what is no longer configured",
  { ...needsEngine, timeout: 60_000 },
  async (t) => {
    const scene = await Scene.make(t);
    const [taken, old, current] = ['taken', 'old', 'current'].map((one) => scene.name(one)) as [string, string, string];
    const name = `mcp-hub-${taken}`;
    t.teardown(() => docker(['rm', '--force', name]));
    const id = await ask(['run', '--detach', '--name', name, 'node:26-bookworm-slim', 'sleep', '600']);
    const options = { dockerConfig: { cleanupOnShutdown: false } };
    const first = await scene.start(dockerOf({ [old]: small('http'), [current]: small('http') }, options));
    for (const server of [old, current]) t.match((await start(first, server)).body, { success: true });
    first.running.child.kill('SIGKILL');
    await first.running.exited;
    const second = await scene.start(
      dockerOf({
        [taken]: small('http', { strategy: 'always-on' }),
        [current]: small('http', { strategy: 'always-on' }),
      }),
    );
    await scene.gone(old);
    await second.is(current, 'running');
    t.equal((await scene.events('create', current)).length, 1, 'what is configured is kept');
    const { status, body } = await start(second, taken);
    t.equal(status, 409);
    t.match(body, { code: 'CONFLICT', error: `"${name}" is the name of a container that is not the fleet's` });
    await second.api('POST', `/api/docker/containers/${taken}/stop`, { remove: true });
    await second.api('POST', '/api/docker/cleanup');
    await second.stop();
    t.equal(await ask(['inspect', '--format', '{{.Id}} {{.State.Running}}', name]), `${id} true`);
  },
);
