/** deploy/exai under a real engine, with a real PostgreSQL and a real Redis. */
import { get } from 'node:http';
import t, { type Test } from 'tap';
import { becomes, makeImages, makeStack, type Stack, type Variables } from './deploy.ts';
import { ask, type Container, needsEngine } from './engine.ts';

t.setTimeout(600_000);

t.before(async () => {
  if (!needsEngine.skip) await makeImages(t, ['postgres', 'redis']);
});

const keys = {
  KIMI_API_KEY: 'kimi-key',
  GLM_API_KEY: 'glm-key',
  AUTH_TOKEN: 'token',
  POSTGRES_PASSWORD: 'postgres-pass',
  REDIS_PASSWORD: 'redis-pass',
  // any port that is free
  EXAI_PORT: '',
};

function makeServer(t: Test, variables: Variables = {}): Promise<Stack> {
  return makeStack(t, {
    name: 'exai',
    over: ['compose.postgres.yaml', 'compose.redis.yaml', 'compose.exai.yaml'],
    variables: { ...keys, ...variables },
  });
}

/**
 * A caller in the container, with the server's own WebSocket client: it sends what it is given, one after the other, and
 * prints each answer, or why it was not let in.
 */
const caller = `
  const { WebSocket } = await import('ws');
  const [token, messages] = process.argv.slice(1);
  const socket = new WebSocket('ws://127.0.0.1:8079', { headers: { authorization: token } });
  const pending = JSON.parse(messages);
  const next = () => (pending.length > 0 ? socket.send(pending.shift()) : socket.close());
  socket.on('open', next);
  socket.on('message', (data) => (console.log(String(data)), next()));
  socket.on('error', (error) => console.log(JSON.stringify({ refused: error.message })));
`;

type Answer = Readonly<Record<string, unknown>>;

async function send(stack: Stack, messages: readonly string[], token = 'Bearer token'): Promise<Answer[]> {
  const node = ['node', '--input-type=module', '--eval', caller, '--', token, JSON.stringify(messages)];
  const printed = await stack.ask(['exec', '--no-TTY', 'exai', ...node]);
  return printed.split('\n').map((line) => JSON.parse(line) as Answer);
}

const message = (method: string, params: object = {}) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
const toolCall = (name: string, given: object) => message('tools/call', { name, arguments: given });

function said(text: string, from?: string) {
  return { result: { content: [{ type: 'text', text }], structuredContent: { text, ...(from && { from }) } } };
}

/** What a request for a WebSocket is answered with, from this machine. */
function knock(url: string, headers: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
  const websocket = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
  };
  return new Promise((resolve, reject) => {
    const request = get(url, { headers: { ...websocket, ...headers }, agent: false });
    request.on('error', reject);
    request.on('response', (response) => resolve(response.resume().statusCode));
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
  });
}

async function health(container: Container) {
  const response = await fetch(`${await container.urlOf(8079)}/health`);
  return { status: response.status, body: (await response.json()) as unknown };
}

t.test('B33 up ends healthy, its tools work over WebSocket, and down leaves nothing', needsEngine, async (t) => {
  const stack = await makeServer(t);
  await stack.up();
  const exai = await stack.container('exai');
  const well = { postgres: { status: 'healthy' }, redis: { status: 'healthy' } };
  t.strictSame(await health(exai), { status: 200, body: { status: 'healthy', components: well } });

  const url = await exai.urlOf(8079);
  t.equal(await knock(url, { authorization: 'Bearer token' }), 101, 'the published port speaks WebSocket');
  t.equal(await knock(url), 401, 'but not to somebody without the token');
  t.match(await send(stack, [], 'Bearer another'), [{ refused: /401/ }]);

  t.match(
    await send(stack, [
      message('initialize'),
      message('tools/list'),
      toolCall('echo', { text: 'hello' }),
      toolCall('remember', { key: 'colour', text: 'blue' }),
      toolCall('recall', { key: 'colour' }),
      toolCall('recall', { key: 'colour' }),
      toolCall('recall', { key: 'size' }),
      toolCall('chat', { provider: 'kimi', prompt: 'who?' }),
      message('nonsense'),
      'no JSON',
    ]),
    [
      { result: { serverInfo: { name: 'exai' } } },
      { result: { tools: [{ name: 'echo' }, { name: 'remember' }, { name: 'recall' }, { name: 'chat' }] } },
      said('hello'),
      said('kept'),
      said('blue', 'postgres'),
      said('blue', 'redis'),
      { result: { isError: true, content: [{ text: 'there is no note "size"' }] } },
      said('kimi-test: who?', 'kimi'),
      { error: { code: -32601 } },
      { error: { code: -32700 } },
    ],
  );
  const psql = ['psql', '--username=exai', '--tuples-only', '--no-align', '--command'];
  const rows = "select text from notes union all select provider || ' ' || answer from chats";
  t.equal(await stack.ask(['exec', '--no-TTY', 'postgres', ...psql, rows]), 'blue\nkimi kimi-test: who?');
  const redis = ['exec', '--no-TTY', 'redis', 'redis-cli'];
  t.equal(await stack.ask([...redis, 'get', 'exai:note:colour']), 'blue');

  t.test('limits hold, and nothing but /run and /tmp can be written', async (t) => {
    const [{ HostConfig, Mounts }] = JSON.parse(await ask(['inspect', exai.id]));
    t.match(HostConfig, { Memory: 2 ** 30, NanoCpus: 1e9, PidsLimit: 200, ReadonlyRootfs: true, CapDrop: ['ALL'] });
    t.match(Mounts, [{ Destination: '/app/config', RW: false }]);
    t.not((await exai.exec(['touch', '/app/config/exai.json'])).code, 0);
    t.not((await exai.exec(['touch', '/app/x'])).code, 0);
    t.equal(await exai.shell('id -u'), '1000');
  });

  t.test('what is killed makes it unhealthy by name; when all are back, it is healthy', async (t) => {
    const lost: Record<string, object> = {};
    for (const name of ['redis', 'postgres']) {
      await (await stack.container(name)).kill('KILL');
      lost[name] = { status: 'unhealthy', reason: String };
      await becomes(exai, 'unhealthy', new RegExp(`^unhealthy: exai unhealthy: HTTP 503.* component "${name}" is`));
      t.match(await health(exai), { status: 503, body: { status: 'unhealthy', components: { ...well, ...lost } } });
      const call = toolCall('remember', { key: 'colour', text: 'red' });
      t.match(await send(stack, [call]), [{ result: { isError: true } }]);
    }
    await stack.ask(['start', 'redis', 'postgres']);
    await becomes(exai, 'healthy', /exai healthy/);
    t.match(await send(stack, [toolCall('recall', { key: 'size' })]), [{ result: { content: [{ text: /no note/ }] } }]);
    t.equal((await exai.records()).filter(({ msg }) => msg === 'tandem starts').length, 1, 'it never ended');
  });

  t.test('docker compose stop ends it with 0, and no secret was ever shown', async (t) => {
    await stack.ask(['stop', 'exai']);
    t.equal((await exai.inspect()).State.ExitCode, 0);
    const log = (await exai.logLines()).join('\n');
    for (const [name, value] of Object.entries(keys)) if (value !== '') t.notOk(log.includes(value), name);
  });

  t.test('down leaves nothing', async (t) => {
    t.not((await stack.leftovers()).length, 0);
    await stack.down();
    t.strictSame(await stack.leftovers(), []);
  });
});

/** `docker compose run` of the server alone, which ends as the server does. */
function runAlone(stack: Stack) {
  return stack.compose(['run', '--rm', '--no-deps', '--no-TTY', 'exai']);
}

t.test('B33 without a key it ends with 78 and the key’s name, and starts nothing', needsEngine, async (t) => {
  const stack = await makeServer(t, { KIMI_API_KEY: undefined, AUTH_TOKEN: '' });
  const { code, stdout, stderr } = await runAlone(stack);
  t.equal(code, 78);
  t.match(stderr, /KIMI_API_KEY/);
  t.match(stderr, /AUTH_TOKEN/);
  t.notMatch(stderr, /GLM_API_KEY/, 'which is there');
  t.notMatch(stdout + stderr, /service state|listening/);
});

t.test('B33 a configuration that is no JSON ends it with 78 and its name', needsEngine, async (t) => {
  const config = t.testdir({ 'exai.json': '{"callsPerMinute": 60,}' });
  const stack = await makeServer(t, { EXAI_CONFIG: config });
  const { code, stdout, stderr } = await runAlone(stack);
  t.equal(code, 78);
  t.match(stderr, /config\/exai\.json/);
  t.notMatch(stdout + stderr, /service state|listening/);
});
