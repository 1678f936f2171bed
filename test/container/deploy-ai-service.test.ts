/** deploy/ai-service under a real engine, with a real PostgreSQL. */
import t, { type Test } from 'tap';
import { becomes, makeImages, makeStack, Stack, type Variables } from './deploy.ts';
import { type Container, needsEngine } from './engine.ts';

t.setTimeout(600_000);

t.before(async () => {
  if (!needsEngine.skip) await makeImages(t, ['postgres']);
});

const development = { ENVIRONMENT: 'development', POSTGRES_PASSWORD: 'pass', GATEWAY_PORTS: undefined };

function makeService(t: Test, variables: Variables = {}): Promise<Stack> {
  return makeStack(t, {
    name: 'ai-service',
    over: ['compose.postgres.yaml', 'compose.gateway.yaml'],
    variables: { ...development, ...variables },
  });
}

/** A question to one of the gateways, on this machine's port. */
async function gateway(container: Container, path: string, options: RequestInit = {}) {
  const response = await fetch(`${await container.urlOf(8000)}${path}`, options);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function write(container: Container, text: string, headers: Record<string, string> = {}) {
  return gateway(container, '/messages', { method: 'POST', body: JSON.stringify({ text }), headers });
}

async function tables(stack: Stack, sql: string): Promise<string> {
  const psql = ['psql', '--username=mcp_user', '--dbname=mcp_gateway', '--tuples-only', '--no-align'];
  return stack.ask(['exec', '--no-TTY', 'postgres', ...psql, '--command', sql]);
}

t.test(
  'B31 B34 up ends healthy, three gateways share what is written, and down leaves nothing',
  needsEngine,
  async (t) => {
    const stack = await makeService(t);
    await stack.up(['--scale', 'gateway=3']);

    const gateways = await stack.containers('gateway');
    t.equal(gateways.length, 3);
    for (const one of gateways) t.equal((await one.inspect()).State.Health?.Status, 'healthy');

    const [first, second, third] = gateways;
    if (!first || !second || !third) return;
    t.match(await write(first, 'hello'), { status: 201, body: { user: 'mock-user', text: 'hello' } });
    t.match(await gateway(third, '/messages'), { status: 200, body: { messages: [{ text: 'hello' }] } });

    const logs = await Promise.all(gateways.map(async (one) => (await one.logLines()).join('\n')));
    const count = (text: string) => logs.filter((log) => log.includes(text)).length;
    t.equal(count('the tables were made'), 1, 'by one of the three');
    t.equal(count('the tables are there'), 2, 'and found by the others');
    t.equal(count('the mock user for development was made'), 1);
    t.equal(await tables(stack, 'select name, token_hash is null from users'), 'mock-user|t');

    t.test('a database that is killed makes it unhealthy by name; one that is back makes it healthy', async (t) => {
      const [postgres] = await stack.containers('postgres');
      await postgres?.kill('KILL');
      await becomes(first, 'unhealthy', /^unhealthy: gateway unhealthy: HTTP 503, component "postgres" is/);
      t.match(await gateway(first, '/health'), {
        status: 503,
        body: { status: 'unhealthy', components: { postgres: { status: 'unhealthy', reason: String } } },
      });
      t.match(await write(first, 'lost'), { status: 503 });

      await stack.ask(['start', 'postgres']);
      await becomes(first, 'healthy', /gateway healthy/);
      t.match(await gateway(first, '/messages'), { status: 200, body: { messages: [{ text: 'hello' }] } });
      t.equal((await first.records()).filter(({ msg }) => msg === 'tandem starts').length, 1, 'it never ended');
    });

    t.test('docker compose stop ends a gateway with 0', async (t) => {
      await stack.ask(['stop', 'gateway']);
      for (const one of gateways) t.equal((await one.inspect()).State.ExitCode, 0);
    });

    t.test('down leaves nothing', async (t) => {
      t.not((await stack.leftovers()).length, 0);
      await stack.down();
      t.strictSame(await stack.leftovers(), []);
    });
  },
);

t.test('B31 in production there is no mock user, and only a token is a user', needsEngine, async (t) => {
  const stack = await makeService(t, { ENVIRONMENT: undefined });
  await stack.up();
  const container = await stack.container('gateway');
  t.equal(await tables(stack, 'select count(*) from users'), '0');
  t.equal((await write(container, 'who?')).status, 401);
  t.equal((await write(container, 'who?', { authorization: 'Bearer made-up' })).status, 401);

  const token = await stack.ask(['exec', '--no-TTY', 'gateway', 'node', 'user.js', 'ann']);
  const headers = { authorization: `Bearer ${token}` };
  t.match(await write(container, 'me', headers), { status: 201, body: { user: 'ann', text: 'me' } });
  t.equal(await tables(stack, `select count(*) from users where token_hash = '${token}'`), '0', 'it is not kept');
});

t.test('B20 without DATABASE_URL it ends with 78 and the name, and starts nothing', needsEngine, async (t) => {
  const stack = await makeService(t);
  const words = ['run', '--rm', '--no-deps', '--no-TTY', '--env', 'DATABASE_URL=', 'gateway'];
  const { code, stdout, stderr } = await stack.compose(words);
  t.equal(code, 78);
  t.match(stderr, /DATABASE_URL/);
  t.notMatch(stdout + stderr, /service state|listening/);
});

t.test('without a password Compose itself says what is missing', needsEngine, async (t) => {
  const stack = new Stack({
    name: 'ai-service',
    over: [],
    variables: { ...development, POSTGRES_PASSWORD: undefined },
  });
  const { code, stderr } = await stack.compose(['config', '--quiet']);
  t.not(code, 0);
  t.match(stderr, /POSTGRES_PASSWORD/);
});
