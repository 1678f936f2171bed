import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { basename, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { holderOf, listening, pollPauseMs } from '../../src/host/listeners.ts';
import { native } from '../../src/host/native.ts';
import { listenSockets, parseListenSockets } from '../../src/host/proc-net.ts';
import { waitWithoutProof } from '../../src/host/wait-without-proof.ts';
import { until } from '../support/until.ts';

const isLinux = process.platform === 'linux';
const isRoot = process.getuid?.() === 0;
const hasPython = spawnSync('python3', ['-c', '']).status === 0;
const onlyLinux = { skip: !isLinux && 'the proof needs /proc/net' };
const onlyRoot = { skip: !(isLinux && isRoot) && 'needs root to change the uid' };
const canUnshare = isLinux && isRoot && spawnSync('unshare', ['--net', 'ip', 'link']).status === 0;
const onlyUnshare = { skip: !canUnshare && 'needs a network namespace of its own' };
const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
const onlyIPv6 = { skip: !(isLinux && hasIPv6) && 'needs IPv6' };
const onlyPython = { skip: !(isLinux && hasPython) && 'needs python3 for SO_REUSEPORT' };

interface Service {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly output: () => string;
  /** The pid of whoever has said that it listens. */
  readonly listener: () => Promise<number>;
}

interface ListenOptions {
  readonly by?: string;
  readonly host: string;
  readonly port: number;
  readonly ipv6Only?: boolean;
  readonly uid?: number;
  readonly atSignal?: boolean;
}

/** Starts a command as tandem starts a service: leader of its own session. Everything that it was ends with the test. */
async function start(t: Test, command: string, args: readonly string[]): Promise<Service> {
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  t.teardown(() => {
    for (const [, pid] of text.matchAll(/^\w+ (\d+)$/gm)) spawnSync('kill', ['-KILL', String(pid)]);
  });
  await until('the fixture is ready', () => text.includes('ready '));
  const listener = () => until('it listens', () => Number(/^listening (\d+)$/m.exec(text)?.[1] ?? 0));
  return { pid: child.pid ?? 0, child, output: () => text, listener };
}

const startServer = (t: Test, options: ListenOptions) =>
  start(t, process.execPath, [resolve('test/fixtures/listen-server.cjs'), JSON.stringify(options)]);

const startReusePort = (t: Test, host: string, port: number) =>
  start(t, 'python3', [resolve('test/fixtures/listen-reuseport.py'), host, String(port)]);

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenOn(server, 0, '127.0.0.1');
  await new Promise((done) => server.close(done));
  return port;
}

function listenOn(server: Server, port: number, host: string): Promise<number> {
  return new Promise((done, fail) => {
    server.once('error', fail).listen({ port, host }, () => {
      const address = server.address();
      done(typeof address === 'object' && address ? address.port : 0);
    });
  });
}

const never = () => new AbortController().signal;
const watch = (host: string, port: number, pid: number, signal = never()) => listening({ host, port }, { pid }, signal);

// Who is it?

for (const by of ['leader', 'child', 'child in a session of its own', 'child whose parent has gone']) {
  t.test(`B52 a listening ${by} is ours`, onlyLinux, async (t) => {
    const port = await freePort();
    const service = await startServer(t, { by, host: '127.0.0.1', port });
    t.strictSame(await watch('127.0.0.1', port, service.pid), { owner: 'ours' });
  });
}

t.test('B52 a socket that a master hands to its workers stays ours when the master has died', onlyLinux, async (t) => {
  const port = await freePort();
  const service = await startServer(t, { by: 'child', host: '127.0.0.1', port });
  await service.listener();
  service.child.kill('SIGKILL');
  await until('the leader has ended', () => service.child.signalCode);
  t.strictSame(await watch('127.0.0.1', port, service.pid), { owner: 'ours' });
});

t.test('B52 B09 a stranger on the port is foreign, with pid, command and uid', onlyLinux, async (t) => {
  const port = await freePort();
  const stranger = await startServer(t, { host: '127.0.0.1', port });
  const service = await startServer(t, { host: '127.0.0.1', port: await freePort() });
  const holder = { pid: await stranger.listener(), command: basename(process.execPath), uid: process.getuid?.() };
  const spentMs: number[] = [];
  for (let i = 0; i < 3; i++) {
    const since = performance.now();
    t.strictSame(await watch('127.0.0.1', port, service.pid), { owner: 'foreign', holder });
    spentMs.push(performance.now() - since);
  }
  t.ok(Math.min(...spentMs) < 200, 'within 200 ms');
});

t.test('B52 a listener that left session and parent can no longer be told from a stranger', onlyLinux, async (t) => {
  const port = await freePort();
  const by = 'child in a session of its own whose parent has gone';
  const service = await startServer(t, { by, host: '127.0.0.1', port });
  const pid = await service.listener();
  t.match(await watch('127.0.0.1', port, service.pid), { owner: 'foreign', holder: { pid } });
});

t.test('B52 two servers of the service may share its port', onlyPython, async (t) => {
  const port = await freePort();
  const script = resolve('test/fixtures/listen-reuseport.py');
  const both = `python3 ${script} 127.0.0.1 ${port} & exec python3 ${script} 127.0.0.1 ${port}`;
  const service = await start(t, 'sh', ['-c', both]);
  await until('both listen', () => service.output().split('listening').length === 3);
  t.strictSame(await watch('127.0.0.1', port, service.pid), { owner: 'ours' });
});

t.test('B52 a stranger that shares the port with the service makes it foreign', onlyPython, async (t) => {
  const port = await freePort();
  const service = await startReusePort(t, '127.0.0.1', port);
  const stranger = await startReusePort(t, '127.0.0.1', port);
  await service.listener();
  const pid = await stranger.listener();
  t.match(await watch('127.0.0.1', port, service.pid), { owner: 'foreign', holder: { pid, command: 'python3' } });
});

t.test('B52 a stranger on the other family of localhost makes it foreign', onlyIPv6, async (t) => {
  const port = await freePort();
  const service = await startServer(t, { host: '127.0.0.1', port });
  const stranger = await startServer(t, { host: '::1', port });
  await service.listener();
  const pid = await stranger.listener();
  t.match(await watch('localhost', port, service.pid), { owner: 'foreign', holder: { pid } });
  t.strictSame(
    await watch('127.0.0.1', port, service.pid),
    { owner: 'ours' },
    'a literal address is that address alone',
  );
  t.strictSame(await watch('0.0.0.0', port, service.pid), { owner: 'ours' }, '0.0.0.0 is IPv4 alone');
});

/** What an unprivileged observer, uid 65534, says of a leader and a listener that run as others. */
function watchUnprivileged(port: number, pid: number): unknown {
  const listeners = JSON.stringify(resolve('src/host/listeners.ts'));
  const address = JSON.stringify({ host: '127.0.0.1', port });
  const script = `const { listening, holderOf } = require(${listeners});
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    Promise.all([listening(${address}, { pid: ${pid} }, new AbortController().signal), holderOf(${address}, new AbortController().signal)])
      .then((found) => console.log(JSON.stringify(found)));`;
  return JSON.parse(execFileSync(process.execPath, ['--import=tsx', '-e', script], { encoding: 'utf8' }));
}

t.test('B52 an owner that cannot be seen is unknown if its uid is the service’s', onlyRoot, async (t) => {
  const port = await freePort();
  const service = await startServer(t, { host: '127.0.0.1', port, uid: 12345 });
  await service.listener();
  t.strictSame(watchUnprivileged(port, service.pid), [{ owner: 'unknown', holder: { uid: 12345 } }, { uid: 12345 }]);
});

t.test('B52 B09 an owner that cannot be seen is foreign if its uid is not the service’s', onlyRoot, async (t) => {
  const port = await freePort();
  const stranger = await startServer(t, { host: '127.0.0.1', port, uid: 12345 });
  const service = await startServer(t, { host: '127.0.0.1', port: await freePort(), uid: 54321 });
  await Promise.all([stranger.listener(), service.listener()]);
  t.strictSame(watchUnprivileged(port, service.pid), [{ owner: 'foreign', holder: { uid: 12345 } }, { uid: 12345 }]);
});

// Where does it listen?

const bindings: readonly (readonly [bound: string, watched: string])[] = [
  ['127.0.0.1', 'localhost'],
  ['::1', 'localhost'],
  ['::1', '::1'],
  ['::1', '0:0:0:0:0:0:0:1'],
  ['0.0.0.0', '127.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['0.0.0.0', '::'],
  ['0.0.0.0', ''],
  ['::', '::'],
  ['::', ''],
  ['::', '*'],
  ['::', '127.0.0.1'],
  ['::', '0.0.0.0'],
  ['::', 'localhost'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['127.0.0.1', '0.0.0.0'],
];

for (const [bound, watched] of bindings) {
  t.test(
    `bound to "${bound}" x watched as "${watched}": ours`,
    bound.includes(':') ? onlyIPv6 : onlyLinux,
    async (t) => {
      const port = await freePort();
      const service = await startServer(t, { host: bound, port });
      t.strictSame(await watch(watched, port, service.pid), { owner: 'ours' });
    },
  );
}

t.test('B08 another address or family of the same port is not the one that is waited for', onlyLinux, async (t) => {
  const port = await freePort();
  const service = await startServer(t, { host: '127.0.0.1', port });
  await service.listener();
  for (const host of ['::1', '127.0.0.2']) {
    t.equal(await watch(host, port, service.pid, AbortSignal.timeout(60)), undefined, host);
    t.equal(await holderOf({ host, port }, never()), undefined, host);
  }
});

// How does it wait?

t.test('the watch notices a late listener', onlyLinux, async (t) => {
  const port = await freePort();
  const service = await startServer(t, { host: '127.0.0.1', port, atSignal: true });
  const found = watch('127.0.0.1', port, service.pid);
  t.equal(await Promise.race([found, new Promise((done) => setTimeout(done, 30, 'not yet'))]), 'not yet');
  service.child.kill('SIGUSR2');
  t.strictSame(await found, { owner: 'ours' });
});

t.test('B08 an aborted watch ends at once and leaves no listener on its signal', async (t) => {
  const scope = new AbortController();
  const found = watch('localhost', await freePort(), process.pid, scope.signal);
  const since = performance.now();
  scope.abort();
  t.equal(await found, undefined);
  t.ok(performance.now() - since < 1_000);
  t.equal(getEventListeners(scope.signal, 'abort').length, 0);
  t.equal(await watch('127.0.0.1', 1, process.pid, AbortSignal.abort()), undefined);
});

const cells = [
  { place: 'with the addon', nativeDir: '', connections: native().reaper ? 0 : 1 },
  { place: 'without the addon', nativeDir: '/nowhere', connections: 1 },
];

for (const { place, nativeDir, connections } of cells) {
  t.test(`a service meets at most one connect of the watch, and no error: ${place}`, onlyLinux, async (t) => {
    const script = `
      const { listening } = require(${JSON.stringify(resolve('src/host/listeners.ts'))});
      const met = { connections: 0, errors: 0 };
      const server = require('node:net').createServer((socket) => {
        met.connections += 1;
        socket.on('error', () => { met.errors += 1; });
      });
      server.listen(0, '127.0.0.1', async () => {
        const { port } = server.address();
        met.found = await listening({ host: '127.0.0.1', port }, process, new AbortController().signal);
        server.close(() => { console.log(JSON.stringify(met)); process.exit(); });
      });`;
    const env = { ...process.env, TANDEM_NATIVE_DIR: nativeDir };
    const output = execFileSync(process.execPath, ['--import=tsx', '-e', script], { encoding: 'utf8', env });
    t.strictSame(JSON.parse(output), { connections, errors: 0, found: { owner: 'ours' } });
  });
}

t.test('polls are close together at first, wider as time goes', async (t) => {
  t.strictSame([0, 1_999, 2_000, 9_999, 10_000, 600_000].map(pollPauseMs), [5, 5, 20, 20, 50, 50]);
});

/** In a network namespace whose only ephemeral port is the one waited for, every connect meets itself. */
function withOneEphemeralPort(script: string): unknown {
  // Without the addon: with it nobody connects before somebody listens.
  const env = { ...process.env, TANDEM_NATIVE_DIR: '/nowhere' };
  const command = 'ip link set lo up && echo "40000 40001" > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"';
  const args = ['--net', 'sh', '-c', command, 'sh', process.execPath, '--import=tsx', '-e', script];
  return JSON.parse(execFileSync('unshare', args, { encoding: 'utf8', env }));
}

/** Prints `met`, or why the port cannot be had; TIME_WAIT would last a minute. */
const listenThere = `
  const server = require('node:net').createServer();
  // The last connect may still be closing.
  const patience = AbortSignal.timeout(2000);
  const listen = () => server.listen({ host: '127.0.0.1', port: 40000 });
  server.on('error', ({ code }) => (patience.aborted ? console.log(JSON.stringify(code)) : setTimeout(listen, 5)));
  server.once('listening', () => { console.log(JSON.stringify(met)); server.close(); });
  listen();`;

t.test('a connect that meets itself is nobody, and leaves the port free', onlyUnshare, async (t) => {
  const met = withOneEphemeralPort(`
    const { listening } = require(${JSON.stringify(resolve('src/host/listeners.ts'))});
    const net = require('node:net');
    let count = 0;
    const connect = net.Socket.prototype.connect;
    net.Socket.prototype.connect = function (...args) {
      this.once('connect', () => { if (this.localPort === this.remotePort) count += 1; });
      return connect.apply(this, args);
    };
    listening({ host: '127.0.0.1', port: 40000 }, process, AbortSignal.timeout(300)).then((found) => {
      const met = { hasMet: count > 0, found: found ?? null };
      ${listenThere}
    });`);
  t.strictSame(met, { hasMet: true, found: null });
});

t.test('a connect that is given up while it meets itself leaves the port free', onlyUnshare, async (t) => {
  const met = withOneEphemeralPort(`
    const { knock } = require(${JSON.stringify(resolve('src/host/knock.ts'))});
    const scope = new AbortController();
    const answer = knock('127.0.0.1', 40000, 1000, scope.signal);
    // After the kernel has connected, and before the event loop can have told.
    process.nextTick(() => process.nextTick(() => scope.abort()));
    answer.then((met) => {
      ${listenThere}
    });`);
  t.equal(met, 'ABORTED');
});

// Is anybody there before the spawn?

t.test('B09 the holder of a taken port is named with pid, command and uid', onlyLinux, async (t) => {
  const port = await freePort();
  const stranger = await startServer(t, { host: '127.0.0.1', port });
  const holder = { pid: await stranger.listener(), command: basename(process.execPath), uid: process.getuid?.() };
  for (const host of ['127.0.0.1', '0.0.0.0', '::', '', 'localhost']) {
    t.strictSame(await holderOf({ host, port }, never()), holder, `bind to "${host}"`);
  }
});

t.test('B09 a dual-stack listener is in the way of IPv4, an IPv6-only one is not', onlyIPv6, async (t) => {
  const [dual, six] = [await freePort(), await freePort()];
  const listeners = await Promise.all([
    startServer(t, { host: '::', port: dual }),
    startServer(t, { host: '::', port: six, ipv6Only: true }),
  ]);
  const [pid] = await Promise.all(listeners.map((service) => service.listener()));
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    t.match(await holderOf({ host, port: dual }, never()), { pid }, `dual x "${host}"`);
    t.equal(await holderOf({ host, port: six }, never()), undefined, `IPv6 only x "${host}"`);
  }
});

t.test('B09 nobody holds a free port, and that is said within 10 ms', async (t) => {
  const address = { host: '127.0.0.1', port: await freePort() };
  const spentMs: number[] = [];
  for (let i = 0; i < 7; i++) {
    const since = performance.now();
    t.equal(await holderOf(address, never()), undefined);
    spentMs.push(performance.now() - since);
  }
  t.ok(Math.min(...spentMs) < 10);
});

t.test('a name that does not resolve is held by nobody', async (t) => {
  t.equal(await holderOf({ host: 'nowhere.invalid', port: 80 }, never()), undefined);
});

// The kernel's table, and where there is none.

t.test('the table is read in both byte orders, other states and ports aside', async (t) => {
  const row = (local: string, state: string) =>
    `  0: ${local} 00000000:0000 ${state} 0:0 00:0 0  1000        0 563 1 0 100`;
  const table = [row('0100007F:115C', '0A'), row('0100007F:115C', '01'), row('00000000:1F90', '0A')].join('\n');
  t.strictSame(parseListenSockets(table, 4444, 'LE'), [{ address: '127.0.0.1', uid: 1000, inode: '563' }]);
  t.strictSame(parseListenSockets(row('7F000001:115C', '0A'), 4444, 'BE'), [
    { address: '127.0.0.1', uid: 1000, inode: '563' },
  ]);
  const v6 = [
    '0000000000000000FFFF00000100007F',
    '00000000000000000000000001000000',
    'B80D0120000000000000000001000000',
  ];
  t.strictSame(
    v6.flatMap((hex) => parseListenSockets(row(`${hex}:115C`, '0A'), 4444, 'LE')).map(({ address }) => address),
    ['127.0.0.1', '::1', '2001:db8::1'],
  );
});

t.test(
  'among hundreds of listeners and their connections each is found in the head of the table',
  onlyLinux,
  async (t) => {
    const servers = Array.from({ length: 300 }, () => createServer());
    t.teardown(() => servers.map((server) => server.close()));
    const ports = await Promise.all(servers.map((server) => listenOn(server, 0, '127.0.0.1')));
    const client = connect(ports[0] ?? 0, '127.0.0.1');
    t.teardown(() => client.destroy());
    await once(client, 'connect');
    const lost = ports.filter((port) => listenSockets('tcp', port, 'head').length !== 1);
    t.same(lost, []);
    t.same(listenSockets('tcp', client.localPort ?? 0, 'head'), [], 'a connection is no listener');
  },
);

t.test('without a proof wait-port tells that somebody listens, and an abort ends the wait at once', async (t) => {
  const port = await freePort();
  const scope = new AbortController();
  const vain = waitWithoutProof({ host: '127.0.0.1', port }, scope.signal);
  const since = performance.now();
  scope.abort();
  t.equal(await vain, false);
  t.ok(performance.now() - since < 5_000);
  const service = await startServer(t, { host: '127.0.0.1', port });
  for (const host of ['127.0.0.1', 'localhost', '0.0.0.0', '']) {
    t.equal(await waitWithoutProof({ host, port }, never()), true, `"${host}"`);
  }
  await service.listener();
});
