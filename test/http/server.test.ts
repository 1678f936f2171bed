import { createHook } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import t from 'tap';
import { UnavailableError } from '../../src/core/errors.ts';
import type { HealthReport } from '../../src/core/health.ts';
import type { listen } from '../../src/http/server.ts';
import { until } from '../support/until.ts';
import { healthyReport, listenForTest, scratchDir, unhealthyReport } from './fixture.ts';

interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What Node keeps of a timer. */
interface Interval {
  readonly _idleTimeout: number;
  /** Null: it fires once. */
  readonly _repeat: number | null;
}

type Where = { readonly socketPath: string } | { readonly port: number };

/** Asks by Node's own client, so that what we send is read by somebody else's eyes. */
function ask(
  where: Where,
  path: string,
  { method = 'GET', host }: { method?: string; host?: string } = {},
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { Host: host };
    const asked = request({ host: '127.0.0.1', ...where, path, method, headers, agent: false }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (text) => {
        body += text;
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** Sends bytes as they are and resolves with all that comes back until the connection ends. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      received += chunk.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
  });
}

t.test('each route answers as the report says, on the socket and on the port', async (t) => {
  let report: HealthReport = healthyReport;
  const { socketPath, port } = await listenForTest(t, { report: () => report });
  const dead: HealthReport = { ...unhealthyReport, live: false, reason: 'gateway exited with 3' };
  const starting: HealthReport = { ...healthyReport, status: 'starting', ready: false };
  const stopping: HealthReport = { ...healthyReport, status: 'stopping', ready: false };
  const table: readonly [string, HealthReport, Record<string, number>][] = [
    ['healthy', healthyReport, { '/livez': 200, '/readyz': 200, '/healthz': 200, '/health': 200, '/metrics': 200 }],
    ['starting', starting, { '/livez': 200, '/readyz': 503, '/healthz': 503, '/health': 503, '/metrics': 200 }],
    ['unhealthy', unhealthyReport, { '/livez': 200, '/readyz': 503, '/healthz': 503, '/health': 503, '/metrics': 200 }],
    ['stopping', stopping, { '/livez': 200, '/readyz': 503, '/healthz': 503, '/health': 503, '/metrics': 200 }],
    ['dead', dead, { '/livez': 503, '/readyz': 503, '/healthz': 503, '/health': 503, '/metrics': 200 }],
  ];
  for (const [name, next, codes] of table) {
    report = next;
    for (const [path, status] of Object.entries(codes)) {
      for (const where of [{ socketPath }, { port }]) {
        const answer = await ask(where, path);
        t.equal(answer.status, status, `${name} x ${path}: ${status}`);
      }
    }
  }
});

t.test('/health is the report, in JSON, never cached, with its length', async (t) => {
  const { port } = await listenForTest(t, { report: () => unhealthyReport });
  const { headers, body } = await ask({ port }, '/health?verbose');
  t.same(JSON.parse(body), unhealthyReport);
  t.match(headers['content-type'], /^application\/json/);
  t.equal(headers['cache-control'], 'no-store');
  t.equal(headers['content-length'], String(Buffer.byteLength(body)));
  t.equal(headers.connection, 'close');
});

t.test('HEAD has the status and the length of GET, and no body', async (t) => {
  const { port } = await listenForTest(t);
  const get = await ask({ port }, '/health');
  const head = await ask({ port }, '/health', { method: 'HEAD' });
  t.equal(head.status, 200);
  t.equal(head.body, '');
  t.equal(head.headers['content-length'], get.headers['content-length']);
});

t.test('other methods are 405 with Allow, other paths 404, both in JSON', async (t) => {
  const { port } = await listenForTest(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const answer = await ask({ port }, '/health', { method });
    t.equal(answer.status, 405, method);
    t.equal(answer.headers.allow, 'GET, HEAD');
    t.ok(JSON.parse(answer.body).error);
  }
  for (const path of ['/', '/healthy', '/health/', '//health', '/../health', '/constructor']) {
    const answer = await ask({ port }, path);
    t.equal(answer.status, 404, path);
    t.ok(JSON.parse(answer.body).error);
  }
});

t.test('/metrics is text that Prometheus reads: one state of each service is 1', async (t) => {
  const { port } = await listenForTest(t, { report: () => unhealthyReport });
  const { headers, body } = await ask({ port }, '/metrics');
  t.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const lines = body.split('\n');
  t.equal(lines.pop(), '', 'the last line ends');
  for (const line of lines) t.match(line, /^(# (HELP|TYPE) tandem_\w+ .+|tandem_\w+(\{(\w+="[^"]*",?)+\})? -?[\d.]+)$/);
  t.ok(lines.includes('tandem_up 0'));
  t.ok(lines.includes('tandem_uptime_seconds 12.5'));
  t.ok(lines.includes('tandem_service_restarts_total{service="gateway"} 2'));
  t.same(
    lines.filter((line) => line.startsWith('tandem_service_state{service="gateway"') && line.endsWith(' 1')),
    ['tandem_service_state{service="gateway",state="unready"} 1'],
  );
});

t.test('a report that throws is a 500 and a problem, not a crash', async (t) => {
  const { port, problems } = await listenForTest(t, {
    report: () => {
      throw new Error('a bug');
    },
  });
  t.equal((await ask({ port }, '/health')).status, 500);
  t.equal((await ask({ port }, '/nowhere')).status, 404, 'and it still serves');
  t.equal(problems.length, 1);
});

t.test('B35 on the port, only an IP literal, localhost and the configured host are answered', async (t) => {
  const { port, socketPath } = await listenForTest(t);
  for (const host of ['127.0.0.1', '10.1.2.3:7399', '[::1]:7399', '[fd00::1]', 'localhost', 'LOCALHOST:80']) {
    t.equal((await ask({ port }, '/health', { host })).status, 200, host);
  }
  for (const host of [
    'evil.example',
    'evil.example:7399',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '[::1',
  ]) {
    const answer = await ask({ port }, '/health', { host });
    t.equal(answer.status, 421, `"${host}"`);
    t.notMatch(answer.body, 'gateway');
  }
  t.match(await exchange(port, 'GET /health HTTP/1.1\r\nHost:\r\n\r\n'), /^HTTP\/1\.1 421 /, 'an empty one');
  t.equal((await ask({ socketPath }, '/health', { host: 'tandem' })).status, 200, 'any name on the socket');
  const named = await listenForTest(t, { address: { host: 'localhost', port: 0 } });
  t.ok(named.port > 0);
});

t.test('HTTP/1.0 without a Host header is answered and closed', async (t) => {
  const { port } = await listenForTest(t);
  const received = await exchange(port, 'GET /readyz HTTP/1.0\r\n\r\n');
  t.match(received, /^HTTP\/1\.1 200 /);
  t.match(received, /\r\nConnection: close\r\n/);
  t.ok(received.endsWith('{"ready":true}\n'));
});

t.test('garbage, oversized headers, CONNECT and a body without end are refused, and it still serves', async (t) => {
  const { port } = await listenForTest(t, { connectionTimeoutMs: 2_000 });
  t.match(await exchange(port, '\x16\x03\x01 this is not HTTP\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.match(
    await exchange(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  );
  t.equal(await exchange(port, 'CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n'), '');
  const endless = 'POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nsome';
  t.match(await exchange(port, endless), /^HTTP\/1\.1 405 /);
  const pipelined = 'GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3);
  t.equal((await exchange(port, pipelined)).match(/HTTP\/1\.1 200/g)?.length, 1, 'one request a connection');
  t.equal((await ask({ port }, '/health')).status, 200);
});

t.test('a client that sends a byte now and then is cut at the deadline', async (t) => {
  const connectionTimeoutMs = 300;
  const { port } = await listenForTest(t, { connectionTimeoutMs });
  const startedAt = performance.now();
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /health HTTP/1.1\r\nX: ');
  const drip = setInterval(() => socket.write('x'), 50);
  t.teardown(() => clearInterval(drip));
  await new Promise((resolve) => socket.once('close', resolve));
  const elapsedMs = performance.now() - startedAt;
  t.ok(elapsedMs >= connectionTimeoutMs - 50 && elapsedMs < 3_000, `${elapsedMs} ms`);
});

t.test('500 clients that send nothing keep nobody out, and close() ends them at once', async (t) => {
  const servers = await listenForTest(t, { connectionTimeoutMs: 60_000 });
  let ended = 0;
  const idle: Socket[] = [];
  for (let each = 0; each < 500; each++) {
    const socket = connect(servers.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('close', () => ended++);
    idle.push(socket);
  }
  t.teardown(() => {
    for (const socket of idle) socket.destroy();
  });
  await until('all but 128 have been pushed out', () => ended === 500 - 128);
  t.equal((await ask({ port: servers.port }, '/health')).status, 200, 'the port');
  t.equal((await ask({ socketPath: servers.socketPath }, '/health')).status, 200, 'the socket');
  const startedAt = performance.now();
  await servers.close();
  t.ok(performance.now() - startedAt < 500);
  await until('none is left', () => ended === 500);
});

t.test('500 clients that ask and never read keep nobody out', async (t) => {
  const { port } = await listenForTest(t);
  const deaf = Array.from({ length: 500 }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'));
    socket.pause();
    socket.on('error', () => {});
    return socket;
  });
  t.teardown(() => {
    for (const socket of deaf) socket.destroy();
  });
  await until('all have asked', () => deaf.every((socket) => socket.destroyed || socket.bytesWritten > 0));
  t.equal((await ask({ port }, '/health')).status, 200);
});

t.test('the socket is its owner’s alone, whatever the umask, and goes with close()', async (t) => {
  const before = process.umask(0);
  const servers = await listenForTest(t).finally(() => process.umask(before));
  const stats = lstatSync(servers.socketPath);
  t.ok(stats.isSocket());
  t.equal(stats.mode & 0o777, 0o600);
  t.equal(stats.uid, process.geteuid?.());
  await servers.close();
  t.notOk(existsSync(servers.socketPath));
});

t.test('a runtime directory that is missing is made with mode 0700', async (t) => {
  const directory = `${scratchDir(t)}/tandem`;
  const { socketPath } = await listenForTest(t, { runtimeDirs: { candidates: [directory], required: true } });
  t.equal(socketPath, `${directory}/tandem.sock`);
  t.equal(lstatSync(directory).mode & 0o777, 0o700);
});

t.test('the socket of a tandem that was killed is replaced', async (t) => {
  const directory = scratchDir(t);
  const path = `${directory}/tandem.sock`;
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('ready'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const runtimeDirs = { candidates: [directory], required: true };
  await t.rejects(listenForTest(t, { runtimeDirs }), UnavailableError, 'not while it lives');
  child.kill('SIGSTOP');
  await t.rejects(listenForTest(t, { runtimeDirs }), UnavailableError, 'not while it is stopped');
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  t.ok(existsSync(path), 'it is left behind');
  const { socketPath } = await listenForTest(t, { runtimeDirs });
  t.equal((await ask({ socketPath }, '/health')).status, 200);
});

t.test('B09 a second tandem in the same runtime directory is told so, and the first goes on', async (t) => {
  const first = await listenForTest(t);
  const runtimeDirs = { candidates: [dirname(first.socketPath)], required: false };
  const error = await listenForTest(t, { runtimeDirs }).catch((reason: unknown) => reason);
  t.ok(error instanceof UnavailableError);
  t.match(String(error), first.socketPath);
  t.match(String(error), 'TANDEM_RUNTIME_DIR');
  t.equal((await ask({ socketPath: first.socketPath }, '/health')).status, 200);
});

t.test(
  'B09 a taken port is an error that names it, its holder and the variable, and nothing stays bound',
  async (t) => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    t.teardown(() => holder.close());
    const bound = holder.address();
    const address = { host: '127.0.0.1', port: typeof bound === 'object' ? (bound?.port ?? 0) : 0 };
    const directory = scratchDir(t);
    const attempt = async (holderOf?: Parameters<typeof listen>[0]['holderOf']) => {
      const runtimeDirs = { candidates: [directory], required: true };
      const error = await listenForTest(t, { address, runtimeDirs, holderOf }).catch((reason: unknown) => reason);
      t.ok(error instanceof UnavailableError);
      t.notOk(existsSync(`${directory}/tandem.sock`));
      return String(error);
    };
    t.match(await attempt(async () => ({ pid: 12, command: 'nginx' })), 'pid 12 (nginx)');
    t.match(await attempt(async () => ({ uid: 33 })), 'uid 33, process not visible');
    t.match(await attempt(async () => undefined), 'another process');
    t.match(await attempt(async () => Promise.reject(new Error('no /proc'))), 'another process');
    const message = await attempt();
    t.match(message, `127.0.0.1:${address.port}`);
    t.match(message, 'TANDEM_HEALTH_PORT');
  },
);

t.test('a host that is not ours to bind is an error that names the variable', async (t) => {
  const error = await listenForTest(t, { address: { host: '192.0.2.1', port: 0 } }).catch((reason: unknown) => reason);
  t.ok(error instanceof UnavailableError);
  t.match(String(error), 'TANDEM_HEALTH_HOST');
});

t.test('a taken socket frees the port again', async (t) => {
  const first = await listenForTest(t);
  const free = await listenForTest(t);
  const address = { host: '127.0.0.1', port: free.port };
  await free.close();
  const runtimeDirs = { candidates: [dirname(first.socketPath)], required: true };
  await t.rejects(listenForTest(t, { address, runtimeDirs }), UnavailableError);
  t.equal((await listenForTest(t, { address })).port, address.port);
});

t.test('without an address there is no port', async (t) => {
  const servers = await listenForTest(t, { address: undefined });
  t.equal(servers.address, undefined);
  t.equal((await ask({ socketPath: servers.socketPath }, '/health')).status, 200);
});

t.test('a directory that cannot be trusted is passed over for the next, with nothing said', async (t) => {
  const [target, good] = [scratchDir(t), scratchDir(t)];
  const link = `${scratchDir(t)}/link`;
  symlinkSync(target, link);
  const { socketPath, problems } = await listenForTest(t, {
    runtimeDirs: { candidates: [link, '/nonexistent/tandem', good], required: false },
  });
  t.equal(socketPath, `${good}/tandem.sock`);
  t.same(problems, []);
  t.notOk(existsSync(`${target}/tandem.sock`));
});

t.test('where no directory can be used, the port serves alone and a problem says why', async (t) => {
  const file = `${scratchDir(t)}/tandem.sock`;
  writeFileSync(file, 'precious');
  const long = `${scratchDir(t)}/${'x'.repeat(100)}`;
  const { socketPath, port, problems } = await listenForTest(t, {
    runtimeDirs: { candidates: [dirname(file), long], required: false },
  });
  t.equal(socketPath, '');
  t.equal((await ask({ port }, '/health')).status, 200);
  t.match(problems.join(), /is no socket.*longer than/);
  t.ok(existsSync(file), 'what is not ours stays');
});

t.test('a directory that the operator named must do: otherwise nothing starts', async (t) => {
  const runtimeDirs = { candidates: ['/nonexistent/tandem'], required: true };
  const error = await listenForTest(t, { runtimeDirs }).catch((reason: unknown) => reason);
  t.ok(error instanceof UnavailableError);
  t.match(String(error), 'TANDEM_RUNTIME_DIR');
});

t.test('idle servers hold no timer that would wake PID 1', async (t) => {
  const delaysMs: number[] = [];
  const intervals = new Set<Interval>();
  const watch = createHook({
    init: (_id, type, _trigger, resource) => {
      if (type !== 'Timeout') return;
      delaysMs.push((resource as Interval)._idleTimeout);
      intervals.add(resource as Interval);
    },
  }).enable();
  const { port } = await listenForTest(t);
  const dayMs = 24 * 60 * 60 * 1000;
  t.same(
    delaysMs.filter((delayMs) => delayMs < dayMs),
    [],
  );
  await ask({ port }, '/health').finally(() => watch.disable());
  t.same(
    [...intervals].filter(({ _repeat }) => _repeat !== null),
    [],
    'nor does any timer of the first request go on for ever',
  );
});
