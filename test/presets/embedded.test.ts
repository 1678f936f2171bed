/** The embedded preset as data: what is run, in which order, with which environment, and what is written for it. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Test, test } from 'tap';
import { ConfigError } from '../../src/core/errors.ts';
import { makePlan } from '../../src/core/plan.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { type EmbeddedOptions, embeddedServices, prepareEmbedded } from '../../src/presets/embedded.ts';

const pair = resolve(import.meta.dirname, '../../embedded');

const defaults: EmbeddedOptions = {
  directories: { pair, data: '/srv/data', working: '/srv' },
  migrations: { timeoutMs: 600_000 },
  gateway: { host: '127.0.0.1', port: 4444, environment: { PATH: '/usr/bin:/bin' } },
  hub: { host: '127.0.0.1', port: 7300, environment: { PATH: '/usr/bin:/bin' } },
  readyTimeoutMs: 60_000,
};

type Services = Record<'migrations' | 'gateway' | 'hub', ServiceSpec>;

function services(changes: Partial<EmbeddedOptions> = {}): Services {
  const specs = embeddedServices({ ...defaults, ...changes });
  return Object.fromEntries(specs.map((spec) => [spec.name, spec])) as Services;
}

const gatewayWith = (changes: Partial<EmbeddedOptions['gateway']>) =>
  services({ gateway: { ...defaults.gateway, ...changes } }).gateway;
const hubWith = (changes: Partial<EmbeddedOptions['hub']>) => services({ hub: { ...defaults.hub, ...changes } }).hub;

/** What follows a flag in a command. */
function flag(spec: ServiceSpec, name: string): string | undefined {
  const at = spec.process.command.indexOf(name);
  return at < 0 ? undefined : spec.process.command[at + 1];
}

function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-embedded-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('B01 the order is migrations, gateway, hub, and the hub waits until the gateway is ready', async (t) => {
  const specs = embeddedServices(defaults);
  t.same(
    makePlan([...specs].reverse()).services.map(({ name }) => name),
    ['migrations', 'gateway', 'hub'],
  );
  t.same(services().gateway.dependsOn, { migrations: 'completed' });
  t.same(services().hub.dependsOn, { migrations: 'completed', gateway: 'ready' });
});

test('B11 both services are essential, never restarted and asked to stop by TERM', async (t) => {
  for (const spec of [services().gateway, services().hub]) {
    t.match(spec, { type: 'service', essential: true, restart: { condition: 'no' }, stopSignal: 'SIGTERM' });
  }
});

test('B01 the gateway is ready when its port is held and its health answers; whether a session opens the hub tells', async (t) => {
  const { gateway, hub } = services();
  t.match(gateway.readiness, {
    port: { host: '127.0.0.1', port: 4444 },
    probe: { kind: 'http', url: 'http://127.0.0.1:4444/healthz' },
    startTimeoutMs: 60_000,
  });
  t.notOk(gateway.readiness?.startProbe, 'a second memory server would be started for it');
  t.match(hub.readiness?.startProbe, { json: { servers: [{ name: 'gateway', status: 'connected' }] } });
});

test('B01 where no hub tells, a session is opened to see that the gateway works', async (t) => {
  const session = { kind: 'mcp', url: 'http://127.0.0.1:4444/mcp' };
  const hubs: Partial<typeof defaults.hub>[] = [
    { skip: 'HUB_SKIP_START is set' },
    { command: ['python3', 'app.py'] },
    { healthPath: '/api/servers' },
    { healthPath: '' },
  ];
  for (const changed of hubs) {
    const { gateway } = services({ hub: { ...defaults.hub, ...changed } });
    t.match(gateway.readiness?.startProbe, session, JSON.stringify(changed));
  }
  const elsewhere = { ...defaults.gateway, url: 'http://gateway:4444/mcp' };
  t.match(
    services({ gateway: elsewhere }).gateway.readiness?.startProbe,
    session,
    'the hub is connected to another one',
  );
});

test('B01 the hub is ready when it says so and is connected to the gateway; later the connection alone counts', async (t) => {
  const servers = [{ name: 'gateway', status: 'connected' }];
  t.match(services().hub.readiness, {
    port: { host: '127.0.0.1', port: 7300 },
    startProbe: { kind: 'http', url: 'http://127.0.0.1:7300/api/health', json: { state: 'ready', servers } },
    probe: { kind: 'http', url: 'http://127.0.0.1:7300/api/health', json: { servers } },
  });
  t.notOk(
    JSON.stringify(services().hub.readiness?.probe).includes('"state"'),
    'a hub restarted by its API is no failure',
  );
});

test('B01 an empty health path leaves the port alone', async (t) => {
  for (const { readiness } of [gatewayWith({ healthPath: '' }), hubWith({ healthPath: '' })]) {
    t.ok(readiness?.port);
    t.notOk(readiness?.probe);
    t.notOk(readiness?.startProbe);
  }
});

test("B01 another health path is served by the pair's gateway and asked of it", async (t) => {
  const spec = gatewayWith({ healthPath: '/up?deep=1' });
  t.match(spec.readiness?.probe, { url: 'http://127.0.0.1:4444/up?deep=1' });
  t.equal(flag(spec, '--healthEndpoint'), '/up');
});

test("B01 another health path of the pair's hub is asked without its words", async (t) => {
  t.same(hubWith({ healthPath: '/api/servers' }).readiness?.probe, {
    kind: 'http',
    url: 'http://127.0.0.1:7300/api/servers',
  });
});

test('B03 a command in place of the pair is run as it is and asked on /health, without a word about MCP', async (t) => {
  for (const spec of [gatewayWith({ command: ['python3', 'app.py'] }), hubWith({ command: ['python3', 'app.py'] })]) {
    t.same(spec.process.command, ['python3', 'app.py']);
    t.equal(spec.process.cwd, '/srv');
    t.same(Object.keys(spec.readiness ?? {}).sort(), ['port', 'probe', 'startTimeoutMs', 'timing']);
    t.match(spec.readiness?.probe, { url: /\/health$/ });
    t.notOk(JSON.stringify(spec.readiness?.probe).includes('json'));
    t.notMatch(Object.keys(spec.process.environment), ['MEMORY_FILE_PATH', 'XDG_STATE_HOME', 'HOME']);
  }
});

test('B05 each service gets its own environment, the migrations get that of the hub', async (t) => {
  const { gateway, hub, migrations } = services({
    gateway: { host: '127.0.0.2', port: 4445, environment: { HOST: '127.0.0.2', PORT: '4445', A: 'gateway' } },
    hub: { host: '127.0.0.3', port: 7301, environment: { HOST: '127.0.0.3', PORT: '7301', A: 'hub' } },
  });
  t.match(gateway.process.environment, { HOST: '127.0.0.2', PORT: '4445', A: 'gateway' });
  t.match(hub.process.environment, { HOST: '127.0.0.3', PORT: '7301', A: 'hub' });
  t.same(migrations.process.environment, { HOST: '127.0.0.3', PORT: '7301', A: 'hub' });
  t.equal(flag(gateway, '--port'), '4445');
  t.equal(flag(hub, '--port'), '7301');
});

test("B06 what is addressed to one service beats what the pair's own program needs", async (t) => {
  const hub = hubWith({
    environment: { XDG_STATE_HOME: '/s', XDG_DATA_HOME: '/d' },
    overrides: { XDG_STATE_HOME: '/s' },
  });
  t.match(hub.process.environment, { XDG_STATE_HOME: '/s', XDG_DATA_HOME: '/srv/data/hub/share' });
});

test('B10 without a migration command the step is in the plan and skipped with a reason', async (t) => {
  t.match(services().migrations, { type: 'oneshot', skip: 'nothing to migrate' });
});

test('B10 a migration command runs once, bounded, and its failure ends the container', async (t) => {
  const { migrations } = services({ migrations: { command: ['alembic', 'upgrade', 'head'], timeoutMs: 5_000 } });
  t.match(migrations, { type: 'oneshot', essential: true, readiness: { startTimeoutMs: 5_000 } });
  t.same(migrations.process.command, ['alembic', 'upgrade', 'head']);
  t.notOk(migrations.skip);
});

test('B10 a migration that may fail stops nobody', async (t) => {
  const { migrations, gateway, hub } = services({ migrations: { command: ['false'], timeoutMs: 1, mayFail: true } });
  t.equal(migrations.essential, false);
  t.match(gateway.dependsOn, { migrations: 'ended' });
  t.match(hub.dependsOn, { migrations: 'ended' });
});

test('B07 a gateway that is skipped needs no package, and the hub is ready without it', async (t) => {
  const skipped = { ...defaults.gateway, skip: 'GATEWAY_SKIP_START is set' };
  const { gateway, hub } = services({ gateway: skipped });
  t.equal(gateway.skip, 'GATEWAY_SKIP_START is set');
  t.match(hub.readiness?.startProbe, { json: { state: 'ready' } });
  t.notOk(JSON.stringify(hub.readiness).includes('connected'));

  const external = services({ gateway: { ...skipped, url: 'http://gateway:4444/mcp' } });
  t.match(external.hub.readiness?.probe, { json: { servers: [{ name: 'gateway', status: 'connected' }] } });
});

test('a server on all interfaces is asked on the loopback of its family', async (t) => {
  t.match(gatewayWith({ host: '0.0.0.0' }).readiness?.probe, { url: 'http://127.0.0.1:4444/healthz' });
  t.match(gatewayWith({ host: '::' }).readiness?.probe, { url: 'http://[::1]:4444/healthz' });
  t.match(gatewayWith({ host: 'localhost' }).readiness?.probe, { url: 'http://localhost:4444/healthz' });
});

test('the commands are absolute files run by this very Node, with the preload as a flag', async (t) => {
  for (const {
    process: { command, environment },
  } of [services().gateway, services().hub]) {
    t.equal(command[0], process.execPath);
    t.equal(command[1], '--require');
    t.equal(command[2], join(pair, 'loopback.cjs'));
    t.ok(existsSync(command[3] ?? ''), command[3] ?? '');
    t.notOk('NODE_OPTIONS' in environment);
  }
  const user = hubWith({ environment: { NODE_OPTIONS: '--max-old-space-size=300' } });
  t.equal(user.process.environment['NODE_OPTIONS'], '--max-old-space-size=300');
});

test('the gateway keeps one session for the hub, prints no payload and leaves no shell behind', async (t) => {
  const spec = services().gateway;
  t.equal(flag(spec, '--outputTransport'), 'streamableHttp');
  t.equal(flag(spec, '--logLevel'), 'none');
  t.ok(spec.process.command.includes('--stateful'));
  t.match(flag(spec, '--stdio'), /^exec '/);
});

test('the state of both is below the data directory, whatever the container says', async (t) => {
  const environment = {
    HOME: '/root',
    XDG_STATE_HOME: '/root/s',
    XDG_DATA_HOME: '/root/d',
    XDG_CONFIG_HOME: '/root/c',
  };
  const hub = hubWith({ environment });
  const gateway = gatewayWith({ environment });
  for (const name of Object.keys(environment)) t.match(hub.process.environment[name], /^\/srv\/data\/hub/, name);
  t.equal(gateway.process.environment['HOME'], '/root');
  t.equal(gateway.process.environment['MEMORY_FILE_PATH'], '/srv/data/gateway/memory.jsonl');
  const own = gatewayWith({ environment: { MEMORY_FILE_PATH: 'mine.jsonl' } }).process.environment;
  t.equal(own['MEMORY_FILE_PATH'], '/srv/data/mine.jsonl');
});

test('B20 packages that are not installed are named together, with the remedy', async (t) => {
  const empty = temporaryDirectory(t);
  const directories = { ...defaults.directories, pair: empty };
  t.throws(() => services({ directories }), ConfigError);
  try {
    services({ directories });
  } catch (error) {
    for (const word of ['supergateway', 'server-memory', 'mcp-hub', 'npm ci']) t.match(String(error), word);
  }
  const command = ['true'] as const;
  const foreign = { gateway: { ...defaults.gateway, command }, hub: { ...defaults.hub, command } };
  t.doesNotThrow(() => services({ directories, ...foreign }), 'commands of the user need no package');
});

test('a path with a quote in it survives the shell of the gateway', async (t) => {
  const root = join(temporaryDirectory(t), "it's $HOME");
  for (const name of ['supergateway', '@modelcontextprotocol/server-memory', 'mcp-hub']) {
    const directory = join(root, 'node_modules', name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'package.json'), JSON.stringify({ bin: { [name]: 'index.js' } }));
    writeFileSync(join(directory, 'index.js'), `console.log('${name}')`);
  }
  const { gateway } = services({ directories: { ...defaults.directories, pair: root } });
  const { stdout } = spawnSync('/bin/sh', ['-c', flag(gateway, '--stdio') ?? ''], { encoding: 'utf8' });
  t.equal(stdout, '@modelcontextprotocol/server-memory\n');
});

test('preparing renders the literal gateway URL, seeds the registry for ever and leads the log file to nowhere', async (t) => {
  const data = join(temporaryDirectory(t), 'deep', 'data');
  const options = { ...defaults, directories: { ...defaults.directories, data } };
  prepareEmbedded(options);
  prepareEmbedded(options);

  const hub = services(options).hub;
  const config = flag(hub, '--config') ?? '';
  t.same(JSON.parse(readFileSync(config, 'utf8')), { mcpServers: { gateway: { url: 'http://127.0.0.1:4444/mcp' } } });
  t.equal(statSync(config).mode & 0o777, 0o600);
  t.equal(statSync(data).mode & 0o777, 0o700);

  const registryFile = join(hub.process.environment['XDG_DATA_HOME'] ?? '', 'mcp-hub/cache/registry.json');
  const registry = JSON.parse(readFileSync(registryFile, 'utf8'));
  t.ok(registry.registry.servers.length > 0, 'an empty list would be fetched again');
  t.ok(registry.lastFetchedAt > Date.parse('2200-01-01'));

  t.equal(readlinkSync(join(hub.process.environment['XDG_STATE_HOME'] ?? '', 'mcp-hub/logs/mcp-hub.log')), '/dev/null');
  t.ok(existsSync(join(data, 'gateway')));
});

test('preparing removes the lock that a killed hub left behind', async (t) => {
  const data = temporaryDirectory(t);
  const lock = join(data, 'hub/state/mcp-hub/workspaces.json.lock');
  mkdirSync(join(lock, '..'), { recursive: true });
  writeFileSync(lock, '1');
  prepareEmbedded({ ...defaults, directories: { ...defaults.directories, data } });
  t.notOk(existsSync(lock));
});

test('B07 preparing points the hub at an external gateway, or at none', async (t) => {
  const data = temporaryDirectory(t);
  const directories = { ...defaults.directories, data };
  const read = () => JSON.parse(readFileSync(join(data, 'hub/config.json'), 'utf8'));
  const skipped = { ...defaults.gateway, skip: 'elsewhere' };
  prepareEmbedded({ ...defaults, directories, gateway: { ...skipped, url: 'https://gateway.example/mcp' } });
  t.same(read(), { mcpServers: { gateway: { url: 'https://gateway.example/mcp' } } });
  prepareEmbedded({ ...defaults, directories, gateway: skipped });
  t.same(read(), { mcpServers: {} });
});

test('preparing writes nothing for commands in place of the pair', async (t) => {
  const data = join(temporaryDirectory(t), 'data');
  const command = ['true'] as const;
  prepareEmbedded({
    ...defaults,
    directories: { ...defaults.directories, data },
    gateway: { ...defaults.gateway, command },
    hub: { ...defaults.hub, command },
  });
  t.notOk(existsSync(data));
});

test('B20 a data directory that cannot be written is a configuration error with its path', async (t) => {
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, '');
  const options = { ...defaults, directories: { ...defaults.directories, data: join(file, 'data') } };
  t.throws(() => prepareEmbedded(options), new ConfigError([{ subject: 'TANDEM_DATA_DIR', message: '' }]).constructor);
  const inProc = { ...options, directories: { ...options.directories, data: '/proc/x' } };
  t.throws(() => prepareEmbedded(inProc), ConfigError, 'and is not tried for ever');
});

test('loopback: every form of listen without a host gets one, and a host, a path or a descriptor is left alone', async (t) => {
  const cases: Record<string, string> = {
    'listen(0, done)': '127.0.0.9',
    "listen('0', done)": '127.0.0.9',
    'listen(0, 5, done)': '127.0.0.9',
    'listen(0, undefined, 5, done)': '127.0.0.9',
    "listen(0, '', 5, done)": '127.0.0.9',
    'listen({ port: 0 }, done)': '127.0.0.9',
    'listen(done)': '127.0.0.9',
    'listen().once("listening", done)': '127.0.0.9',
    "listen(0, '127.0.0.8', done)": '127.0.0.8',
    "listen({ port: 0, host: '127.0.0.8' }, done)": '127.0.0.8',
    "listen('\\0tandem-loopback-test', done)": 'path',
    "listen({ path: '\\0tandem-loopback-test' }, done)": 'path',
  };
  const code = Object.keys(cases).map(
    (call) => `await new Promise((resolve, reject) => {
    const server = require('node:http').createServer().on('error', reject);
    const done = () => { const at = server.address(); console.log(at.address ?? 'path'); server.close(resolve); };
    server.${call};
  });`,
  );
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--require', join(pair, 'loopback.cjs'), '-e', `(async () => { ${code.join('\n')} })()`],
    { encoding: 'utf8', env: { HOST: '127.0.0.9' } },
  );
  t.equal(stderr, '');
  t.same(stdout.trim().split('\n'), Object.values(cases));
});
