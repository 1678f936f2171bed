import { spawn } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ProbeResult } from '../../src/core/ports.ts';
import { noRestart, type ProbeSpec, type ProcessSpec, type ServiceSpec } from '../../src/core/spec.ts';
import { loadNative, native } from '../../src/host/native.ts';
import { makeProbe } from '../../src/host/probes.ts';
import { type LauncherOptions, makeLauncher } from '../../src/host/processes.ts';
import { driverCommand, nativeDirectory, placeOf } from '../fixtures/host-run.ts';
import { until } from '../support/until.ts';

const spec: ServiceSpec = {
  name: 'hub',
  type: 'service',
  process: {
    command: ['true'],
    cwd: tmpdir(),
    environment: { PATH: process.env['PATH'] ?? '', FROM: 'the service' },
    attachment: 'service',
  },
  dependsOn: {},
  restart: noRestart,
  essential: true,
  stopSignal: 'SIGTERM',
  forwardSignals: [],
};

const probe = makeProbe(makeLauncher());

const ask = (question: ProbeSpec, timeoutMs = 5_000, signal = new AbortController().signal) =>
  probe(question, spec, timeoutMs, signal);

const ok: ProbeResult = { ok: true };
const failure = (reason: string): ProbeResult => ({ ok: false, reason });

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server on a free port of one loopback address; gone with the test. */
async function serve(t: Test, handler: Handler, host = '127.0.0.1'): Promise<number> {
  const server = createServer(handler);
  await new Promise<void>((done) => server.listen(0, host, done));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return portOf(server.address());
}

function portOf(address: unknown): number {
  return (address as { port: number }).port;
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const port = portOf(server.address());
  await new Promise((done) => server.close(done));
  return port;
}

const answering =
  (status: number, body = '', headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

// HTTP

type Http = Extract<ProbeSpec, { kind: 'http' }>;
const httpCells: readonly (readonly [string, Handler, Omit<Http, 'kind' | 'url'>, ProbeResult])[] = [
  ['200 without a body', answering(200), {}, ok],
  ['204', answering(204), {}, ok],
  ['503', answering(503, '{"status":"ok"}'), {}, failure('HTTP 503')],
  [
    '503 with components',
    answering(503, '{"components":{"db":false}}', { 'content-type': 'application/json' }),
    {},
    failure('HTTP 503, component "db" is false'),
  ],
  ['503 in JSON that is well', answering(503, '{}', { 'content-type': 'application/json' }), {}, failure('HTTP 503')],
  ['302', answering(302, '', { location: '/' }), {}, failure('HTTP 302 (redirects are not followed)')],
  ['404, expected', answering(404), { status: 404 }, ok],
  ['200, 404 expected', answering(200), { status: 404 }, failure('HTTP 200')],
  ['200 unhealthy', answering(200, '{"status":"unhealthy"}'), {}, failure('status is "unhealthy"')],
  ['200 healthy', answering(200, '{"status":"Healthy"}'), {}, ok],
  ['200 a component is down', answering(200, '{"components":{"db":false}}'), {}, failure('component "db" is false')],
  ['200 HTML', answering(200, '<p>unhealthy</p>'), {}, ok],
  ['200 half of a JSON', answering(200, '{"status":"unhea'), {}, ok],
  ['200 over 1 MiB', answering(200, `{"status":"unhealthy","x":"${'x'.repeat(2 ** 20)}"}`), {}, ok],
  ['JSON as asked', answering(200, '{"state":"ready","n":1}'), { json: { state: 'ready' } }, ok],
  ['JSON as asked overrules its status', answering(200, '{"status":"idle"}'), { json: { status: 'idle' } }, ok],
  [
    'JSON otherwise',
    answering(200, '{"state":"x"}'),
    { json: { state: 'ready' } },
    failure('state is "x", not "ready"'),
  ],
  ['no JSON', answering(200, 'ready'), { json: {} }, failure('the body is not JSON')],
  ['too long', answering(200, `"${'x'.repeat(2 ** 20)}"`), { json: {} }, failure('the body is longer than 1 MiB')],
];

for (const [title, handler, expected, result] of httpCells) {
  t.test(`http x ${title}: ${result.ok ? 'ok' : result.reason}`, async (t) => {
    const port = await serve(t, handler);
    t.strictSame(await ask({ kind: 'http', url: `http://127.0.0.1:${port}/health`, ...expected }), result);
  });
}

t.test('http: an event stream that never ends is answered by its head', async (t) => {
  const port = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  t.strictSame(await ask({ kind: 'http', url: `http://127.0.0.1:${port}/` }), ok);
});

for (const host of ['127.0.0.1', '::1']) {
  t.test(`http: localhost reaches a server on ${host} only, asked by its name`, async (t) => {
    let asked = '';
    const port = await serve(
      t,
      (request, response) => {
        asked = `${request.headers.host} ${request.headers.connection} ${request.url}`;
        response.end();
      },
      host,
    );
    t.strictSame(await ask({ kind: 'http', url: `http://localhost:${port}/a?b=c` }), ok);
    t.equal(asked, `localhost:${port} close /a?b=c`);
  });
}

t.test('http: a literal IPv6 address', async (t) => {
  const port = await serve(t, answering(200), '::1');
  t.strictSame(await ask({ kind: 'http', url: `http://[::1]:${port}/` }), ok);
});

t.test('http: userinfo is sent as a password and shown in no reason', async (t) => {
  const port = await serve(t, (request, response) => {
    const wanted = `Basic ${Buffer.from('me:s3cret/').toString('base64')}`;
    response.writeHead(request.headers.authorization === wanted ? 200 : 401).end();
  });
  t.strictSame(await ask({ kind: 'http', url: `http://me:s3cret%2F@127.0.0.1:${port}/` }), ok);
  const urls = [
    `http://me:s3cret@127.0.0.1:${await freePort()}/`,
    'http://me:s3cret@:0:/',
    'ftp://me:s3cret@localhost/',
  ];
  for (const url of [...urls, 'http://me:%ff@localhost/']) {
    const result = await ask({ kind: 'http', url });
    t.notOk(result.ok);
    t.notMatch(JSON.stringify(result), /s3cret/);
  }
});

t.test('http: nobody there', async (t) => {
  for (const host of ['127.0.0.1', 'localhost']) {
    t.strictSame(
      await ask({ kind: 'http', url: `http://${host}:${await freePort()}/` }),
      failure('connection refused'),
    );
  }
  t.strictSame(await ask({ kind: 'http', url: 'http://nowhere.invalid/' }).then(({ ok }) => ok), false);
});

t.test('http: something that is not HTTP, and something that hangs up', async (t) => {
  const port = async (hello: string) => {
    const server = createTcpServer((socket) => socket.on('error', () => {}).end(hello));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    t.teardown(() => server.close());
    return portOf(server.address());
  };
  const reason = async (hello: string) => ask({ kind: 'http', url: `http://127.0.0.1:${await port(hello)}/` });
  t.strictSame(await reason('SSH-2.0-x\r\n'), failure('not an HTTP answer'));
  t.strictSame(await reason(''), failure('connection reset'));
});

// Every kind: one deadline, and an abort that is heard

const silent = async (t: Test) => {
  const server = createTcpServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  return portOf(server.address());
};
const slow: Readonly<Record<string, (t: Test) => Promise<ProbeSpec>>> = {
  http: async (t) => ({ kind: 'http', url: `http://127.0.0.1:${await silent(t)}/` }),
  'http with half a body': async (t) => {
    const port = await serve(t, (_, response) => response.write('{'));
    return { kind: 'http', url: `http://127.0.0.1:${port}/` };
  },
  exec: async () => ({ kind: 'exec', command: ['sleep', '60'] }),
  mcp: async (t) => ({ kind: 'mcp', url: `http://127.0.0.1:${await silent(t)}/mcp` }),
  'mcp with half a stream': async (t) => {
    const port = await serve(t, (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {"jsonrpc"');
    });
    return { kind: 'mcp', url: `http://127.0.0.1:${port}/mcp` };
  },
};

for (const [title, question] of Object.entries(slow)) {
  t.test(`${title} x no answer: fails at its deadline, and promptly when aborted`, async (t) => {
    const asked = await question(t);
    t.strictSame(await ask(asked, 150), failure('no answer within 150 ms'));
    const scope = new AbortController();
    const result = ask(asked, 60_000, scope.signal);
    setTimeout(() => scope.abort(), 50);
    const since = performance.now();
    t.notOk((await result).ok);
    t.ok(performance.now() - since < 5_000);
    t.equal(getEventListeners(scope.signal, 'abort').length, 0);
    t.strictSame(await ask(asked, 60_000, AbortSignal.abort()), failure('aborted'));
  });
}

// TCP

t.test('tcp: open, refused, and localhost on either family', async (t) => {
  const [four, six] = [await serve(t, answering(200)), await serve(t, answering(200), '::1')];
  const tcp = (host: string, port: number) => ask({ kind: 'tcp', address: { host, port } });
  t.strictSame(await tcp('127.0.0.1', four), ok);
  t.strictSame(await tcp('0.0.0.0', four), ok);
  t.strictSame(await tcp('localhost', four), ok);
  t.strictSame(await tcp('localhost', six), ok);
  t.strictSame(await tcp('127.0.0.1', await freePort()), failure('connection refused'));
  t.strictSame(await tcp('nowhere.invalid', 80), failure('host not found'));
});

// Exec

const sh = (script: string, timeoutMs?: number) => ask({ kind: 'exec', command: ['sh', '-c', script] }, timeoutMs);

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));

t.test('exec: exit 0 is a success, all else a failure with the last line as its reason', async (t) => {
  t.strictSame(await sh('exit 0'), ok);
  t.strictSame(await sh('exit 3'), failure('exit 3'));
  t.strictSame(await sh('echo one; echo "no response" >&2; exit 2'), failure('exit 2: no response'));
  t.strictSame(await sh('kill -SEGV $$'), failure('ended by SIGSEGV'));
  t.strictSame(
    await sh('echo "cannot reach postgres://me:pa:ss@db/x"; exit 1'),
    failure('exit 1: cannot reach postgres://***@db/x'),
  );
});

t.test('exec: a missing or unexecutable command is said so', async (t) => {
  t.strictSame(
    await ask({ kind: 'exec', command: ['no-such-command'] }),
    failure('cannot run: command "no-such-command" not found in PATH'),
  );
  t.strictSame(
    await ask({ kind: 'exec', command: ['/etc/passwd'] }),
    failure('cannot run: command "/etc/passwd" is not executable'),
  );
});

t.test('exec: runs in the environment and directory of the service, nothing else, with stdin closed', async (t) => {
  process.env['TANDEM_TEST_OWN'] = 'x';
  t.teardown(() => delete process.env['TANDEM_TEST_OWN']);
  t.strictSame(
    await sh(`[ "$FROM" = "the service" ] && [ -z "$TANDEM_TEST_OWN" ] && [ "$PWD" = "${spec.process.cwd}" ]`),
    ok,
  );
  t.strictSame(await sh('! read line'), ok);
});

t.test('exec: a flood of output neither blocks it nor is kept', async (t) => {
  const result = await sh('head -c 20000000 /dev/zero | tr "\\0" x; echo; echo last; exit 1');
  t.strictSame(result, failure('exit 1: last'));
  const line = await sh('head -c 1000000 /dev/zero | tr "\\0" x; exit 1');
  t.ok(!line.ok && line.reason.length < 200);
});

for (const [how, ending, timeoutMs] of [
  ['success', 'exit 0', undefined],
  ['failure', 'exit 1', undefined],
  ['deadline', 'wait', 300],
] as const) {
  t.test(`exec x ${how}: its children do not survive it, and do not delay it`, async (t) => {
    const file = join(t.testdir({}), 'pid');
    const since = performance.now();
    await sh(`(trap "" TERM; while :; do sleep 1; done) & echo $! > '${file}'; ${ending}`, timeoutMs);
    t.ok(performance.now() - since < 8_000);
    const pid = Number(readFileSync(file, 'utf8'));
    await until('the child is gone', () => !isAlive(pid));
  });
}

t.test('exec: a child that left the group and holds the output delays nothing', async (t) => {
  const file = join(t.testdir({}), 'pid');
  const since = performance.now();
  const leave = `setsid sh -c 'echo $$ > ${file}; exec sleep 60' & while ! [ -s ${file} ]; do :; done; exit 4`;
  const result = await sh(leave);
  const spentMs = performance.now() - since;
  process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
  t.strictSame(result, failure('exit 4'));
  t.ok(spentMs < 8_000);
});

const withHelper = { skip: native().launcherPath ? false : 'the exec helper was not built' };
const asRoot = { skip: withHelper.skip || (process.getuid?.() === 0 ? false : 'only root changes identity') };

/** The last line that a probe's script prints. */
async function lastLineOf(script: string, process: Partial<ProcessSpec> = {}, options: LauncherOptions = {}) {
  const question = { kind: 'exec', command: ['sh', '-c', `${script}; exit 1`] } as const;
  const service = { ...spec, process: { ...spec.process, ...process } };
  const result = await makeProbe(makeLauncher(options))(question, service, 5_000, new AbortController().signal);
  return result.ok ? undefined : result.reason.replace('exit 1: ', '');
}

t.test('B23 exec: has the user of the service, its supplementary groups and no new privileges', asRoot, async (t) => {
  const process = { user: { uid: 1234, gid: 2345, groups: [10, 20] }, noNewPrivileges: true, cwd: '/' };
  t.equal(await lastLineOf('id -u; id -g; echo $(id -u) $(id -G)', process), '1234 2345 10 20');
  t.equal(await lastLineOf('grep NoNewPrivs /proc/self/status', process), 'NoNewPrivs: 1');
});

t.test('exec: has the file limit of the service', withHelper, async (t) => {
  t.equal(await lastLineOf('ulimit -Sn', {}, { fileLimit: 123 }), '123');
});

for (const [where, options, needs] of [
  ['with the helper', {}, withHelper],
  ['without the helper', { native: loadNative('/nonexistent') }, { skip: false }],
] as const) {
  t.test(`exec ${where}: leads a session and group of its own`, needs, async (t) => {
    const [pid, , , , , group, session] =
      (await lastLineOf('read x < /proc/self/stat; echo "$$ $x"', {}, options))?.split(' ') ?? [];
    t.ok(pid);
    t.strictSame([group, session], [pid, pid]);
  });
}

t.test('B59 exec: dies with a tandem that is killed -9, and its children, too', withHelper, async (t) => {
  const file = join(t.testdir({}), 'pids');
  const [command, driver] = driverCommand(t, 'host-probe-victim');
  const env = { ...process.env, TANDEM_NATIVE_DIR: nativeDirectory };
  const tandem = spawn(command, [driver, file], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => tandem.kill('SIGKILL'));
  await new Promise((resolve) => tandem.stdout.once('data', resolve));
  const pids = readFileSync(file, 'utf8').trim().split(' ');
  const alive = () => pids.filter((pid) => placeOf(pid));
  t.teardown(() => alive().map((pid) => process.kill(Number(pid), 'SIGKILL')));
  t.equal(alive().length, 2);
  tandem.kill('SIGKILL');
  await until('both are gone', () => alive().length === 0);
});

// MCP

const result = { jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} } };

/** An MCP server of the given answer; notes what it was asked. */
async function serveMcp(t: Test, contentType: string, answer: string) {
  const asked: string[] = [];
  const port = await serve(t, (request, response) => {
    const session = request.headers['mcp-session-id'] ?? '-';
    asked.push(`${request.method} ${session} ${request.headers.accept ?? '-'}`);
    if (request.method === 'DELETE') return response.writeHead(405).end();
    response.writeHead(200, { 'content-type': contentType, 'mcp-session-id': 's1' });
    return contentType === 'text/event-stream' ? response.write(answer) : response.end(answer);
  });
  return { url: `http://localhost:${port}/mcp`, asked };
}

const mcpCells: readonly (readonly [string, string, string, ProbeResult])[] = [
  ['result as JSON', 'application/json', JSON.stringify(result), ok],
  ['result in a stream', 'text/event-stream', `event: message\r\ndata: ${JSON.stringify(result)}\r\n\r\n`, ok],
  [
    'result after another message',
    'text/event-stream',
    `: hello\n\ndata: {"jsonrpc":"2.0","method":"x"}\n\ndata:${JSON.stringify(result)}\n\n`,
    ok,
  ],
  [
    'error',
    'application/json',
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no\\nserver"}}',
    failure('MCP error -32000: no server'),
  ],
  ['something else', 'text/html', '<p>hello</p>', failure('not an MCP answer')],
  ['JSON, but no JSON-RPC', 'application/json', '{"status":"ok"}', failure('not an MCP answer')],
];

for (const [title, contentType, answer, expected] of mcpCells) {
  t.test(`mcp x ${title}: ${expected.ok ? 'ok' : expected.reason}, and the session is closed`, async (t) => {
    const { url, asked } = await serveMcp(t, contentType, answer);
    t.strictSame(await ask({ kind: 'mcp', url }), expected);
    t.strictSame(asked, ['POST - application/json, text/event-stream', 'DELETE s1 -']);
  });
}

t.test('mcp: an answer that comes byte by byte, whatever ends its lines', async (t) => {
  for (const end of ['\n', '\r\n', '\r']) {
    const bytes = [`: hello`, `data: ${JSON.stringify(result)}`, '', ':', ''].join(end);
    const port = await serve(t, async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const byte of bytes) {
        response.write(byte);
        await new Promise(setImmediate);
      }
    });
    t.strictSame(await ask({ kind: 'mcp', url: `http://127.0.0.1:${port}/mcp` }), ok, JSON.stringify(end));
  }
});

t.test('mcp: an HTTP error, and nobody there', async (t) => {
  const port = await serve(t, answering(502));
  t.strictSame(await ask({ kind: 'mcp', url: `http://127.0.0.1:${port}/mcp` }), failure('HTTP 502'));
  t.strictSame(await ask({ kind: 'mcp', url: `http://127.0.0.1:${await freePort()}/` }), failure('connection refused'));
});
