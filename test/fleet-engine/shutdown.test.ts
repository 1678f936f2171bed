/** B45 on a real engine: what is left when the fleet ends, and what the next one makes of it. */
import t from 'tap';
import { freePorts } from '../fixtures/e2e-run-pair.ts';
import { node, program, quietEnvironment, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';
import {
  ask,
  callText,
  engineVariables,
  everything,
  everythingOverHttp,
  memory,
  needsEngine,
  patience,
  Scene,
} from './fleet.ts';

t.test('B45 cleanupOnShutdown: nothing is left but the network, which is reused', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const [kept, used, stopped] = [scene.name('kept'), scene.name('used'), scene.name('stopped')];
  const docker = {
    serverConfigs: { [kept]: { ...memory, strategy: 'always-on' }, [used]: everything, [stopped]: memory },
  };
  const fleet = await scene.start({ docker });
  await fleet.client(used);
  await fleet.is(kept, 'running');
  await fleet.api('POST', `/api/docker/containers/${stopped}/start`);
  await fleet.api('POST', `/api/docker/containers/${stopped}/stop`, { remove: false });
  t.equal((await scene.containers()).length, 3);
  const { code } = await fleet.stop();
  t.equal(code, 0);
  t.same(await scene.containers(), []);
  const network = await networkOf(scene);
  t.ok(network);

  const next = await scene.start({ docker });
  await next.is(kept, 'running');
  t.equal(await networkOf(scene), network);
  t.equal((await next.stop()).code, 0);
});

t.test('B45 no cleanupOnShutdown: containers run on, and the next fleet adopts them', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const [http, stdio, idle] = [scene.name('http'), scene.name('stdio'), scene.name('idle')];
  const docker = {
    dockerConfig: { cleanupOnShutdown: false },
    serverConfigs: {
      [http]: { ...everythingOverHttp, strategy: 'always-on' },
      [stdio]: { ...everything, strategy: 'always-on' },
      // On demand, and the next fleet does not know that anybody asked.
      [idle]: { ...everythingOverHttp, idleTimeout: '1m' },
    },
  };
  const fleet = await scene.start({ docker });
  for (const server of [http, stdio, idle]) await fleet.client(server);
  const before = await Promise.all([http, stdio].map((server) => scene.inspect(server)));
  t.equal((await fleet.stop()).code, 0);
  t.same(await Promise.all([http, idle].map((server) => scene.runs(server))), [true, true]);
  t.ok(await scene.inspect(stdio), 'over stdio it has lost its stdin, and may end by itself');

  const next = await scene.start({ docker });
  for (const server of [http, stdio]) {
    const { client } = await next.client(server);
    t.equal(await callText(client, 'echo', { message: server }), `Echo: ${server}`);
  }
  const [httpAfter, stdioAfter] = await Promise.all([http, stdio].map((server) => scene.inspect(server)));
  t.equal(httpAfter?.Id, before[0]?.Id, 'over HTTP: the same container');
  t.equal(httpAfter?.State.StartedAt, before[0]?.State.StartedAt, 'and it was not started again');
  t.not(stdioAfter?.State.StartedAt, before[1]?.State.StartedAt, 'over stdio: started anew, it was greeted already');
  await scene.gone(idle);
  t.equal((await scene.containers()).length, 2, 'none is doubled');
});

t.test('B45 the fleet as a service of tandem, with one that needs it', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const server = scene.name('memory');
  const config = await scene.configure({ serverConfigs: { [server]: { ...memory, strategy: 'always-on' } } });
  const [port] = await freePorts(2);
  const fleetUrl = `http://127.0.0.1:${port}`;
  // Without the fleet it would end at once, and everything with it.
  const script = `fetch('${fleetUrl}/api/docker/status').then((answer) => answer.ok || process.exit(1));
setInterval(() => {}, 1000);`;
  const client = scene.write('client.cjs', script);
  const services = {
    fleet: {
      command: [node, program, 'fleet', '--config', config, '--port', String(port)],
      ready: { port },
      healthcheck: { http: '/health' },
    },
    client: {
      command: [node, client],
      depends_on: { fleet: { condition: 'service_healthy' } },
    },
  };
  const stack = scene.write('tandem.yaml', JSON.stringify({ services }));
  const env = { ...quietEnvironment(t), ...engineVariables(), TANDEM_RUNTIME_DIR: scene.directory };
  const running = runTandem(t, ['run', '--config', stack], { env, cwd: scene.directory });
  await running.record({ service: 'client', to: 'ready' });
  const order = running.records().flatMap(({ service, to }) => (to === undefined ? [] : [`${service} ${to}`]));
  t.same(
    order.filter((one) => ['fleet ready', 'client starting'].includes(one)),
    ['fleet ready', 'client starting'],
  );
  await until('the server runs', () => scene.runs(server), patience);
  await running.signal('SIGTERM');
  t.equal((await running.exited).code, 0);
  t.same(await scene.containers(), []);
});

/** The id of the fleet's network. */
const networkOf = (scene: Scene) => ask(['network', 'ls', '--quiet', '--filter', `name=^${scene.fleetName}$`]);
