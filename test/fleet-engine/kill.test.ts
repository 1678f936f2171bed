/** What a fleet that was killed leaves behind, and what the next one makes of it. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import t from 'tap';
import { until } from '../support/until.ts';
import { callText, type Fleet, type FleetOptions, needsEngine, Scene } from './fleet.ts';
import { small } from './own-engine.ts';

/** Of kills at random moments. */
const rounds = Number(process.env['TANDEM_KILL_ROUNDS'] ?? 6);
const seed = Number(process.env['TANDEM_KILL_SEED'] ?? 1);

/** mulberry32: the same rounds for the same seed. */
function dice(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let x = Math.imul(a ^ (a >>> 15), 1 | a);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function kill(fleet: Fleet): Promise<void> {
  fleet.running.child.kill('SIGKILL');
  await fleet.running.exited;
}

/** Nothing that this fleet says is waited for: it may be dead before. */
const stop = (fleet: Fleet, server: string) =>
  void fleet.api('POST', `/api/docker/containers/${server}/stop`, { remove: true }).catch(() => {});
const restart = (fleet: Fleet, server: string) =>
  void fleet.api('POST', `/api/docker/containers/${server}/restart`, {}).catch(() => {});
const say = (fleet: Fleet, server: string) =>
  void fleet.post(server, { id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18' } }).catch(() => {});

/** Listens to the engine. @returns resolves when it tells that this happened to the server's container */
async function listen(server: string, action: string): Promise<{ readonly told: Promise<void>; end(): void }> {
  const filters = [`event=${action}`, `label=mcp-hub.server=${server}`].flatMap((one) => ['--filter', one]);
  // From just now on, so that it does not matter when it is connected.
  const since = String(Date.now() / 1_000);
  const words = ['events', '--since', since, '--format', '{{.Action}}', ...filters];
  const child = spawn('docker', words, { stdio: ['ignore', 'pipe', 'ignore'] });
  const told = new Promise<void>((resolve) => createInterface({ input: child.stdout }).once('line', () => resolve()));
  return { told, end: () => child.kill('SIGKILL') };
}

t.test('a fleet that is killed', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const [kept, keptHttp, lazy, lazyHttp] = ['kept', 'kept-http', 'lazy', 'lazy-http'].map((one) => scene.name(one)) as [
    string,
    string,
    string,
    string,
  ];
  const all = [kept, keptHttp, lazy, lazyHttp];
  const options: FleetOptions = {
    docker: {
      idleTimeout: '500ms',
      startTimeout: '20s',
      serverConfigs: {
        [kept]: small('stdio', { strategy: 'always-on' }),
        [keptHttp]: small('http', { strategy: 'always-on' }),
        [lazy]: small('stdio'),
        [lazyHttp]: small('http'),
      },
    },
  };

  /** Resolves when the servers that are kept run, one container each, and nobody else does. */
  const settled = (fleet: Fleet) =>
    until(
      'the kept servers run, and nobody else',
      async () => {
        const states = await Promise.all(all.map(async (name) => String((await fleet.view(name))['containerState'])));
        const running = (await scene.containers()).filter(({ State }) => State.Running).map(({ Name }) => Name);
        const isAsWanted = states.every((state, index) =>
          index < 2 ? state === 'running' : ['absent', 'stopped'].includes(state),
        );
        return isAsWanted && running.sort().join() === [`/mcp-hub-${kept}`, `/mcp-hub-${keptHttp}`].sort().join();
      },
      { everyMs: 50, withinMs: 15_000 },
    );

  await t.test('B45 a server over stdio ends with it, and one over HTTP is found again', async (t) => {
    const first = await scene.start(options);
    await settled(first);
    await first.client(keptHttp);
    const before = await scene.inspect(keptHttp);
    await kill(first);
    await until('it has ended', async () => !(await scene.runs(kept)), { everyMs: 50 });
    t.ok(await scene.runs(keptHttp));
    const second = await scene.start(options);
    await settled(second);
    t.equal((await scene.inspect(keptHttp))?.Id, before?.Id);
    await kill(second);
  });

  for (const [action, server, cause] of [
    ['create', lazy, say],
    ['start', lazy, say],
    ['start', lazyHttp, say],
    ['kill', kept, stop],
    ['die', keptHttp, stop],
    ['destroy', kept, restart],
  ] as const) {
    await t.test(`B45 at the moment of "${action}", by ${cause.name} of ${server.replace(/-\w+$/, '')}`, async () => {
      const fleet = await scene.start(options);
      await fleet.is(kept, 'running');
      await fleet.is(keptHttp, 'running');
      const { told, end } = await listen(server, action);
      cause(fleet, server);
      await told;
      end();
      await kill(fleet);
    });
  }

  await t.test(`B45 at any moment: the next one keeps or takes away all of it (seed ${seed})`, async (t) => {
    const random = dice(seed);
    const anyServer = () => all[Math.floor(random() * 4)] as string;
    for (let round = 0; round < rounds; round += 1) {
      const fleet = await scene.launch(options);
      await until('it listens', async () => (await fetch(`${fleet.url}/health`).catch(() => undefined)) !== undefined);
      say(fleet, lazy);
      say(fleet, lazyHttp);
      if (random() < 0.5) restart(fleet, anyServer());
      if (random() < 0.5) stop(fleet, anyServer());
      // No wait for something: the moment is what is tested.
      await new Promise((resolve) => setTimeout(resolve, random() * 1_500));
      await kill(fleet);
    }
    const fleet = await scene.start(options);
    await settled(fleet);
    for (const name of all) {
      const { client, leave } = await fleet.client(name);
      t.equal(await callText(client, 'echo', { text: name }), name);
      await leave();
    }
    await settled(fleet);
    await fleet.stop();
    t.strictSame(await scene.containers(), []);
  });
});
