/** A container's life under a real engine: up, healthy, used, stopped, killed, refused. */
import t, { type Test } from 'tap';
import { rememberByMcp, rememberByRest } from '../support/mcp-client.ts';
import { until } from '../support/until.ts';
import { type Container, imageOf, makeVolume, needsEngine, remove, runToEnd, start } from './engine.ts';

/** As strict as an engine can be asked to be. */
const locked = ['--read-only', '--tmpfs=/tmp', '--tmpfs=/run', '--cap-drop=ALL', '--security-opt=no-new-privileges'];

/** The hub's port on one of this machine's, which the engine chooses. */
const published = ['--publish=127.0.0.1::7300'];

const healthCheck = ['tandem', 'health'];

/** Knocks at the container's own address as another container would, and prints what each port answered. */
const knockFromOutside = `
  const [{ address: host }] = Object.values(os.networkInterfaces()).flat().filter(({ internal }) => !internal);
  const answers = {};
  for (const port of [7300, 4444, 7399]) {
    const socket = net.connect({ host, port }, () => (answers[port] = 'open', socket.destroy()));
    socket.on('error', ({ code }) => (answers[port] = code));
  }
  process.on('exit', () => console.log(JSON.stringify(answers)));
`;

async function startPair(t: Test, options: readonly string[] = []): Promise<Container> {
  return start(t, await imageOf('embedded'), [...published, ...options]);
}

t.setTimeout(300_000);

t.before(async () => {
  if (needsEngine.skip) return;
  // An image that was just built is read from the disk at its first start, which takes as long as the disk does.
  const container = await startPair(t);
  await container.healthy();
  await container.stop();
});

t.test('B14 a container is healthy within 5 s of docker run', needsEngine, async (t) => {
  const startedAt = performance.now();
  const container = await startPair(t);
  await container.healthy();
  const tookMs = performance.now() - startedAt;
  t.ok(tookMs < 5_000, `${tookMs} ms`);
});

t.test('B12 docker stop takes less than a second, and the code is 0', needsEngine, async (t) => {
  const container = await startPair(t);
  await container.healthy();
  const { tookMs } = await container.stop();
  t.equal(await container.ended(), 0);
  t.ok(tookMs < 1_000, `${tookMs} ms`);
});

t.test('B12 another stop signal of the engine stops as well', needsEngine, async (t) => {
  const container = await startPair(t, ['--stop-signal=SIGINT']);
  await container.healthy();
  await container.stop();
  t.equal(await container.ended(), 0);
});

t.test('B12 a TERM right after the start is not lost', needsEngine, async (t) => {
  for (let round = 1; round <= 10; round++) {
    const container = await startPair(t);
    const { tookMs } = await container.stop();
    t.equal(await container.ended(), 0, `round ${round}`);
    t.ok(tookMs < 2_000, `${tookMs} ms`);
    await remove(container.id);
  }
});

t.test(
  'B11 B55 a killed gateway: the hub gets TERM, the code is 137, the last line says why',
  needsEngine,
  async (t) => {
    const container = await startPair(t);
    await container.healthy();
    await container.shell(`kill -KILL ${await container.pidOf('gateway')}`);
    t.equal(await container.ended(), 137);
    const lines = await container.logLines();
    t.ok(
      lines.some((line) => line.includes('Graceful shutdown completed')),
      "the hub's own words: nobody killed it",
    );
    t.match(JSON.parse(lines.at(-1) ?? ''), { code: 137, reason: /gateway.*SIGKILL/ });
  },
);

t.test(
  'B16 it is uid 1000 without capabilities on a read-only root, and a tool call comes back',
  needsEngine,
  async (t) => {
    const container = await startPair(t, locked);
    await container.healthy();
    const status = await container.shell('cat /proc/1/status');
    t.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
    t.match(status, /^CapEff:\t0+$/m);
    t.match(status, /^CapBnd:\t0+$/m);
    t.match(status, /^NoNewPrivs:\t1$/m);
    t.notOk(await canWrite(container, '/opt/tandem'));
    const hubUrl = await container.urlOf(7300);
    t.same(await rememberByRest(hubUrl, 'rest'), ['rest']);
    t.same((await rememberByMcp(hubUrl, 'mcp')).sort(), ['mcp', 'rest']);
    await container.stop();
    t.equal(await container.ended(), 0);
  },
);

t.test('B16 a read-only root is enough without any tmpfs', needsEngine, async (t) => {
  const container = await startPair(t, ['--read-only']);
  await container.healthy();
  for (const directory of ['/tmp', '/run/tandem', '/app']) t.notOk(await canWrite(container, directory), directory);
  t.same(await rememberByRest(await container.urlOf(7300), 'here'), ['here']);
});

t.test('B16 what is remembered outlives the container in a named volume', needsEngine, async (t) => {
  const volume = await makeVolume(t);
  const options = ['--read-only', '--volume', `${volume}:/app/data`];
  const first = await startPair(t, options);
  await first.healthy();
  await rememberByRest(await first.urlOf(7300), 'first');
  await first.stop();
  await remove(first.id);
  const second = await startPair(t, options);
  await second.healthy();
  t.same((await rememberByRest(await second.urlOf(7300), 'second')).sort(), ['first', 'second']);
});

t.test('B50 health checks that leave children behind leave no zombies', needsEngine, async (t) => {
  const container = await startPair(t);
  await container.healthy();
  for (let round = 0; round < 50; round++) await container.exec(['sh', '-c', 'sleep 0.1 & exit 0']);
  const zombies = `grep -l '^State:.Z' /proc/[0-9]*/status || true`;
  await until('no zombie is left', async () => (await container.shell(zombies)) === '', { withinMs: 1_000 });
  t.match(await container.shell(`cat /proc/1/task/*/children | wc -w`), /^2$/, 'the gateway and the hub');
});

t.test('B05 B14 PORT moves the hub, and health follows', needsEngine, async (t) => {
  const container = await start(t, await imageOf('embedded'), ['--env=PORT=8080', '--publish=127.0.0.1::8080']);
  await container.healthy();
  t.same(await rememberByRest(await container.urlOf(8080), 'moved'), ['moved']);
});

t.test('B14 B22 tandem health answers its user, root and anybody else', needsEngine, async (t) => {
  const container = await startPair(t);
  await container.healthy();
  for (const user of ['1000', '0', '4242']) {
    const { code, stdout } = await container.exec(healthCheck, ['--user', user]);
    t.equal(code, 0, `uid ${user}`);
    t.match(stdout, /^healthy: .*gateway healthy, hub healthy/);
  }
});

t.test('B05 from outside only the hub can be reached, neither the gateway nor health', needsEngine, async (t) => {
  const container = await startPair(t);
  await container.healthy();
  const { stdout } = await container.exec(['node', '--eval', knockFromOutside]);
  t.same(JSON.parse(stdout), { 7300: 'open', 4444: 'ECONNREFUSED', 7399: 'ECONNREFUSED' });
});

t.test('bad input ends it with 78 and says which variable and what is accepted', needsEngine, async (t) => {
  const { code, stderr } = await runToEnd(await imageOf('embedded'), [], ['--env=GW_READY_TIMEOUT=abc']);
  t.equal(code, 78);
  t.match(stderr, /GW_READY_TIMEOUT: "abc".*accepted/);
});

/** Whether the container's user may make a file there. */
async function canWrite(container: Container, directory: string): Promise<boolean> {
  const { code } = await container.exec(['sh', '-c', `: > ${directory}/probe && rm ${directory}/probe`]);
  return code === 0;
}
