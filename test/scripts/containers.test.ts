/** The scripts for the container, without an engine: what is asked of one is written down by a stand-in. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const scriptsDir = join(import.meta.dirname, '../../scripts');
const scripts = ['build_container.sh', 'run_container.sh'] as const;

/** An engine that does nothing but keep its words, one a line. */
function makeEngine(t: Test) {
  const directory = t.testdir({});
  const [path, log] = [join(directory, 'engine'), join(directory, 'words')];
  writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$@" >> '${log}'\n`);
  chmodSync(path, 0o755);
  return { path, words: () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []) };
}

function run(t: Test, name: string, words: readonly string[]) {
  const engine = makeEngine(t);
  const env = { ...process.env, CONTAINER_ENGINE: engine.path };
  const { status, stdout, stderr } = spawnSync(join(scriptsDir, name), words, { env, encoding: 'utf8' });
  return { code: status, stdout, stderr, words: engine.words() };
}

for (const name of scripts) {
  t.test(`B15 ${name} -h prints the usage`, async (t) => {
    t.match(run(t, name, ['-h']), { code: 0, stdout: `usage: scripts/${name}`, stderr: '', words: [] });
    t.equal(run(t, name, ['--help']).code, 0);
  });

  const wrong = [['--nonsense'], ['word'], ['--image'], ['--tag', '']];
  for (const words of wrong) {
    t.test(`B15 ${name} ${words.join(' ')}: 2 with the usage, and the engine is not asked`, async (t) => {
      t.match(run(t, name, words), { code: 2, stdout: '', stderr: `usage: scripts/${name}`, words: [] });
    });
  }
}

for (const port of ['0', '65536', 'abc', '127.0.0.1:', '-1']) {
  t.test(`B15 run_container.sh --app-port ${port} is refused`, async (t) => {
    t.match(run(t, 'run_container.sh', ['--app-port', port]), { code: 2, stderr: port, words: [] });
  });
}

t.test('B15 run_container.sh refuses a file that is not there', async (t) => {
  t.match(run(t, 'run_container.sh', ['--env-file', '/no/such']), { code: 1, stderr: '/no/such', words: [] });
});

/** What run_container.sh hands to the first container that it starts, by the names that are for the gateway alone. */
function handedOver(home: string, words: readonly string[]) {
  const [path, log] = [join(home, 'engine'), join(home, 'environment')];
  writeFileSync(path, `#!/bin/sh\n[ "$1" = image ] && exit\ncat "$3" > '${log}'\nexit 78\n`);
  chmodSync(path, 0o755);
  const env = { ...process.env, CONTAINER_ENGINE: path, XDG_STATE_HOME: home };
  const { status, stderr } = spawnSync(join(scriptsDir, 'run_container.sh'), words, { env, encoding: 'utf8' });
  const lines = readFileSync(log, 'utf8').split('\n');
  return { code: status, stderr, variables: lines.filter((line) => line.startsWith('GW_ENV_')) };
}

t.test('B15 run_container.sh makes the secrets that nothing sets, once, and no others', async (t) => {
  const home = t.testdir({
    'hub.env': 'GW_ENV_JWT_SECRET_KEY=mine\n',
    'gateway.env': 'BASIC_AUTH_PASSWORD=mine\nDATABASE_URL=x\n',
    tandem: { 'matrix-hub-gateway.env': 'GW_ENV_JWT_SECRET_KEY=older\n' },
  });
  const option = 'GW_ENV_AUTH_ENCRYPTION_SECRET_FILE=/run/secrets/x';
  const files = ['--env-file', join(home, 'hub.env'), '--gw-env-file', join(home, 'gateway.env')];
  const some = handedOver(home, [...files, '--', '--env', option]);
  t.match(some, { code: 78, stderr: /made secrets/ });
  t.match(some.variables, ['GW_ENV_JWT_SECRET_KEY=mine', /^GW_ENV_PLATFORM_ADMIN_PASSWORD=[0-9a-f]{64}$/]);
  t.equal(some.variables.length, 2);

  const all = handedOver(home, []);
  t.strictSame(
    all.variables.filter((line) => some.variables.includes(line)),
    [some.variables[1]],
    'kept',
  );
  t.equal(all.variables[0], 'GW_ENV_JWT_SECRET_KEY=older');
  t.equal(all.variables.length, 4);
  t.notMatch(handedOver(home, []).stderr, 'made secrets');
});

t.test('B15 build_container.sh says all that was asked to the engine', async (t) => {
  const asked = ['-i', 'hub', '-t', '1.0', '--dev', '--skip-gateway-setup', '--platform', 'linux/arm64', '--no-cache'];
  const { code, stdout, words } = run(t, 'build_container.sh', [
    ...asked,
    '--pull',
    '--hub',
    scriptsDir,
    '--',
    '--load',
  ]);
  t.equal(code, 0);
  t.equal(stdout, 'built hub:1.0\n');
  const line = ` ${words.join(' ')} `;
  for (const part of [
    ...['build --file', '--target matrix', '--tag hub:1.0', '--platform linux/arm64', '--no-cache', '--pull', '--load'],
    ...['HUB_INSTALL_TARGET=dev', 'SKIP_GATEWAY_SETUP=1', `hub=${scriptsDir}`],
  ]) {
    t.ok(line.includes(`${part} `) || line.includes(`.${part} `), part);
  }
});

t.test('the images are labelled with the version in package.json, with and without the script', async (t) => {
  const projectDir = join(scriptsDir, '..');
  const { version } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8'));
  t.match(readFileSync(join(projectDir, 'Dockerfile'), 'utf8'), `\nARG TANDEM_VERSION=${version}\n`);
  const { words } = run(t, 'build_container.sh', ['--hub', scriptsDir]);
  t.ok(words.includes(`TANDEM_VERSION=${version}`));
});

t.test('B15 without a tag the image is named after git, and latest', async (t) => {
  const { stdout } = run(t, 'build_container.sh', ['--hub', scriptsDir]);
  t.match(stdout, /^built matrix-hub:\S+\nbuilt matrix-hub:latest\n$/);
});

t.test('B15 --buildx builds with buildx, and loads the image', async (t) => {
  t.same(run(t, 'build_container.sh', ['--buildx', '--hub', scriptsDir]).words.slice(0, 3), [
    'buildx',
    'build',
    '--load',
  ]);
});

t.test('B15 hub sources that are neither a directory nor a URL are refused', async (t) => {
  t.match(run(t, 'build_container.sh', ['--hub', 'no-such']), { code: 1, stderr: 'no-such', words: [] });
});

/** In CI nothing may be skipped. */
const mayCheck = process.env['CI'] === 'true' || spawnSync('shellcheck', ['--version']).status === 0;
t.test('B15 shellcheck has nothing to say', { skip: mayCheck ? false : 'no shellcheck here' }, async (t) => {
  const { status, stdout } = spawnSync(
    'shellcheck',
    scripts.map((name) => join(scriptsDir, name)),
    { encoding: 'utf8' },
  );
  t.equal(status, 0, stdout);
});
