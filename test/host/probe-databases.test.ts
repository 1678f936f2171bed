/** The Postgres and Redis probes against servers that say one thing each; the real ones are asked in test/e2e. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import t, { type Test } from 'tap';
import { externalService } from '../../src/core/external.ts';
import type { ProbeResult } from '../../src/core/ports.ts';
import type { Endpoint, ProbeSpec } from '../../src/core/spec.ts';
import { makeProbe } from '../../src/host/probes.ts';
import { makeLauncher } from '../../src/host/processes.ts';
import { until } from '../support/until.ts';

const probe = makeProbe(makeLauncher());

const ok: ProbeResult = { ok: true };
const failure = (reason: string): ProbeResult => ({ ok: false, reason });

function ask(question: ProbeSpec, timeoutMs = 5_000, signal = new AbortController().signal): Promise<ProbeResult> {
  return probe(question, externalService({ name: 'x', probe: question, timeoutMs }), timeoutMs, signal);
}

/** A server that handles each connection; gone with the test. Returns what it has heard, too. */
async function serve(t: Test, handle: (socket: Socket) => void, server: Server = createServer(), path?: string) {
  const sockets = new Set<Socket>();
  const heard: Buffer[] = [];
  let hungUp = 0;
  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => heard.push(chunk));
    socket.on('close', () => {
      hungUp += 1;
    });
    handle(socket);
  });
  await new Promise<void>((done) => (path ? server.listen(path, done) : server.listen(0, '127.0.0.1', done)));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const endpoint: Endpoint = path ? { path } : { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  return { endpoint, heard: () => Buffer.concat(heard), hungUp: () => hungUp };
}

/** Says this, once it has heard something. */
const saying = (answer: Uint8Array | string) => (socket: Socket) =>
  void socket.once('data', () => socket.write(answer));

const closing = (answer: Uint8Array | string) => (socket: Socket) => void socket.once('data', () => socket.end(answer));

function message(type: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int32 = (value: number) => Buffer.from([value >> 24, value >> 16, value >> 8, value]);
const error = (code: string, text: string) => message('E', Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${text}\0\0`));
const password = message('R', Buffer.concat([int32(10), Buffer.from('SCRAM-SHA-256\0\0')]));
const trusted = Buffer.concat([message('R', int32(0)), message('S', Buffer.from('server_version\x0015\0'))]);

const postgresCells: readonly (readonly [string, (socket: Socket) => void, ProbeResult])[] = [
  ['asks for a password', saying(password), ok],
  ['trusts', saying(trusted), ok],
  ['another minor version first', saying(Buffer.concat([message('v', Buffer.alloc(8)), password])), ok],
  ['a notice first', saying(Buffer.concat([message('N', Buffer.from('SNOTICE\0\0')), password])), ok],
  ['unknown user', saying(error('28000', 'role "x" does not exist')), ok],
  ['unknown database', saying(error('3D000', 'database "x" does not exist')), ok],
  ['wants TLS', saying(error('28000', 'no pg_hba.conf entry for host, no encryption')), ok],
  [
    'starting up',
    saying(error('57P03', 'the database system is starting up')),
    failure('refuses sessions: the database system is starting up (57P03)'),
  ],
  [
    'in recovery',
    closing(error('57P03', 'the database system is in recovery mode')),
    failure('refuses sessions: the database system is in recovery mode (57P03)'),
  ],
  [
    'shutting down',
    closing(error('57P03', 'the database system is shutting down')),
    failure('refuses sessions: the database system is shutting down (57P03)'),
  ],
  [
    'ended by an operator',
    closing(error('57P01', 'terminating connection due to administrator command')),
    failure('refuses sessions: terminating connection due to administrator command (57P01)'),
  ],
  [
    'too many connections',
    closing(error('53300', 'sorry, too many clients already')),
    failure('refuses sessions: sorry, too many clients already (53300)'),
  ],
  [
    'cannot fork',
    closing('Ecould not fork new process for connection\n\0'),
    failure('refuses sessions: could not fork new process for connection'),
  ],
  ['control characters', closing(error('57P03', 'a\x1b[31m\nb')), failure('refuses sessions: a [31m b (57P03)')],
  ['an HTTP server', closing('HTTP/1.1 400 Bad Request\r\n\r\n'), failure('not a PostgreSQL answer')],
  ['a Redis server', closing('-ERR unknown command\r\n'), failure('not a PostgreSQL answer')],
  [
    'an SMTP server that talks first',
    (socket) => void socket.write('220 mail\r\n'),
    failure('not a PostgreSQL answer'),
  ],
  ['an echo', (socket) => void socket.pipe(socket), failure('not a PostgreSQL answer')],
  ['an error without a code', closing(message('E', Buffer.from('Mhm\0\0'))), failure('not a PostgreSQL answer')],
  [
    'a huge length',
    closing(Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
    failure('not a PostgreSQL answer'),
  ],
  ['half an answer', closing(password.subarray(0, 7)), failure('not a PostgreSQL answer')],
  [
    'no answer at all',
    (socket) => void socket.once('data', () => socket.end()),
    failure('connection closed without an answer'),
  ],
  [
    'notices without end',
    saying(Buffer.concat(Array(4_000).fill(message('N', Buffer.from('SN\0\0'))))),
    failure('not a PostgreSQL answer'),
  ],
];

for (const [title, handle, result] of postgresCells) {
  t.test(`B30 postgres x ${title}: ${result.ok ? 'ok' : result.reason}`, async (t) => {
    const { endpoint, hungUp } = await serve(t, handle);
    t.strictSame(await ask({ kind: 'postgres', endpoint }), result);
    await until('the connection is closed', () => hungUp() === 1);
  });
}

t.test('B30 postgres: an answer in single bytes is put together', async (t) => {
  const { endpoint } = await serve(t, (socket) => {
    socket.setNoDelay();
    socket.once('data', async () => {
      for (const byte of error('57P03', 'x')) {
        socket.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
    });
  });
  t.strictSame(await ask({ kind: 'postgres', endpoint }), failure('refuses sessions: x (57P03)'));
});

t.test('B30 postgres: protocol 3.0 with user and database; a session that began is ended by a message', async (t) => {
  const { endpoint, heard, hungUp } = await serve(t, saying(trusted));
  t.strictSame(await ask({ kind: 'postgres', endpoint, user: 'me', database: 'app' }), ok);
  await until('the connection is closed', () => hungUp() === 1);
  const bytes = heard();
  const length = bytes.readInt32BE(0);
  t.equal(bytes.readInt32BE(4), 196_608);
  t.equal(bytes.subarray(8, length).toString(), 'user\0me\0database\0app\0application_name\0tandem\0\0');
  t.strictSame([...bytes.subarray(length)], [0x58, 0, 0, 0, 4]);
});

const redisCells: readonly (readonly [string, (socket: Socket) => void, ProbeResult])[] = [
  ['PONG', saying('+PONG\r\n'), ok],
  ['asks for a password', saying('-NOAUTH Authentication required.\r\n'), ok],
  ['may not PING', saying("-NOPERM this user has no permissions to run the 'ping' command\r\n"), ok],
  ['loading', saying('-LOADING Redis is loading the dataset in memory\r\n'), failure('loading its data (LOADING)')],
  [
    'a lost master',
    saying("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"),
    failure('a replica without its master (MASTERDOWN)'),
  ],
  ['a script', saying('-BUSY Redis is busy running a script.\r\n'), failure('busy with a script (BUSY)')],
  [
    'no disk',
    saying('-MISCONF Redis is configured to save RDB snapshots\r\n'),
    failure('cannot save its data (MISCONF)'),
  ],
  [
    'protected mode',
    closing('-DENIED Redis is running in protected mode\r\n'),
    failure('refuses connections (protected mode) (DENIED)'),
  ],
  ['full', closing('-ERR max number of clients reached\r\n'), failure('max number of clients reached')],
  ['an HTTP server', closing('HTTP/1.1 400 Bad Request\r\n\r\n'), failure('not a Redis answer')],
  ['a Postgres server', closing(error('08P01', 'invalid length')), failure('not a Redis answer')],
  ['an echo', (socket) => void socket.pipe(socket), failure('not a Redis answer')],
  ['another simple string', saying('+OK\r\n'), failure('not a Redis answer')],
  ['half an answer', closing('+PO'), failure('not a Redis answer')],
  ['a line without end', saying(`-${'x'.repeat(40_000)}`), failure('not a Redis answer')],
  ['no answer at all', closing(''), failure('connection closed without an answer')],
];

for (const [title, handle, result] of redisCells) {
  t.test(`B30 redis x ${title}: ${result.ok ? 'ok' : result.reason}`, async (t) => {
    const { endpoint, hungUp } = await serve(t, handle);
    t.strictSame(await ask({ kind: 'redis', endpoint }), result);
    await until('the connection is closed', () => hungUp() === 1);
  });
}

const redisPasswordCells: readonly (readonly [string, string, ProbeResult])[] = [
  ['right', '+OK\r\n+PONG\r\n', ok],
  ['right, and loading', '+OK\r\n-LOADING x\r\n', failure('loading its data (LOADING)')],
  ['wrong', '-WRONGPASS invalid username-password pair\r\n-NOAUTH x\r\n', failure('the password is refused')],
  ['wrong, before Redis 6', '-ERR invalid password\r\n-NOAUTH x\r\n', failure('the password is refused')],
  ['none is set', '-ERR AUTH <password> called without any password configured\r\n+PONG\r\n', ok],
  ['protected mode', '-DENIED x\r\n', failure('refuses connections (protected mode) (DENIED)')],
  [
    'AUTH is unknown and quoted',
    "-ERR unknown command 'AUTH', with args beginning with: 's3cret'\r\n-ERR quoting s3cret? no\r\n",
    failure('quoting s3cret? no'),
  ],
];

for (const [title, answer, result] of redisPasswordCells) {
  t.test(`B30 redis with a password x ${title}: ${result.ok ? 'ok' : result.reason}`, async (t) => {
    const { endpoint, heard } = await serve(t, saying(answer));
    t.strictSame(await ask({ kind: 'redis', endpoint, username: 'me', password: 's3crét' }), result);
    t.equal(heard().toString(), '*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$7\r\ns3crét\r\n*1\r\n$4\r\nPING\r\n');
  });
}

t.test('B30 rediss: a certificate is checked, unless that is not wanted', async (t) => {
  const directory = t.testdir({});
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', [...words, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) });
  const { endpoint } = await serve(t, saying('+PONG\r\n'), server);
  t.strictSame(await ask({ kind: 'redis', endpoint, tls: 'unverified' }), ok);
  t.match(await ask({ kind: 'redis', endpoint, tls: 'verified' }), { ok: false, reason: /SELF_SIGNED/ });
});

t.test('B30 rediss at a server without TLS: a reason, in time', async (t) => {
  const { endpoint } = await serve(t, closing('-ERR\r\n'));
  t.match(await ask({ kind: 'redis', endpoint, tls: 'unverified' }), { ok: false });
});

for (const kind of ['postgres', 'redis'] as const) {
  t.test(`B30 ${kind}: a Unix socket`, async (t) => {
    const path = join(t.testdir({}), 's');
    t.strictSame(await ask({ kind, endpoint: { path } }), failure('not found'));
    await serve(t, saying(kind === 'redis' ? '+PONG\r\n' : password), createServer(), path);
    t.strictSame(await ask({ kind, endpoint: { path } }), ok);
  });

  t.test(`B30 ${kind}: nobody there, no such name, no answer, stopped meanwhile`, async (t) => {
    const { endpoint } = await serve(t, () => {});
    const gone = createServer();
    await new Promise<void>((done) => gone.listen(0, '127.0.0.1', done));
    const { port } = gone.address() as AddressInfo;
    await new Promise((done) => gone.close(done));
    t.strictSame(await ask({ kind, endpoint: { host: 'localhost', port } }), failure('connection refused'));
    t.strictSame(await ask({ kind, endpoint: { host: 'no-such-host.invalid', port } }), failure('host not found'));
    t.strictSame(await ask({ kind, endpoint }, 100), failure('no answer within 100 ms'));
    const stop = new AbortController();
    const asked = ask({ kind, endpoint }, 60_000, stop.signal);
    setImmediate(() => stop.abort());
    t.match(await asked, { ok: false });
  });
}
