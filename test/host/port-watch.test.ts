import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import t, { type Test } from 'tap';
import { native } from '../../src/host/native.ts';
import { isAnswered, listenersOf, untilAnswered } from '../../src/host/port-watch.ts';
import { listenSockets } from '../../src/host/proc-net.ts';
import { until } from '../support/until.ts';

const isBuilt = native().reaper !== undefined;
const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
const withAddon = { skip: !isBuilt && 'the addon was not built' };
const withIPv6 = { skip: withAddon.skip || (!hasIPv6 && 'needs IPv6') };
const never = () => new AbortController().signal;

/** On a port below those that the kernel gives out: nobody else on the machine comes to the same one at another address. */
async function listen(t: Test, host: string, port = 0, ipv6Only = false): Promise<Server> {
  const server = createServer();
  const where = { host, port: port || 10_000 + Math.floor(Math.random() * 20_000), ipv6Only };
  const error = await new Promise((done) => server.once('error', done).listen(where, () => done(undefined)));
  if (error !== undefined && port === 0) return listen(t, host, port, ipv6Only);
  t.equal(error, undefined, `listens on ${host}`);
  t.teardown(() => server.close());
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function freePort(t: Test): Promise<number> {
  const server = await listen(t, '127.0.0.1');
  const port = portOf(server);
  await new Promise((done) => server.close(done));
  return port;
}

const doors: readonly (readonly [bound: string, door: string, isAnswered: boolean])[] = [
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.1', '::ffff:127.0.0.1', true],
  ['127.0.0.1', '127.0.0.2', false],
  ['127.0.0.1', '::1', false],
  ['0.0.0.0', '127.0.0.1', true],
  ['0.0.0.0', '::1', false],
  ['::1', '::1', true],
  ['::1', '0:0:0:0:0:0:0:1', true],
  ['::1', '127.0.0.1', false],
  ['::', '::1', true],
  ['::', '127.0.0.1', true],
];

for (const [bound, door, expected] of doors) {
  const title = `B52 bound to ${bound} x asked at ${door}: ${expected ? 'somebody' : 'nobody'}, as a connect would meet`;
  t.test(title, bound.includes(':') || door.includes(':') ? withIPv6 : withAddon, async (t) => {
    const port = portOf(await listen(t, bound));
    t.equal(isAnswered(door, port), expected);
    t.equal(await untilAnswered([door], port, { limitMs: 50 }, never()), expected, 'and the watch says the same');
  });
}

t.test('B52 an IPv6-only wildcard does not answer IPv4', withIPv6, async (t) => {
  const port = portOf(await listen(t, '::', 0, true));
  t.equal(isAnswered('127.0.0.1', port), false);
  t.equal(isAnswered('::1', port), true);
});

t.test('B52 listeners are those of /proc/net, with uid and inode', withIPv6, async (t) => {
  const server = await listen(t, '127.0.0.1');
  const port = portOf(server);
  await listen(t, '::1', port);
  const byAddress = (one: { address: string }, other: { address: string }) => one.address.localeCompare(other.address);
  const told = listenersOf(port)?.toSorted(byAddress);
  const shown = [...listenSockets('tcp', port, 'all'), ...listenSockets('tcp6', port, 'all')].toSorted(byAddress);
  t.equal(told?.length, 2);
  t.strictSame(told, shown);
});

t.test('B52 a hundred listeners of one port are all told', withAddon, async (t) => {
  const first = await listen(t, '127.0.0.1');
  const addresses = Array.from({ length: 150 }, (_, i) => `127.0.1.${i + 1}`);
  for (const address of addresses) await listen(t, address, portOf(first));
  const told = listenersOf(portOf(first))?.map(({ address }) => address);
  t.strictSame(told?.toSorted(), ['127.0.0.1', ...addresses].toSorted());
});

t.test('what is no address is nobody, and cannot be watched', withAddon, async (t) => {
  const port = await freePort(t);
  for (const door of ['', 'localhost', '127.1', 'fe80::1%lo', `::${'0'.repeat(200)}1`]) {
    t.equal(isAnswered(door, port), false, door);
    t.equal(await untilAnswered([door], port, { limitMs: 1_000 }, never()), undefined, door);
  }
  t.equal(await untilAnswered([], port, { limitMs: 1_000 }, never()), undefined, 'nothing to watch');
  t.strictSame(listenersOf(port), []);
});

t.test('the watch hears a listener of any of the doors that comes later', withIPv6, async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    const port = await freePort(t);
    const told = untilAnswered(['127.0.0.1', '::1'], port, { limitMs: 60_000 }, never());
    t.equal(await Promise.race([told, new Promise((done) => setTimeout(done, 20, 'not yet'))]), 'not yet');
    await listen(t, host, port);
    t.equal(await told, true, host);
  }
});

t.test('many ports are watched side by side, and each wait hears of its own', withAddon, async (t) => {
  const ports = await Promise.all(Array.from({ length: 100 }, () => freePort(t)));
  const scope = new AbortController();
  const told = ports.map((port) => untilAnswered(['127.0.0.1'], port, { limitMs: 60_000 }, scope.signal));
  const awaited = ports.filter((_, i) => i % 7 === 0);
  for (const port of awaited) await listen(t, '127.0.0.1', port);
  await Promise.all(told.filter((_, i) => i % 7 === 0));
  scope.abort();
  t.strictSame(
    await Promise.all(told),
    ports.map((port) => awaited.includes(port)),
  );
});

t.test('more doors than there is room for are not watched, and room comes back', withAddon, async (t) => {
  const port = await freePort(t);
  const scope = new AbortController();
  const held = Array.from({ length: 1_024 }, () =>
    untilAnswered(['127.0.0.1'], port, { limitMs: 60_000 }, scope.signal),
  );
  t.equal(await untilAnswered(['127.0.0.1'], port, { limitMs: 60_000 }, never()), undefined);
  scope.abort();
  await Promise.all(held);
  t.equal(await untilAnswered(['127.0.0.1'], port, { limitMs: 1 }, never()), false);
});

t.test('B08 an aborted wait ends at once and leaves nothing on its signal', withAddon, async (t) => {
  const scope = new AbortController();
  const told = untilAnswered(['127.0.0.1'], await freePort(t), { limitMs: 60_000 }, scope.signal);
  scope.abort();
  t.equal(await told, false);
  t.equal(getEventListeners(scope.signal, 'abort').length, 0);
  t.equal(await untilAnswered(['127.0.0.1'], 1, { limitMs: 60_000 }, AbortSignal.abort()), false);
});

/** How often the thread that watches has gone to sleep. */
function turnsOfWatch(): number {
  for (const thread of readdirSync('/proc/self/task')) {
    const status = readFileSync(`/proc/self/task/${thread}/status`, 'latin1');
    if (/^Name:\tports$/m.test(status)) return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }
  return Number.NaN;
}

t.test('the thread sleeps while nobody waits', withAddon, async (t) => {
  await untilAnswered(['127.0.0.1'], await freePort(t), { limitMs: 20 }, never());
  let before = Number.NaN;
  await until('it rests for a tenth of a second', async () => {
    before = turnsOfWatch();
    await new Promise((done) => setTimeout(done, 100));
    return turnsOfWatch() === before;
  });
  t.ok(before > 5, `it looked ${before} times before`);
});

t.test('what has been waited for long is looked at less often', withAddon, async (t) => {
  const port = await freePort(t);
  const turnsIn = async (waitedMs: number) => {
    await untilAnswered(['127.0.0.1'], port, { limitMs: 1, waitedMs }, never());
    const before = turnsOfWatch();
    await untilAnswered(['127.0.0.1'], port, { limitMs: 500, waitedMs }, never());
    return turnsOfWatch() - before;
  };
  const [late, early] = [await turnsIn(600_000), await turnsIn(0)];
  t.ok(late <= 15, `${late} looks in half a second after ten minutes`);
  t.ok(early > 2 * late, `${early} at first`);
});

t.test('where the kernel does not answer, that is said', withAddon, (t) => {
  const script = `
    const { native } = require(${JSON.stringify(resolve('src/host/native.ts'))});
    const { listenersOf, isAnswered, untilAnswered } = require(${JSON.stringify(resolve('src/host/port-watch.ts'))});
    const { reaper } = native();
    Object.assign(reaper, { listeners: () => -93, listensAt: () => -93, startWatch: () => -93 });
    untilAnswered(['127.0.0.1'], 1, { limitMs: 60000 }, new AbortController().signal).then((told) =>
      console.log(JSON.stringify([listenersOf(1) ?? null, isAnswered('127.0.0.1', 1), told ?? null])));`;
  const output = execFileSync(process.execPath, ['--import=tsx', '-e', script], { encoding: 'utf8' });
  t.strictSame(JSON.parse(output), [null, false, null]);
  t.end();
});
