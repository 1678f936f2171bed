import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { type VariableName, variable, variableNames } from '../../src/config/variables.ts';
import { copyExample } from '../../src/presets/env-example.ts';
import { load, problemsOf, scratchDir, surroundings } from './fixture.ts';

t.test('without any variable every default holds', async (t) => {
  const config = await load({});
  t.match(config, {
    stop: { timeoutMs: 9_000, drainDelayMs: 0 },
    output: 'raw',
    log: { level: 'info', format: 'json' },
    health: { host: '127.0.0.1', port: 7399 },
    directories: { working: '/nowhere', data: '/nowhere/data', pair: '/nowhere/tandem/embedded' },
    hub: { host: '127.0.0.1', port: 7300, readyTimeoutMs: 60_000, root: '/app', venv: '/app/.venv' },
    gateway: { host: '127.0.0.1', port: 4444, root: '/app/mcpgateway', venv: '/app/mcpgateway/.venv' },
    migrations: { mode: 'auto', timeoutMs: 600_000, mayFail: false },
    workerMemoryBytes: 256 * 2 ** 20,
    remarks: [],
  });
  t.equal(config.hub.skip, undefined);
  t.equal(config.hub.healthPath, undefined);
});

t.test(
  'the matrix preset listens on all interfaces, the embedded one has no authentication and does not',
  async (t) => {
    const config = await load({}, 'matrix');
    t.match(config, { hub: { host: '0.0.0.0' }, gateway: { host: '0.0.0.0' } });
  },
);

t.test('on a terminal output is prefixed and the log is pretty, unless something else is said', async (t) => {
  const isTerminal = () => true;
  t.match(await load({}, 'embedded', { isTerminal }), { output: 'prefix', log: { format: 'pretty' } });
  const said = { TANDEM_OUTPUT: 'json', TANDEM_LOG_FORMAT: 'json' };
  t.match(await load(said, 'embedded', { isTerminal }), { output: 'json', log: { format: 'json' } });
});

t.test('all problems are reported at once, each with its variable, value and what is accepted', async (t) => {
  const wrong = {
    PORT: '99999',
    GW_READY_TIMEOUT: 'soon',
    TANDEM_OUTPUT: 'xml',
    HUB_COMMAND: "python 'x",
    HUB_WORKERS: '0',
    GW_HEALTH_PATH: 'health',
    GATEWAY_SKIP_START: 'maybe',
    TANDEM_PRESET: 'both',
  };
  const problems = await problemsOf(load(wrong));
  t.strictSame(problems.map(({ subject }) => subject).sort(), Object.keys(wrong).sort());
  t.ok(problems.every(({ message }) => message.includes('accepted: ')));
  t.match(problems, [{ subject: 'TANDEM_PRESET', message: '"both" is not accepted; accepted: embedded, matrix' }]);
});

t.test('TANDEM_NOFILE: a limit that the exec helper takes', async (t) => {
  t.equal((await load({})).fileLimit, undefined);
  t.equal((await load({ TANDEM_NOFILE: '' })).fileLimit, undefined);
  for (const text of ['1', '1024', '4294967295'])
    t.equal((await load({ TANDEM_NOFILE: text })).fileLimit, Number(text));
  for (const text of ['0', '-1', '4294967296', '1e3', 'unlimited']) {
    t.match(await problemsOf(load({ TANDEM_NOFILE: text })), [{ subject: 'TANDEM_NOFILE' }], text);
  }
});

t.test('B53 a problem shows nothing of what came from a file, whatever it is about', async (t) => {
  const root = scratchDir(t, { port: '7312' });
  const same = { TANDEM_FILE_VARS: 'PORT', PORT_FILE: join(root, 'port'), GW_PORT: '7312' };
  const [problem] = await problemsOf(load(same));
  t.match(problem, { subject: 'GW_PORT', message: '"***" is the port of PORT' });
});

t.test('a refused value never shows a secret', async (t) => {
  const [problem] = await problemsOf(load({ MCP_GATEWAY_URL: 'ftp://user:s3cret@host/' }));
  t.match(problem, { subject: 'MCP_GATEWAY_URL', message: '"ftp://***@host/" is not accepted' });
});

t.test('each kind of value accepts and refuses what it should', async (t) => {
  const cells: readonly [VariableName, readonly string[], readonly string[]][] = [
    ['PORT', ['1', '65535', '7300\r'], ['0', '65536', '-1', '80.5', '0x50', 'http', '7 300']],
    ['TANDEM_HEALTH_PORT', ['7399', ''], ['0', 'none']],
    ['TANDEM_STOP_TIMEOUT', ['1', '500ms', '2m'], ['0', '0ms', '-1', 'never']],
    ['TANDEM_DRAIN_DELAY', ['0', '5s'], ['x']],
    ['HOST', ['::1', '[::1]', '0.0.0.0', 'hub.local'], ['a b', 'host:80', '[x]', 'http://x']],
    ['GW_HEALTH_PATH', ['', '/', '/health?check_db=true'], ['health', '/a b']],
    [
      'GATEWAY_SKIP_START',
      ['1', 'TRUE', 'yes', 'on', '0', 'False', 'no', 'off'],
      ['2', 'y', '__proto__', 'constructor'],
    ],
    ['TANDEM_RUNTIME_DIR', ['/run/x'], ['run/x']],
    ['APP_MODULE', ['src.app:app', 'main', 'a.b:make()'], ['src/app.py', 'a b', ':app', '--reload']],
    ['HUB_COMMAND', ['python -m x'], ['"', "''", '\\']],
    ['WORKER_MEMORY', ['256m', '1G', '1048576'], ['0', '1.5g', 'big', 'm']],
    ['HUB_LOG_LEVEL', ['info', 'WARNING'], ['loud']],
    ['HUB_MAX_REQUESTS', ['0', '1000'], ['-1', '1.5']],
    ['MCP_GATEWAY_URL', ['http://gw:4444', 'https://gw/mcp'], ['gw:4444', 'http://', 'ftp://x']],
  ];
  for (const [name, good, bad] of cells) {
    for (const text of good) t.strictSame(await problemsOf(load({ [name]: text })), [], `${name}=${text}`);
    for (const text of bad) t.match(await problemsOf(load({ [name]: text })), [{ subject: name }], `${name}=${text}`);
  }
});

t.test('an empty variable is as not set, except where empty means none', async (t) => {
  const empty = Object.fromEntries(variableNames.map((name) => [name, '']));
  const config = await load(empty);
  t.match(config, { hub: { port: 7300, healthPath: '' }, gateway: { healthPath: '' } });
  t.equal(config.health.port, undefined);
  t.strictSame(
    variableNames.filter((name) => variable(name).emptyMeansNone),
    ['TANDEM_HEALTH_PORT', 'HUB_HEALTH_PATH', 'GW_HEALTH_PATH'],
  );
});

t.test('unknown variables are ignored', async (t) => {
  t.strictSame(await problemsOf(load({ TANDEM_NONSENSE: 'x', HUB_NONSENSE: 'x' })), []);
});

t.test('equal ports are refused, those of a service that is not run do not count', async (t) => {
  const problems = await problemsOf(load({ PORT: '7399', GW_PORT: '7399' }));
  t.match(problems, [
    { subject: 'GW_PORT', message: '"7399" is the port of PORT' },
    { subject: 'TANDEM_HEALTH_PORT', message: '"7399" is the port of PORT' },
  ]);
  t.strictSame(await problemsOf(load({ PORT: '4444', GATEWAY_SKIP_START: '1' })), []);
});

t.test('B07 both services skipped is refused', async (t) => {
  t.match(await problemsOf(load({ HUB_SKIP_START: 'yes', GATEWAY_SKIP_START: 'on' })), [{ subject: /HUB_SKIP_START/ }]);
});

t.test('B58 a drain that leaves nothing of the stop timeout is refused', async (t) => {
  t.match(await problemsOf(load({ TANDEM_DRAIN_DELAY: '9' })), [{ subject: 'TANDEM_DRAIN_DELAY', message: /9s/ }]);
  t.strictSame(await problemsOf(load({ TANDEM_DRAIN_DELAY: '9', TANDEM_STOP_TIMEOUT: '10' })), []);
  t.strictSame(await problemsOf(load({ TANDEM_DRAIN_DELAY: '9', HUB_GRACEFUL_TIMEOUT: '5' })), []);
});

t.test('a preset that could not be chosen is one problem among the others', async (t) => {
  const problem = { subject: '--preset', message: '"x" is not accepted' };
  const attempt = loadConfig(surroundings({ PORT: 'x' }), { name: undefined, reason: '', problem });
  t.match(await problemsOf(attempt), [problem, { subject: 'PORT' }]);
});

t.test('B05 B06 PORT of the environment and of both .env files: neither service takes the other one', async (t) => {
  const gatewayKeys = ['GW_ENV_PORT', 'GW_PORT', 'gateway file'];
  const hubKeys = ['HUB_ENV_PORT', 'PORT', 'hub file'];
  const keys = [...hubKeys, ...gatewayKeys];
  for (let bits = 0; bits < 2 ** keys.length; bits += 1) {
    const given = keys.filter((_, index) => bits & (1 << index));
    const portOf = (key: string) => String(8000 + keys.indexOf(key));
    const inFile = (key: string) => (given.includes(key) ? `PORT=${portOf(key)}\n` : '');
    const root = scratchDir(t, { '.env': inFile('hub file'), 'mcpgateway/.env': inFile('gateway file') });
    const variables = given.filter((key) => !key.endsWith('file')).map((key) => [key, portOf(key)]);
    const config = await load({ APP_ROOT: root, ...Object.fromEntries(variables) }, 'matrix');
    const first = (candidates: readonly string[]) => candidates.find((key) => given.includes(key));
    const hubPort = first(hubKeys);
    const gatewayPort = first(gatewayKeys);
    const cell = given.join(' + ') || 'none';
    t.equal(config.hub.port, Number(hubPort ? portOf(hubPort) : 7300), `hub: ${cell}`);
    t.equal(config.gateway.port, Number(gatewayPort ? portOf(gatewayPort) : 4444), `gateway: ${cell}`);
  }
});

t.test('B06 each variable reaches the service it belongs to, in its order of precedence', async (t) => {
  const root = scratchDir(t, {
    '.env': 'SHARED=hub-file\nHUB_ONLY=1\nPORT=8001\nDATABASE_URL=hub-file\nTUNED=hub-file\n',
    'mcpgateway/.env':
      'SHARED=gateway-file\nGATEWAY_ONLY=1\nHOST=127.0.0.9\nDATABASE_URL=gateway-file\nTUNED=gateway-file\n',
  });
  const config = await load(
    {
      APP_ROOT: root,
      SHARED: 'environment',
      DATABASE_URL: 'environment',
      HUB_ENV_TUNED: 'hub-override',
      GW_ENV_TUNED: 'gateway-override',
      GW_PORT: '4555',
      TANDEM_OUTPUT: 'raw',
    },
    'matrix',
  );
  t.strictSame(config.hub.environment, {
    APP_ROOT: root,
    SHARED: 'environment',
    DATABASE_URL: 'environment',
    HUB_ONLY: '1',
    TUNED: 'hub-override',
    HOST: '0.0.0.0',
    PORT: '8001',
  });
  t.strictSame(config.gateway.environment, {
    APP_ROOT: root,
    SHARED: 'gateway-file',
    DATABASE_URL: 'gateway-file',
    GATEWAY_ONLY: '1',
    TUNED: 'gateway-override',
    HOST: '127.0.0.9',
    PORT: '4555',
  });
  t.match(config.remarks, [{ message: /gateway's env file beats/, facts: { names: ['SHARED'] } }]);
});

t.test("B06 the container's DATABASE_URL is the hub's, and GW_ENV_DATABASE_URL the gateway's", async (t) => {
  const { hub, gateway } = await load({ DATABASE_URL: 'hub', GW_ENV_DATABASE_URL: 'gateway' });
  t.strictSame([hub.environment['DATABASE_URL'], gateway.environment['DATABASE_URL']], ['hub', 'gateway']);
  t.notOk('DATABASE_URL' in (await load({ DATABASE_URL: 'hub' })).gateway.environment);
});

t.test('B06 a .env file that appeared meanwhile is not overwritten', async (t) => {
  const root = scratchDir(t, { '.env': 'A=own\n', '.env.example': 'A=1\n' });
  copyExample({ path: join(root, '.env'), values: {}, example: join(root, '.env.example') });
  t.equal(readFileSync(join(root, '.env'), 'utf8'), 'A=own\n');
});

t.test('B06 a value of a .env file arrives byte-exact', async (t) => {
  const lines = [
    '\uFEFFFIRST=bom',
    'JSON=["https://a.b","c"]',
    'DOLLARS=a$$b$HOME',
    'AMP=a&b; c',
    'QUOTED="a # b"',
    "SPACED=' a '",
  ];
  const root = scratchDir(t, { '.env': `${lines.join('\r\n')}\r\n` });
  const { hub } = await load({ APP_ROOT: root }, 'matrix');
  t.match(hub.environment, {
    FIRST: 'bom',
    JSON: '["https://a.b","c"]',
    DOLLARS: 'a$$b$HOME',
    AMP: 'a&b; c',
    QUOTED: 'a # b',
    SPACED: ' a ',
  });
});

t.test("B06 a service's knobs may be set in its own .env file, tandem's and the other's may not", async (t) => {
  const root = scratchDir(t, { '.env': 'HUB_WORKERS=3\nGW_WORKERS=4\nTANDEM_STOP_TIMEOUT=77\nPORT=no\n' });
  const problems = await problemsOf(load({ APP_ROOT: root }, 'matrix'));
  t.match(problems, [{ subject: `PORT in ${root}/.env` }]);
  const config = await load({ APP_ROOT: root, PORT: '1' }, 'matrix');
  t.equal(config.hub.server.workers, 3);
  t.equal(config.gateway.server.workers, undefined);
  t.equal(config.stop.timeoutMs, 9_000);
});

t.test(
  'B06 a missing .env file is made from its example, before the start and not while it is only looked at',
  async (t) => {
    const root = scratchDir(t, { '.env.example': 'A=1\n', '.env.gateway.local': 'B=2\n', 'mcpgateway/x': '' });
    const config = await load({ APP_ROOT: root }, 'matrix');
    t.match(config, { hub: { environment: { A: '1' } }, gateway: { environment: { B: '2' } } });
    t.match(config.remarks, [{ message: /example/ }, { message: /example/ }]);
    t.notOk(existsSync(join(root, '.env')));
    for (const { envFile } of [config.hub, config.gateway]) t.ok(envFile && copyExample(envFile));
    t.equal(readFileSync(join(root, '.env'), 'utf8'), 'A=1\n');
    t.equal(readFileSync(join(root, 'mcpgateway/.env'), 'utf8'), 'B=2\n');
    t.equal(statSync(join(root, '.env')).mode & 0o777, 0o600);
  },
);

t.test('B06 where the .env file cannot be written the example is used all the same', async (t) => {
  const root = scratchDir(t, { '.env.example': 'A=1\n' });
  const path = join(root, 'missing-directory', '.env');
  const remark = copyExample({ path, values: {}, example: join(root, '.env.example') });
  t.match(remark, { message: /the values of its example are used/, facts: { reason: 'ENOENT' } });
});

t.test('a .env file that was named must be there and readable', async (t) => {
  const directory = scratchDir(t);
  const missing = join(directory, 'no.env');
  const problems = await problemsOf(load({ HUB_ENV_FILE: missing, GATEWAY_ENV_FILE: directory }));
  t.match(problems, [
    { subject: 'HUB_ENV_FILE', message: `"${missing}" does not exist` },
    { subject: 'GATEWAY_ENV_FILE', message: `"${directory}" is no file` },
  ]);
});

t.test('HUB_ENV_FILE is a path and no override of FILE', async (t) => {
  const directory = scratchDir(t, { 'hub.env': 'A=1\n' });
  const { hub } = await load({ HUB_ENV_FILE: join(directory, 'hub.env') });
  t.equal(hub.environment['A'], '1');
  t.notOk('FILE' in hub.environment);
});

t.test('nothing is written while a configuration is made', async (t) => {
  const root = scratchDir(t, { '.env.example': 'A=1\n' });
  chmodSync(root, 0o555);
  t.teardown(() => chmodSync(root, 0o755));
  await load({ APP_ROOT: root }, 'matrix');
  t.notOk(existsSync(join(root, '.env')));
});

t.test('.env.example has every variable of the table with its default, and no other', async (t) => {
  const text = readFileSync(join(__dirname, '../../.env.example'), 'utf8');
  const all = [...text.matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const);
  // The fleet is a program of its own, with variables of its own.
  const lines = all.filter(([name]) => !name.startsWith('TANDEM_FLEET_'));
  t.strictSame(lines.map(([name]) => name).sort(), [...variableNames].sort());
  for (const [name, value] of lines) {
    const { default: text } = variable(name as VariableName);
    t.equal(value, typeof text === 'string' ? text : '', name);
  }
  t.strictSame(text.match(/^[^#\n].*$/gm), null, 'nothing is set by a mere copy');
});
