/** The fleet while its engine is gone, silent, or comes back: on an engine of its own, which nobody else uses. */
import t, { type Test } from 'tap';
import { until } from '../support/until.ts';
import { type Answer, callText, docker, type Fleet, type FleetOptions, Scene } from './fleet.ts';
import { needsOwnEngine, OwnEngine, small } from './own-engine.ts';

/** What the fleet answers by itself, without an engine: at once, with room for a busy machine. */
const atOnceMs = 1_000;
/** The limit of one question to the engine, and room. */
const questionMs = 5_000 + 1_500;

async function timed<T>(what: Promise<T>): Promise<{ readonly value: T; readonly tookMs: number }> {
  const askedAtMs = performance.now();
  const value = await what;
  return { value, tookMs: performance.now() - askedAtMs };
}

const codeOf = ({ body }: Answer) => (body as { readonly code?: string }).code;

const greeting = { id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18' } };

async function mcp(fleet: Fleet, server: string): Promise<Answer> {
  const response = await fleet.post(server, greeting);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
}

const health = async (fleet: Fleet) => (await fleet.api('GET', '/health')).status;

const unhealthy = (fleet: Fleet) =>
  until('the fleet knows that its engine is gone', async () => (await health(fleet)) === 503, {
    everyMs: 50,
    withinMs: 15_000,
  });

t.test('an engine in trouble', { ...needsOwnEngine, timeout: 200_000 }, async (t) => {
  const engine = await OwnEngine.make(t);
  const scene = await Scene.make(t);
  const [kept, lazy, http, slow, slower] = ['kept', 'lazy', 'http', 'slow', 'slower'].map((one) => scene.name(one)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const options: FleetOptions = {
    docker: {
      startTimeout: '20s',
      serverConfigs: {
        [kept]: small('stdio', { strategy: 'always-on' }),
        [lazy]: small('stdio'),
        [http]: small('http'),
        [slow]: small('http', { environment: { WAIT_MS: '1500' } }),
        // An engine that is asked to end has ended before it answers, also on a busy machine.
        [slower]: small('http', { environment: { WAIT_MS: '15000' } }),
      },
    },
  };
  const fleet = await scene.start(options);

  /** A request that a healthy fleet serves. */
  const serves = async (t: Test, server: string) => {
    const { client, leave } = await fleet.client(server);
    t.equal(await callText(client, 'echo', { text: server }), server);
    await leave();
  };

  await t.test('B42 an engine that is gone: 504 at once, and who runs is still served', async (t) => {
    await fleet.is(kept, 'running');
    const { client, leave } = await fleet.client(http);
    await engine.kill();
    for (const [method, path, body] of [
      ['POST', `/api/docker/containers/${lazy}/start`, {}],
      ['POST', `/api/docker/containers/${kept}/stop`, {}],
      ['POST', `/api/docker/containers/${lazy}/restart`, {}],
      ['POST', '/api/docker/cleanup', undefined],
    ] as const) {
      const { value, tookMs } = await timed(fleet.api(method, path, body));
      t.equal(`${value.status} ${codeOf(value)}`, '504 ENGINE_UNREACHABLE', path);
      t.ok(tookMs < atOnceMs, `${path} took ${tookMs} ms`);
    }
    for (const server of [lazy, kept]) {
      const { value, tookMs } = await timed(mcp(fleet, server));
      t.equal(`${value.status} ${codeOf(value)}`, '504 ENGINE_UNREACHABLE', `/mcp/${server}`);
      t.ok(tookMs < atOnceMs, `/mcp/${server} took ${tookMs} ms`);
    }
    const pulled = await fleet.api('POST', '/api/docker/images/pull', { servers: [lazy] });
    t.equal(pulled.status, 502);
    t.match(pulled.body, { success: false });
    await unhealthy(fleet);
    t.match((await fleet.api('GET', '/api/docker/status')).body, { enabled: true, containerCount: Number });
    for (const server of [kept, lazy, http]) t.equal((await fleet.view(server))['containerState'], 'unknown', server);
    t.equal(await callText(client, 'echo', { text: 'still here' }), 'still here');
    await leave();
  });

  await t.test('B45 an engine that comes back: everything is found and put right', async (t) => {
    await engine.start();
    const { tookMs } = await timed(fleet.is(kept, 'running'));
    t.ok(tookMs < 10_000, `it took ${tookMs} ms`);
    t.equal(await health(fleet), 200);
    for (const server of [kept, lazy, http]) await serves(t, server);
  });

  await t.test('B42 an engine that is silent: 504 within the limit, and then at once', async (t) => {
    const { client, leave } = await fleet.client(http);
    t.teardown(() => engine.resume());
    engine.pause();
    const first = await timed(mcp(fleet, slow));
    t.equal(`${first.value.status} ${codeOf(first.value)}`, '504 ENGINE_UNREACHABLE');
    t.ok(first.tookMs < questionMs, `it took ${first.tookMs} ms`);
    t.ok((await timed(fleet.api('GET', '/health'))).tookMs < atOnceMs);
    await unhealthy(fleet);
    const second = await timed(mcp(fleet, slow));
    t.equal(`${second.value.status} ${codeOf(second.value)}`, '504 ENGINE_UNREACHABLE');
    t.ok(second.tookMs < atOnceMs, `it took ${second.tookMs} ms`);
    t.equal(await callText(client, 'echo', { text: 'still here' }), 'still here');
    engine.resume();
    const { tookMs } = await timed(until('it is healthy', async () => (await health(fleet)) === 200, { everyMs: 50 }));
    t.ok(tookMs < 5_000, `it took ${tookMs} ms`);
    await until('it is reconciled', async () => (await fleet.view(slow))['containerState'] !== 'unknown');
    t.equal(await callText(client, 'echo', { text: 'still here' }), 'still here');
    await leave();
    await serves(t, kept);
    await serves(t, slow);
  });

  await t.test(
    'B42 an engine that is restarted in the middle of a start: an error, and then one container',
    async (t) => {
      const asked = timed(fleet.api('POST', `/api/docker/containers/${slower}/start`, {}));
      await until('it is being started', () => scene.runs(slower));
      await engine.stop();
      await engine.start();
      const { value, tookMs } = await asked;
      t.ok([502, 504].includes(value.status), `it answered ${value.status}`);
      t.ok(tookMs < 20_000, `it took ${tookMs} ms`);
      await fleet.is(kept, 'running');
      const again = await fleet.api('POST', `/api/docker/containers/${slower}/start`, { connect: false });
      t.match(again.body, { success: true });
      const found = (await scene.containers()).filter(({ Name }) => Name === `/mcp-hub-${slower}`);
      t.equal(found.length, 1);
      await fleet.api('POST', `/api/docker/containers/${slower}/stop`, { remove: true });
    },
  );

  await t.test('B45 a start that its caller does not wait for leaves nothing', async () => {
    await fleet.api('POST', `/api/docker/containers/${slow}/stop`, { remove: true });
    for (const afterMs of [0, 20, 60, 120, 250, 500, 900]) {
      const caller = new AbortController();
      setTimeout(() => caller.abort(), afterMs);
      await fleet.post(slow, greeting, undefined, caller.signal).catch(() => {});
    }
    await scene.gone(slow);
    await fleet.is(slow, 'absent');
  });

  await t.test('B45 a fleet that is ended in the middle of a start leaves nothing', async (t) => {
    await fleet.stop();
    for (const afterMs of [0, 30, 80, 150, 300]) {
      const other = await scene.start(options);
      void other.post(lazy, greeting).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      t.equal((await other.stop()).code, 0);
      // A container that the engine makes after all would come within this.
      const { stdout } = await docker(['ps', '--all', '--format', '{{.Names}}']);
      t.equal(stdout.trim(), '', `after ${afterMs} ms`);
    }
  });

  await t.test('B45 a fleet that ends while its engine is gone says what it may leave, and ends', async (t) => {
    const other = await scene.start(options);
    await engine.stop();
    const { code, tookMs } = await other.stop();
    t.equal(code, 0);
    t.ok(tookMs < 5_000, `it took ${tookMs} ms`);
  });

  t.notMatch(fleet.running.stderr, /unhandled/i);
});
