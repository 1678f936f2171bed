/**
 * `tandem health` without a word more, in its shipped form: it asks by a way of its own (src/quick-health.ts), and must say
 * what the ordinary one says. The supervisor is a server on a control socket that answers what the test wants.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const dist = join(import.meta.dirname, '../../dist');
t.setTimeout(60_000);

/** A runtime directory whose socket answers every question like this, and closes. */
async function supervisor(t: Test, answer: (socket: Socket) => void): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-')); // a socket's path is short
  t.teardown(() => rmSync(directory, { recursive: true }));
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(join(directory, 'tandem.sock'), resolve));
  t.teardown(() => server.close());
  return directory;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly elapsedMs: number;
}

function health(directory: string, more: { words?: string[]; env?: object; program?: string } = {}): Promise<Ended> {
  const { words = [], env, program = join(dist, 'tandem.cjs') } = more;
  const startedAt = performance.now();
  const child = spawn(process.execPath, [program, 'health', ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TANDEM_RUNTIME_DIR: directory, TANDEM_HEALTH_PORT: '', ...env },
  });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, elapsedMs: performance.now() - startedAt }));
  });
}

const http = (status: number, body: string, headers = `Content-Length: ${Buffer.byteLength(body)}`) =>
  `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\n${headers}\r\nConnection: close\r\n\r\n${body}`;

const component = (status: string, reason = 'probe succeeded') => ({ status, reason });
const report = (hub: object) => JSON.stringify({ status: 'x', components: { gateway: component('healthy'), hub } });
const healthy = JSON.stringify({ status: 'healthy', components: { hub: component('healthy') } });
const large = JSON.stringify({
  status: 'healthy',
  components: Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`hub-${index}`, component('healthy')])),
});

const answers = {
  'a healthy supervisor': http(200, healthy),
  'in chunks': http(
    200,
    `5\r\n${healthy.slice(0, 5)}\r\n${(healthy.length - 5).toString(16)}\r\n${healthy.slice(5)}\r\n0\r\n\r\n`,
    'Transfer-Encoding: chunked',
  ),
  'an unhealthy component': http(503, report(component('unhealthy', 'connection refused\u001b[2J'))),
  'a component that is starting': http(503, report(component('starting'))),
  'words in Japanese': http(503, report(component('unhealthy', '接続拒否'))),
  'a body that is no JSON': http(200, 'oops'),
  'a report that is larger than most': http(200, large),
};

for (const [name, answer] of Object.entries(answers)) {
  t.test(`B21 ${name}: the same words and code as with a deadline of one's own`, async (t) => {
    const directory = await supervisor(t, (socket) => socket.end(answer));
    const [quick, ordinary, without] = await Promise.all([
      health(directory),
      health(directory, { words: ['--timeout', '4s'] }),
      health(directory, { env: { TANDEM_NATIVE_DIR: '/nonexistent' } }),
    ]);
    t.match(ordinary.stdout, /^(un)?healthy: .+\n$/);
    t.match(quick, { code: ordinary.code, stdout: ordinary.stdout });
    t.match(without, { code: ordinary.code, stdout: ordinary.stdout }, 'without the addon, too');
  });
}

t.test('B21 it needs nothing of tandem but its own file and the addon', async (t) => {
  const directory = await supervisor(t, (socket) => socket.end(answers['a healthy supervisor']));
  const alone = join(directory, 'alone');
  mkdirSync(alone);
  for (const part of ['tandem.cjs', 'health.cjs', 'native'])
    cpSync(join(dist, part), join(alone, part), { recursive: true });
  t.match(await health(directory, { program: join(alone, 'tandem.cjs') }), {
    code: 0,
    stdout: 'healthy: hub healthy\n',
  });
});

for (const [name, answer] of [
  ['never answers', () => {}],
  ['drips for ever', (socket: Socket) => setInterval(() => socket.write('x'), 50).unref()],
] as const) {
  t.test(`B21 a supervisor that ${name} is given up at the one deadline`, async (t) => {
    const directory = await supervisor(t, answer);
    const { code, stdout, elapsedMs } = await health(directory);
    t.equal(code, 1);
    t.match(stdout, /^unhealthy: no supervisor answers/);
    t.ok(elapsedMs >= 3_900 && elapsedMs < 4_800, `${elapsedMs} ms`);
  });
}

t.test('B22 without a socket it says what it has looked for', async (t) => {
  const directory = t.testdir();
  t.match(await health(directory), { code: 1, stdout: /^unhealthy: no supervisor answers/ });
});
