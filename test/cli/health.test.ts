import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import t from 'tap';
import { type HealthOptions, runHealth } from '../../src/cli/health.ts';
import { controlSockets } from '../../src/http/runtime-dir.ts';
import { healthyReport, listenForTest, type Scope, scratchDir, unhealthyReport } from '../http/fixture.ts';

interface Result {
  readonly code: 0 | 1;
  readonly lines: readonly string[];
  readonly tries: readonly string[];
  readonly elapsedMs: number;
}

/** Runs the check with nothing of this machine's own environment. */
async function check(options: Partial<HealthOptions>): Promise<Result> {
  const [lines, tries]: string[][] = [[], []];
  const startedAt = performance.now();
  const code = await runHealth({
    timeoutMs: 3_000,
    env: { TANDEM_RUNTIME_DIR: '/nonexistent', TANDEM_HEALTH_PORT: '' },
    print: (line) => lines?.push(line),
    debug: (line) => tries?.push(line),
    ...options,
  });
  return { code, lines: lines ?? [], tries: tries ?? [], elapsedMs: performance.now() - startedAt };
}

interface Scripted {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly string[];
}

/** A server that plays one script a connection, the last one for ever. It is handed the socket once a request has come. */
async function scripted(
  t: Scope,
  scripts: readonly ((socket: Socket) => void)[],
  host = '127.0.0.1',
): Promise<Scripted> {
  const requests: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.once('data', (chunk) => {
      requests.push(chunk.toString());
      scripts[Math.min(requests.length, scripts.length) - 1]?.(socket);
    });
  });
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const port = await portOf(server, host);
  return { url: `http://${host}:${port}/health`, port, requests };
}

async function portOf(server: Server, host: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const bound = server.address();
  return typeof bound === 'object' ? (bound?.port ?? 0) : 0;
}

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await portOf(server, '127.0.0.1');
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const json = 'Content-Type: application/json\r\n';
const send = (text: string) => (socket: Socket) => void socket.end(text);
const sendJson = (body: unknown, status = 200) =>
  send(`HTTP/1.1 ${status} X\r\n${json}Content-Length: ${JSON.stringify(body).length}\r\n\r\n${JSON.stringify(body)}`);

t.test('B22 finds the supervisor by its socket', async (t) => {
  const { socketPath } = await listenForTest(t, { address: undefined });
  const env = { TANDEM_RUNTIME_DIR: dirname(socketPath), TANDEM_HEALTH_PORT: '' };
  const { code, lines } = await check({ env });
  t.equal(code, 0);
  t.same(lines, ['healthy: migrations skipped, gateway healthy, hub healthy']);
});

t.test('B14 B22 finds the supervisor by its configured port where there is no socket', async (t) => {
  const { port } = await listenForTest(t);
  for (const host of ['127.0.0.1', '0.0.0.0', 'localhost', '::', undefined]) {
    const env = { TANDEM_RUNTIME_DIR: '/nonexistent', TANDEM_HEALTH_HOST: host, TANDEM_HEALTH_PORT: String(port) };
    t.equal((await check({ env })).code, 0, String(host));
  }
});

t.test('B22 a socket of the dead is passed over for the port', async (t) => {
  const directory = scratchDir(t);
  const script = `require('node:net').createServer().listen('${directory}/tandem.sock', () => process.kill(process.pid, 'SIGKILL'))`;
  const child = spawn(process.execPath, ['-e', script]);
  await new Promise((resolve) => child.once('exit', resolve));
  const { port } = await listenForTest(t);
  const env = { TANDEM_RUNTIME_DIR: directory, TANDEM_HEALTH_PORT: String(port) };
  t.equal((await check({ env })).code, 0);
});

t.test('B21 the supervisor’s "unhealthy" and "starting" are final, and name the component', async (t) => {
  let report = unhealthyReport;
  const { socketPath } = await listenForTest(t, { report: () => report });
  const env = { TANDEM_RUNTIME_DIR: dirname(socketPath), TANDEM_HEALTH_PORT: '', HEALTHCHECK_DEBUG: '1' };
  const unhealthy = await check({ env });
  t.equal(unhealthy.code, 1);
  t.same(unhealthy.lines, ['unhealthy: gateway unhealthy: connection refused']);
  t.equal(unhealthy.tries.length, 1);
  const gateway = { status: 'starting', state: 'starting', reason: 'spawned', since_seconds: 1, restarts: 0 } as const;
  report = { ...healthyReport, status: 'starting', ready: false, components: { gateway } };
  const starting = await check({ env });
  t.equal(starting.code, 1);
  t.same(starting.lines, ['unhealthy: gateway starting: spawned']);
  t.equal(starting.tries.length, 1);
});

t.test('B21 without an answer it tries again, with growing pauses, inside one deadline', async (t) => {
  const port = await freePort();
  const env = { TANDEM_RUNTIME_DIR: '/nonexistent', TANDEM_HEALTH_PORT: String(port), HEALTHCHECK_DEBUG: 'true' };
  const { code, lines, tries, elapsedMs } = await check({ env, timeoutMs: 500 });
  t.equal(code, 1);
  // a runtime directory may be there on this machine, left by a supervisor that has ended
  t.match(
    lines[0],
    new RegExp(`^unhealthy: no supervisor answers \\((.*; )?127.0.0.1:${port}: connection refused\\)$`),
  );
  t.equal(lines.length, 1);
  t.ok(tries.length >= 3 && tries.length <= 5, `${tries.length} tries`);
  t.ok(elapsedMs < 1_000, `${elapsedMs} ms`);
});

t.test('without HEALTHCHECK_DEBUG no try is shown', async (t) => {
  const port = await freePort();
  t.same((await check({ url: `http://127.0.0.1:${port}/`, timeoutMs: 200 })).tries, []);
});

t.test('nothing to ask is unhealthy, in words', async (t) => {
  const { code, lines } = await check({ timeoutMs: 100 });
  t.equal(code, 1);
  t.match(lines[0], /^unhealthy: no supervisor answers \((no control socket|.*tandem\.sock: )/);
});

t.test('B21 a server that never answers is given up at the deadline', async (t) => {
  const { url, requests } = await scripted(t, [() => {}]);
  const { code, lines, elapsedMs } = await check({ url, timeoutMs: 400 });
  t.equal(code, 1);
  t.match(lines[0], /no answer in time$/);
  t.ok(elapsedMs >= 350 && elapsedMs < 2_000, `${elapsedMs} ms`);
  t.equal(requests.length, 1);
});

t.test('B21 a server that drips for ever is given up at the deadline', async (t) => {
  const { url } = await scripted(t, [
    (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${json}Content-Length: 1000\r\n\r\n`);
      const drip = setInterval(() => socket.write(' '), 20);
      socket.on('close', () => clearInterval(drip));
    },
  ]);
  const { code, elapsedMs } = await check({ url, timeoutMs: 400 });
  t.equal(code, 1);
  t.ok(elapsedMs < 2_000, `${elapsedMs} ms`);
});

t.test('B21 --url: an unhealthy answer and a broken one are asked again until a healthy one comes', async (t) => {
  const { url, requests } = await scripted(t, [
    sendJson({ status: 'starting' }, 503),
    send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'),
    (socket) => socket.destroy(),
    sendJson({ status: 'Healthy' }),
  ]);
  const { code, lines } = await check({ url });
  t.equal(code, 0);
  t.same(lines, ['healthy: status Healthy']);
  t.equal(requests.length, 4);
});

t.test('--url: the last reason is told when the deadline comes', async (t) => {
  const { url } = await scripted(t, [sendJson({ status: 'ok', components: { db: false } })]);
  const { code, lines } = await check({ url, timeoutMs: 200 });
  t.equal(code, 1);
  t.same(lines, ['unhealthy: db false']);
});

t.test('--url: a last try that the deadline cuts short does not hide the reason before it', async (t) => {
  const { url, requests } = await scripted(t, [sendJson({ status: 'down' }), () => {}]);
  const { code, lines } = await check({ url, timeoutMs: 400 });
  t.equal(code, 1);
  t.same(lines, ['unhealthy: status is "down"']);
  t.equal(requests.length, 2);
});

t.test('--url: chunks that come in pieces are put together', async (t) => {
  const pieces = [
    `HTTP/1.1 200 OK\r\n${json}Transfer-Enc`,
    'oding: chunked\r\n\r',
    '\n8\r\n{"status',
    '\r\n7\r\n":"ok"}\r',
    '\n0\r\n\r\n',
  ];
  const { url } = await scripted(t, [
    (socket) => {
      // The connection stays open: the last chunk ends the answer.
      const sendNext = () => {
        const piece = pieces.shift();
        if (piece !== undefined) socket.write(piece, () => setImmediate(sendNext));
      };
      socket.setNoDelay(true);
      sendNext();
    },
  ]);
  const { code, lines, elapsedMs } = await check({ url });
  t.equal(code, 0);
  t.same(lines, ['healthy: status ok']);
  t.ok(elapsedMs < 2_000);
});

t.test('B22 --url asks with path, query, Host and Basic authorization, and shows none of the secrets', async (t) => {
  const { port, requests } = await scripted(t, [send('HTTP/1.1 401 X\r\n\r\n')]);
  const url = `http://us%65r:s3cr%40t@localhost:${port}/a%20b?token=t0ken#part`;
  const { code, lines, tries } = await check({ url, timeoutMs: 200, env: { HEALTHCHECK_DEBUG: '1' } });
  t.equal(code, 1);
  t.ok(requests[0]?.startsWith(`GET /a%20b?token=t0ken HTTP/1.1\r\nHost: localhost:${port}\r\n`));
  t.match(requests[0], `Authorization: Basic ${Buffer.from('user:s3cr@t').toString('base64')}\r\n`);
  t.notMatch([...lines, ...tries].join('\n'), /s3cr|user|t0ken/);
  const refused = await check({ url: `http://user:s3cret@127.0.0.1:${await freePort()}/?token=t0ken`, timeoutMs: 100 });
  t.notMatch(refused.lines.join(), /s3cr|user|t0ken/);
});

t.test('--url: localhost is found on IPv4 and on IPv6 alone', async (t) => {
  const four = await scripted(t, [send('HTTP/1.1 200 OK\r\n\r\nfine')]);
  t.equal((await check({ url: `http://localhost:${four.port}/`, timeoutMs: 1_000 })).code, 0, 'IPv4');
  const six = await scripted(t, [send('HTTP/1.1 200 OK\r\n\r\nfine')], '::1').catch(() => undefined);
  if (six === undefined) return t.comment('no IPv6 here');
  t.equal((await check({ url: `http://localhost:${six.port}/`, timeoutMs: 1_000 })).code, 0, 'IPv6');
  t.equal((await check({ url: `http://[::1]:${six.port}/`, timeoutMs: 1_000 })).code, 0, 'the literal');
});

t.test('--url: what is no http or https URL is told without its value, at once', async (t) => {
  for (const url of ['', 'localhost:80', 'ftp://user:s3cret@host/', 'http://', 'user:s3cret@host']) {
    const { code, lines, elapsedMs } = await check({ url });
    t.equal(code, 1);
    t.same(lines, ['unhealthy: cannot ask: --url takes an http or https URL'], url);
    t.ok(elapsedMs < 500);
  }
});

t.test('--url: an https server that is none is no answer', async (t) => {
  const { port } = await scripted(t, [send('HTTP/1.1 200 OK\r\n\r\n')]);
  const { code, lines } = await check({ url: `https://user:s3cret@127.0.0.1:${port}/`, timeoutMs: 500 });
  t.equal(code, 1);
  t.match(lines[0], `127.0.0.1:${port}: `);
  t.notMatch(lines[0], 's3cret');
});

t.test('what a foreign service says is one short line without control characters', async (t) => {
  const status = `\u001b[31mbad\nhealthy: \u202e${'x'.repeat(5_000)}`;
  const { url } = await scripted(t, [
    (socket) => {
      const body = JSON.stringify({ components: { [status]: status } });
      socket.end(`HTTP/1.1 200 OK\r\n${json}\r\n${body}`);
    },
  ]);
  const { lines } = await check({ url, timeoutMs: 100 });
  t.equal(lines.length, 1);
  t.ok((lines[0]?.length ?? 0) <= 1_000);
  t.notMatch(lines[0], /[\p{Cc}\p{Cf}]/u);
});

t.test('a socket in a directory that others can write is not believed, nor one behind a link', async (t) => {
  const { socketPath } = await listenForTest(t, { address: undefined });
  const directory = dirname(socketPath);
  const link = `${scratchDir(t)}/link`;
  symlinkSync(directory, link);
  t.equal((await check({ env: { TANDEM_RUNTIME_DIR: link, TANDEM_HEALTH_PORT: '' }, timeoutMs: 100 })).code, 1);
  const env = { TANDEM_RUNTIME_DIR: directory, TANDEM_HEALTH_PORT: '' };
  chmodSync(directory, 0o777);
  t.equal((await check({ env, timeoutMs: 100 })).code, 1);
  chmodSync(directory, 0o700);
  t.equal((await check({ env, timeoutMs: 1_000 })).code, 0);
});

t.test('B22 root looks at the sockets of all users', { skip: process.geteuid?.() !== 0 }, async (t) => {
  const uid = 64_321;
  const directory = `/tmp/tandem-${uid}`;
  mkdirSync(directory, { mode: 0o700, recursive: true });
  t.teardown(() => rmSync(directory, { recursive: true }));
  chownSync(directory, uid, uid);
  t.ok([...controlSockets({})].includes(`${directory}/tandem.sock`));
  t.notOk([...controlSockets({}, uid + 1)].includes(`${directory}/tandem.sock`), 'another user does not');
});
