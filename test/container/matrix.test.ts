/** The image of the hub and the gateway, as its two scripts build and run it: everything real but the hub's own code. */
import { execFile, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { until } from '../support/until.ts';
import { ask, Container, docker, needsEngine, projectDir, type Result, runToEnd, start } from './engine.ts';

const image = 'tandem-test-matrix';
const label = 'tandem-test';

/** Runs on every machine of the tests; the image's own default is newer. */
const pythonImage = 'PYTHON_IMAGE=python:3.11-slim-bookworm';

/** What may lie beside a hub's sources and is nobody else's business. */
const strangers = [
  ...['.env', '.env.production', 'prod.env', '.npmrc', 'tls/.netrc', 'src/.env.local'],
  ...['data/hub.db', 'src/hub.db-wal', 'src/local.sqlite3', 'tls/server.key', 'tls/server.p12'],
];

/** The same beside tandem's own. */
const strangersOfProject = ['.env', 'src/.env', 'embedded/.env.local', 'deploy/matrix/prod.env', 'server.key'];

/** In every file of a stranger and in the builder's environment. */
const marker = `stranger-${randomUUID()}`;

/** What a builder may have in its environment. */
const buildersEnvironment = {
  JWT_SECRET_KEY: marker,
  GW_ENV_AUTH_ENCRYPTION_SECRET: marker,
  NPM_TOKEN: marker,
  npm_config_registry: `https://${marker}@registry.example`,
  PIP_INDEX_URL: `https://user:${marker}@index.example/simple`,
};

t.setTimeout(600_000);

/** Runs one of the scripts. */
function script(
  name: string,
  words: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  project = projectDir,
): Promise<Result> {
  const startedAt = performance.now();
  const child = spawn(join(project, 'scripts', name), words, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, ...output, tookMs: performance.now() - startedAt }));
  });
}

interface Sources {
  readonly hub: string;
  readonly project: string;
}

async function build(tag: string, { hub, project }: Sources, options: readonly string[] = []): Promise<void> {
  const words = ['--image', image, '--tag', tag, '--hub', hub, ...options, '--', '--quiet', '--build-arg', pythonImage];
  const { code, stdout, stderr } = await script('build_container.sh', words, buildersEnvironment, project);
  if (code !== 0) throw new Error(`the build ended with ${code}: ${stdout}${stderr}`);
}

/** The fixture's hub and tandem's own sources, both with things beside them that must not get into the image. */
function makeSources(t: Test): Sources {
  const directory = t.testdir({});
  const [hub, project] = [join(directory, 'hub'), join(directory, 'project')];
  cpSync(join(projectDir, 'test/fixtures/hub'), hub, { recursive: true });
  for (const path of projectFiles) cpSync(join(projectDir, path), join(project, path), { recursive: true });
  for (const path of strangers) addStranger(join(hub, path));
  for (const path of strangersOfProject) addStranger(join(project, path));
  return { hub, project };
}

/** What is built from. */
const projectFiles = [
  ...['.dockerignore', '.npmrc', 'Dockerfile', 'LICENSE', 'package.json', 'package-lock.json'],
  ...['deploy/matrix', 'embedded', 'scripts', 'src'],
];

function addStranger(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `STRANGER=${marker}\n`);
}

t.before(async () => {
  if (!needsEngine.skip) await build('full', makeSources(t));
});

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** An operator's place: a name, ports and a home of its own, all of which go with the test. */
async function makePlace(t: Test, called = 'matrix') {
  const name = `${label}-${process.pid}-${called}`;
  const [appPort, gwPort] = [await freePort(), await freePort()];
  const home = mkdtempSync(join(tmpdir(), `${label}-`));
  const hubUrl = `http://127.0.0.1:${appPort}`;
  t.teardown(async () => {
    await docker(['rm', '--force', '--volumes', name]);
    await docker(['volume', 'rm', '--force', `${name}-data`, `${name}-gateway`]);
    rmSync(home, { recursive: true, force: true });
  });
  return {
    name,
    hubUrl,
    gatewayUrl: `http://127.0.0.1:${gwPort}`,
    secretsFile: join(home, 'tandem', `${name}-gateway.env`),
    container: new Container(name),
    run: (words: readonly string[] = [], engineOptions: readonly string[] = []) =>
      script(
        'run_container.sh',
        [
          ...['--image', image, '--tag', 'full', '--name', name, '--restart', 'no'],
          ...['--app-port', `127.0.0.1:${appPort}`, '--gw-port', `127.0.0.1:${gwPort}`],
          ...[...words, '--', '--label', label, '--env', 'HUB_WORKERS=1', '--env', 'GW_WORKERS=2', ...engineOptions],
        ],
        { XDG_STATE_HOME: home },
      ),
    file: (file: string, text: string) => {
      const path = join(home, file);
      writeFileSync(path, text, { mode: 0o644 });
      return path;
    },
  };
}

async function json(url: string, init?: RequestInit): Promise<unknown> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

t.test('B15 B16 run: healthy, hub and gateway answer; a second run replaces it, data stays', needsEngine, async (t) => {
  const place = await makePlace(t);
  const first = await place.run();
  t.match(first, { code: 0, stdout: `hub      ${place.hubUrl}\ngateway  ${place.gatewayUrl}\n` });
  t.match(await json(`${place.hubUrl}/gateway`), {
    url: 'http://127.0.0.1:4444/health',
    health: { status: /^healthy$/ },
  });
  t.match(await json(`${place.gatewayUrl}/health`), { status: /^healthy$/ });
  await place.container.healthy();

  const status = await place.container.shell('cat /proc/1/status');
  t.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
  t.match(status, /^CapEff:\t0+$/m);
  t.match(status, /^NoNewPrivs:\t1$/m);
  t.equal((await place.container.exec(['sh', '-c', ': > /app/probe'])).code, 2, 'the root is read-only');

  await json(`${place.hubUrl}/entities/kept`, { method: 'PUT' });
  const database = 'stat -c %i /app/mcpgateway/.state/mcp.db';
  const gatewayDatabase = await place.container.shell(database);
  const [before] = JSON.parse(await ask(['inspect', place.name]));
  t.equal(before.Config.StopTimeout, 11, 'the budget of 9 s, and 2');

  const second = await place.run();
  t.match(second, { code: 0, stdout: /^hub/, stderr: '' }, 'no secrets are made anew');
  const [after] = JSON.parse(await ask(['inspect', place.name]));
  t.not(after.Id, before.Id);
  t.equal((await docker(['inspect', before.Id])).code, 1, 'the first is gone');
  t.same(await json(`${place.hubUrl}/entities`), ['kept']);
  t.equal(await place.container.shell(database), gatewayDatabase);

  t.equal((await place.run(['--no-replace'])).code, 1);
  t.equal((await place.container.inspect()).State.Status, 'running');

  const { tookMs } = await place.container.stop();
  t.equal(await place.container.ended(), 0);
  t.ok(tookMs < 2_000, `${tookMs} ms`);
});

t.test('B15 the gateway’s secrets are strong, its owner’s alone, and on no command line', needsEngine, async (t) => {
  const place = await makePlace(t);
  t.match(await place.run([], ['--env', 'HUB_SKIP_START=1']), { code: 0, stderr: place.secretsFile });
  t.equal(statSync(place.secretsFile).mode & 0o777, 0o600);
  const secrets = readFileSync(place.secretsFile, 'utf8').matchAll(/^GW_ENV_([A-Z_]+)=([0-9a-f]{64})$/gm);
  const values = [...secrets].map(([, , value]) => value);
  t.equal(new Set(values).size, 4);
  const shown = [
    await place.container.shell('cat /proc/[0-9]*/cmdline | tr "\\0" " "'),
    (await place.container.logLines()).join('\n'),
    await place.container.shell('tandem check; tandem health'),
  ].join('\n');
  for (const value of values) t.notOk(shown.includes(value ?? ''));
  const forHub = await place.container.shell('tandem check --json');
  t.notMatch(JSON.parse(forHub).services.find(({ name }: { name: string }) => name === 'hub')?.process.environment, {
    JWT_SECRET_KEY: String,
  });
});

t.test('B07 B15 --skip-gateway with a gateway in another container; 4444 is not published', needsEngine, async (t) => {
  const network = `${label}-${process.pid}`;
  await ask(['network', 'create', '--label', label, network]);
  t.teardown(() => docker(['network', 'rm', network]));
  const gateway = await makePlace(t, 'gateway');
  const alone = ['--network-alias', 'elsewhere', '--env', 'HUB_SKIP_START=1'];
  t.match(await gateway.run(['--network', network], alone), { code: 0, stdout: /^gateway {2}http\S+\n$/ });

  const hub = await makePlace(t, 'hub');
  const list = '["a b", "c#d$$&"]';
  const lines = [
    '\uFEFF# as an editor of another system leaves it',
    'MCP_GATEWAY_URL="http://elsewhere:4444"',
    'PORT=8080',
    `LIST='${list}'`,
    'HUB_KEEPALIVE="7" # seconds',
    "TANDEM_STOP_TIMEOUT='20'",
  ];
  const envFile = hub.file('hub.env', lines.join('\r\n'));
  const result = await hub.run(['--network', network, '--skip-gateway', '--env-file', envFile]);
  t.match(result, { code: 0, stdout: `hub      ${hub.hubUrl}\n` });
  t.match(await json(`${hub.hubUrl}/gateway`), { url: 'http://elsewhere:4444/health' });
  const fingerprint = createHash('sha256').update(list).digest('hex');
  t.match(await json(`${hub.hubUrl}/environment`), { LIST: fingerprint });
  const ports = await ask(['port', hub.name]);
  t.match(ports, /^8080\/tcp -> 127\.0\.0\.1:\d+$/, 'the port that the hub really has, and no other');
  const [inspection] = JSON.parse(await ask(['inspect', hub.name]));
  t.equal(inspection.Config.StopTimeout, 22);
});

t.test('B15 a taken port is refused once the old container is gone, bad input before', needsEngine, async (t) => {
  const place = await makePlace(t);
  t.equal((await place.run(['--skip-gateway'])).code, 0);
  const bad = await place.run(['--skip-gateway', '--env-file', place.file('bad.env', 'TANDEM_STOP_TIMEOUT=abc\n')]);
  t.match(bad, { code: 78, stderr: /TANDEM_STOP_TIMEOUT.*"abc"/ });
  t.equal((await place.container.inspect()).State.Status, 'running', 'nothing was replaced');

  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  const port = address && typeof address === 'object' ? address.port : 0;
  const taken = await place.run(['--skip-gateway', '--app-port', `127.0.0.1:${port}`]);
  t.match(taken, { code: 1, stdout: '', stderr: `port 127.0.0.1:${port} is taken` });
  t.equal((await docker(['inspect', place.name])).code, 1);
});

t.test(
  'B15 one that does not come up: non-zero, the last log lines, and no restart for ever',
  needsEngine,
  async (t) => {
    const place = await makePlace(t);
    const { code, stdout, stderr } = await place.run(
      ['--skip-gateway', '--restart', 'unless-stopped'],
      ['--env', 'HUB_COMMAND=sh -c "echo no luck; exit 7"'],
    );
    t.equal(code, 1);
    t.equal(stdout, '');
    t.match(stderr, /no luck/);
    t.equal((await place.container.inspect()).State.Status, 'exited');
  },
);

t.test('B15 one that is not healthy in time: non-zero, and why', needsEngine, async (t) => {
  const place = await makePlace(t);
  const { code, stderr } = await place.run(['--skip-gateway', '--wait', '2'], ['--env', 'HUB_COMMAND=sleep 60']);
  t.equal(code, 1);
  t.match(stderr, /not healthy within 2 s: \S/);
  t.equal((await place.container.inspect()).State.Status, 'exited');
});

t.test('B16 user, ports, volumes, health check and labels are declared', needsEngine, async (t) => {
  const [{ Config: config }] = JSON.parse(await ask(['image', 'inspect', `${image}:full`]));
  t.match(config, {
    User: '1000:1000',
    Entrypoint: ['tandem'],
    ExposedPorts: { '7300/tcp': {}, '4444/tcp': {} },
    Volumes: { '/app/data': {}, '/app/mcpgateway/.state': {} },
    Healthcheck: { Test: ['CMD', 'tandem', 'health'] },
    StopSignal: 'SIGTERM',
    Labels: {
      'org.opencontainers.image.title': 'matrix-hub',
      'org.opencontainers.image.version': JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')).version,
      'org.opencontainers.image.revision': /^[0-9a-f]{40}$/,
      'org.opencontainers.image.licenses': 'MIT',
    },
  });
});

t.test('B16 no .env, no database, no key in it, and only its state can be written', needsEngine, async (t) => {
  const inImage = async (words: string) =>
    (await runToEnd(`${image}:full`, ['--', 'sh', '-c', words], ['--user=0'])).stdout.trim();
  t.equal(await inImage('find /app -name "*.db" -o -name "*.sqlite*" -o -name ".env" -o -name ".git"'), '');
  t.equal(
    await inImage('find /app /opt /usr -xdev -user 1000 | sort'),
    ['/app/data', '/app/mcpgateway/.state'].join('\n'),
  );
  t.equal(await inImage('find /app /opt /usr -xdev -perm /022 -not -type l -not -perm /1000'), '');
});

t.test('B16 nothing of whoever built it is in the history, the configuration or a layer', needsEngine, async (t) => {
  const directory = t.testdir({});
  await ask(['save', '--output', `${directory}/image.tar`, `${image}:full`]);
  // every blob, unpacked if it is compressed: files lie in a layer as they are
  const search = async (text: string) => {
    const script = 'tar -xf image.tar && find . -type f ! -name image.tar | while read -r f; do zcat -f "$f"; done';
    const words = ['-c', `{ ${script}; } | grep -acF -e "$1" || :`, 'sh', text];
    return Number((await promisify(execFile)('sh', words, { cwd: directory })).stdout);
  };
  t.equal(await search(marker), 0);
  t.ok((await search('A hub in Matrix Hub')) > 0, 'what is in a layer is found');
  t.notMatch(await ask(['history', '--no-trunc', `${image}:full`]), marker);
  t.notMatch(await ask(['image', 'inspect', `${image}:full`]), marker);
});

/** How a hub says that whatever lies in its package is part of it. */
const pyproject = `
[build-system]
requires = ["setuptools==80.9.0"]
build-backend = "setuptools.build_meta"

[project]
name = "hub"
version = "1.0"
dynamic = ["dependencies"]
optional-dependencies = { dev = ["iniconfig==2.1.0"] }

[tool.setuptools]
packages = ["src"]
package-data = { "*" = ["*", ".*"] }
dynamic = { dependencies = { file = "requirements.txt" } }
`;

t.test('B16 a hub with a pyproject.toml, its extra for developers, and no gateway', needsEngine, async (t) => {
  const sources = makeSources(t);
  writeFileSync(join(sources.hub, 'pyproject.toml'), pyproject);
  await build('hub-only', sources, ['--skip-gateway-setup', '--dev']);
  const place = await makePlace(t);
  t.match(await place.run(['--tag', 'hub-only']), { code: 0, stdout: `hub      ${place.hubUrl}\n`, stderr: '' });
  t.match(await place.container.shell('tandem health'), /gateway skipped/);
  const installed = '/app/.venv/lib/python3*/site-packages';
  t.match(await place.container.shell(`ls ${installed}`), /^iniconfig$/m);
  t.match(await place.container.shell(`ls -A ${installed}/src`), /^app\.py$/m);
  t.equal(await place.container.shell(`grep -rl ${marker} /app || :`), '');
});

/** Both services as a stand-in that is up in no time, under the gunicorn that the image has. */
const light = [
  ...['--volume', `${join(projectDir, 'test/fixtures/hub/mcpgateway')}:/light:ro`],
  ...['--env', 'APP_ROOT=/light', '--env', 'APP_MODULE=mcpgateway.main:app', '--env', 'HUB_VENV=/app/.venv'],
  ...['--env', 'GATEWAY_DIR=/light', '--env', 'GATEWAY_VENV=/app/mcpgateway/.venv'],
  ...gatewaySecrets().flatMap((secret) => ['--env', secret]),
];

function gatewaySecrets(): string[] {
  const names = ['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD'];
  return names.map((name) => `GW_ENV_${name}=${randomUUID()}${randomUUID()}`);
}

/** By B04's formula, for two services; a machine of the tests has two processors. */
const grants = [
  { options: ['--cpus=0.5'], workers: 2, reason: '2 * 0.5 CPUs + 1' },
  { options: ['--cpus=2'], workers: 5, reason: '2 * 2 CPUs + 1' },
  { options: ['--memory=512m'], workers: 1, reason: '512 MiB of memory, 256 MiB a worker' },
  {
    options: ['--cpus=2', '--memory=512m', '--env=WORKER_MEMORY=64m'],
    workers: 3,
    reason: '512 MiB of memory, 64 MiB a worker',
  },
];

for (const { options, workers, reason } of grants) {
  t.test(`B04 B54 docker run ${options.join(' ')}: ${workers} workers each`, needsEngine, async (t) => {
    const container = await start(t, `${image}:full`, [...light, ...options]);
    await container.healthy();
    const said = (await container.records()).filter(({ msg }) => msg === 'number of workers');
    t.match(said, [
      { service: 'gateway', workers, reason },
      { service: 'hub', workers, reason },
    ]);
    for (const service of ['gateway', 'hub']) {
      const master = await container.pidOf(service);
      t.match(await container.shell(`tr '\\0' ' ' < /proc/${master}/cmdline`), ` --workers ${workers} `);
      await until(`${service} has ${workers} workers`, async () => {
        return (await container.shell(`wc -w < /proc/${master}/task/${master}/children`)) === `${workers}`;
      });
    }
  });
}
