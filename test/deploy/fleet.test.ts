/** deploy/mcp-servers and deploy/mcp-hub-docker, as far as they can be judged without an engine. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { parse } from 'yaml';
import { readSettings } from '../../src/fleet/settings/settings.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const read = (...names: readonly string[]) => readFileSync(join(deploy, ...names), 'utf8');

interface Package {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

const servers = readdirSync(join(deploy, 'mcp-servers'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'base')
  .map(({ name }) => name)
  .sort();

test("B46 the servers' images are made of pinned packages, and of no others", async (t) => {
  t.same(servers, ['everything', 'filesystem', 'memory']);
  for (const name of servers) {
    const { dependencies } = JSON.parse(read('mcp-servers', name, 'package.json')) as { dependencies: object };
    for (const version of Object.values(dependencies)) t.match(version, /^\d+\.\d+\.\d+$/, `${name}: no range`);
    const lock = JSON.parse(read('mcp-servers', name, 'package-lock.json')) as { packages: Record<string, Package> };
    const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
    t.ok(packages.length > 50);
    t.same(
      packages.filter(([, { integrity, resolved }]) => !integrity || resolved),
      [],
      `${name}: each by its hash, none from a registry by name`,
    );
    const dockerfile = read('mcp-servers', name, 'Dockerfile');
    t.match(dockerfile, /npm ci --omit=dev --ignore-scripts/);
    t.match(dockerfile, `CMD ["`, 'and its command is not of the engine’s making');
    t.notMatch(dockerfile, /CMD.*npx/, 'nothing is looked up when it starts');
  }
});

test('B46 build.sh builds the base, and then all that stand on it', async (t) => {
  const directory = t.testdir({
    'engine.log': '',
    bare: { bash: t.fixture('symlink', '/bin/bash'), dirname: t.fixture('symlink', '/usr/bin/dirname') },
  });
  const engine = join(directory, 'engine');
  const log = join(directory, 'engine.log');
  writeFileSync(engine, `#!/bin/sh\necho "$*" >>'${log}'\n`, { mode: 0o755 });
  const run = (words: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    spawnSync(join(deploy, 'mcp-servers/build.sh'), words, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], CONTAINER_ENGINE: engine, ...more },
    });

  t.match(run(['1.2'], { IMAGE_PREFIX: 'mine', NODE_IMAGE: 'node:x' }), { status: 0, stdout: /^mine\/base:1\.2\n/ });
  const asked = readFileSync(log, 'utf8').trim().split('\n');
  t.match(asked[0], /--tag mine\/base:1\.2 base$/);
  t.same(asked.map((line) => line.split(' ').at(-1)).sort(), ['base', ...servers].sort());
  for (const line of asked) t.match(line, /--build-arg BASE_IMAGE=mine\/base:1\.2 --build-arg NODE_IMAGE=node:x/);

  t.match(run([]), { status: 0, stdout: /^mcp-servers\/base:latest\n/ });
  t.match(run(['--nope']), { status: 2, stdout: '', stderr: /^usage: / });
  t.match(run(['--help']), { status: 0, stdout: /^usage: /, stderr: '' });
  t.match(run([], { CONTAINER_ENGINE: '', PATH: join(directory, 'bare') }), {
    status: 127,
    stderr: /neither docker nor podman/,
  });
  t.equal(run([], { CONTAINER_ENGINE: 'false' }).status, 1, 'a build that fails is its end');
});

const isShellcheckHere = spawnSync('shellcheck', ['--version']).status === 0;

test('B46 shellcheck has nothing to say', { skip: isShellcheckHere ? false : 'no shellcheck here' }, async (t) => {
  const { status, stdout } = spawnSync('shellcheck', [join(deploy, 'mcp-servers/build.sh')], { encoding: 'utf8' });
  t.equal(status, 0, stdout);
});

test('B40 the configuration of the deployment is accepted, and its parts fit together', async (t) => {
  const result = await readSettings(Buffer.from(read('mcp-hub-docker', 'config.docker.json')), 'config.docker.json');
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  const { settings } = result;
  const compose = parse(read('mcp-hub-docker', 'compose.yaml')) as {
    networks: { default: { name: string } };
    services: { 'mcp-hub': { volumes: string[]; ports: string[] } };
  };
  t.equal(compose.networks.default.name, `\${MCP_HUB_NETWORK:-${settings.networkName}}`);
  const hub = compose.services['mcp-hub'];
  t.ok(
    hub.volumes.some((volume) => volume.endsWith(`:${settings.socketPath}`)),
    'the socket is mounted where the configuration says',
  );
  for (const port of hub.ports) t.match(port, /^127\.0\.0\.1:/, 'this machine alone');
  t.same(
    settings.servers.map(({ image }) => image).sort(),
    servers.map((name) => `mcp-servers/${name}`),
    'each of its images is made here',
  );
  const { mcpServers } = JSON.parse(read('mcp-hub-docker', 'config.docker.json')) as {
    mcpServers: Record<string, { url: string }>;
  };
  for (const [name, { url }] of Object.entries(mcpServers)) {
    t.ok(
      settings.servers.some((server) => url === `http://127.0.0.1:3456/mcp/${server.name}`),
      `${name} is one of the fleet's`,
    );
  }
});
