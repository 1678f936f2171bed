/** What a tandem.yaml wants there before anything starts, and who its services are. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { makeDirectory, processesOf } from '../fixtures/e2e-run-pair.ts';
import { type Running, runTandem } from '../support/run-tandem.ts';

type Variables = Readonly<Record<string, string>>;

/** Out of the way of others: no health port, a runtime directory of its own. */
function quiet(t: Test): Variables {
  const { PATH = '', HOME = '/' } = process.env;
  return { PATH, HOME, TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: makeDirectory(t), TANDEM_LOG_FORMAT: 'json' };
}

/** A directory that others may enter, with these files in it. */
function directoryWith(t: Test, files: Variables): string {
  const cwd = makeDirectory(t);
  chmodSync(cwd, 0o755);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  return cwd;
}

interface Refusal {
  readonly code: number;
  readonly problems: readonly string[];
  readonly stderr: string;
}

/** Runs tandem where it must refuse, and sees that nothing was started or written. */
async function refuse(
  t: Test,
  command: string,
  files: Variables,
  env: Variables = {},
  wrapper: readonly string[] = [],
): Promise<Refusal> {
  const cwd = directoryWith(t, files);
  const before = readdirSync(cwd, { recursive: true });
  const running = runTandem(t, [command], { cwd, env: { ...quiet(t), ...env }, wrapper });
  const { code } = await running.exited;
  t.same(readdirSync(cwd, { recursive: true }), before, 'nothing is written');
  t.same(processesOf(cwd), [], 'nothing is left');
  const { stderr } = running;
  const problems = stderr.split('\n').filter((line) => line.startsWith('  '));
  return { code, stderr, problems: problems.map((line) => line.trim().replaceAll(cwd, 'CWD')) };
}

const everything = `
services:
  a: {command: touch trace}
preflight:
  env: [KIMI_API_KEY, EMPTY, FROM_DOTENV, FROM_FILE]
  files:
    - limits.json
    - {path: "\${DB_PASSWORD}/none.yaml"}
    - {path: any.conf, format: yaml}
  directories: [limits.json, absent, {path: made-only-by-run, create: true}]
  commands: [sh, no-such-command, ./limits.json]
`;

const files: Variables = {
  'limits.json': '{\n  "a": 1,\n}\n',
  'any.conf': 'a: [\n',
  '.env': 'FROM_DOTENV=x\nDB_PASSWORD=hunter2\n',
  secret: 's3cret-of-a-file\n',
};

const missing = [
  'REQUIRE_ENV: OTHER is not set',
  'tandem.yaml:5:9: preflight.env[0]: KIMI_API_KEY is not set',
  'tandem.yaml:5:23: preflight.env[1]: EMPTY is empty',
  'tandem.yaml:7:7: preflight.files[0]: CWD/limits.json:3:1 is not valid JSON: a key is expected',
  'tandem.yaml:8:7: preflight.files[1]: "CWD/***/none.yaml" does not exist',
  'tandem.yaml:9:7: preflight.files[2]: CWD/any.conf:2:1 is not valid YAML: ',
  'tandem.yaml:10:17: preflight.directories[0]: "CWD/limits.json" is no directory',
  'tandem.yaml:10:30: preflight.directories[1]: "CWD/absent" does not exist',
  'tandem.yaml:11:18: preflight.commands[1]: command "no-such-command" not found in PATH',
  'tandem.yaml:11:35: preflight.commands[2]: command "CWD/limits.json" is not executable',
];

const asked: Variables = { REQUIRE_ENV: 'OTHER', EMPTY: '', FROM_FILE_FILE: 'secret', TANDEM_FILE_VARS: 'FROM_FILE' };

for (const command of ['run', 'check']) {
  test(`B20 tandem ${command}: all that a tandem.yaml and the environment miss, at once, 78`, async (t) => {
    const refusal = await refuse(t, command, { ...files, 'tandem.yaml': everything }, asked);
    t.equal(refusal.code, 78);
    t.match(refusal.problems, missing);
    t.equal(refusal.problems.length, missing.length, refusal.stderr);
    t.notMatch(refusal.stderr, 'hunter2');
  });
}

test('B20 what is missing is told with what is wrong in the file and in the environment', async (t) => {
  const text = everything.replace('touch trace', 'touch trace, restrat: no').replace('format: yaml', 'format: xml');
  const env = { ...asked, TANDEM_OUTPUT: 'loud' };
  const refusal = await refuse(t, 'run', { ...files, 'tandem.yaml': text }, env);
  t.equal(refusal.code, 78);
  t.match(refusal.problems, [
    'TANDEM_OUTPUT: "loud"',
    'tandem.yaml:3:29: services.a.restrat: unknown key',
    'tandem.yaml:9:24: preflight.files[2].format: "xml"',
    // Without the files: one of them could not be read.
    ...missing.filter((line) => !line.includes('preflight.files')),
  ]);
  t.notMatch(refusal.stderr, 'hunter2');
});

test('B20 B53 what is missing is told with what only the plan shows to be wrong, without secrets', async (t) => {
  const asked = { FROM_FILE_FILE: 'secret', TANDEM_FILE_VARS: 'FROM_FILE', REQUIRE_FILES: '/none/s3cret-of-a-file' };
  const nothingToRun = { secret: files['secret'] ?? '', 'tandem.yaml': 'services: {a: {command: x, profiles: [p]}}' };
  const ofStack = await refuse(t, 'check', nothingToRun, asked);
  t.same(ofStack.problems, ['services: there is nothing to run', 'REQUIRE_FILES: "/none/***" does not exist']);
  const preset = { ...asked, TANDEM_PRESET: 'embedded', HUB_MIGRATE: 'required' };
  const ofPreset = await refuse(t, 'check', { secret: files['secret'] ?? '' }, preset);
  t.match(ofPreset.problems, [/^HUB_MIGRATE: "required"/, 'REQUIRE_FILES: "/none/***" does not exist']);
});

test('B20 a command as the only problem has the code of a shell', async (t) => {
  const text = (commands: string) => ({
    'tandem.yaml': `services: {a: {command: touch trace}}\npreflight: {commands: [${commands}]}`,
  });
  t.equal((await refuse(t, 'run', text('no-such-command'))).code, 127);
  t.equal((await refuse(t, 'run', text('./tandem.yaml'))).code, 126);
  t.equal((await refuse(t, 'run', text('no-such-command, no-other'))).code, 78);
});

const isRoot = process.getuid?.() === 0;

test('B20 B23 directories are made before the start, with owner and mode', async (t) => {
  const cwd = directoryWith(t, {
    'tandem.yaml': `
services: {a: {command: "stat --format %u:%g:%a new/deep old old/file"}}
preflight:
  directories:
    - {path: new/deep, create: true, mode: 0750${isRoot ? ', owner: "4321:4322"' : ''}}
    - {path: old, mode: 0700${isRoot ? ', owner: "4321:4322"' : ''}}
    - {path: kept}
`,
  });
  mkdirSync(join(cwd, 'old'));
  mkdirSync(join(cwd, 'kept'));
  writeFileSync(join(cwd, 'old/file'), '', { mode: 0o640 });
  const check = runTandem(t, ['check'], { cwd, env: quiet(t) });
  t.equal((await check.exited).code, 0, check.stderr);
  t.notOk(existsSync(join(cwd, 'new')), 'check makes nothing');
  const running: Running = runTandem(t, ['run'], { cwd, env: quiet(t) });
  await running.exited;
  const who = isRoot ? '4321:4322' : `${process.getuid?.()}:${process.getgid?.()}`;
  t.equal(running.stdout, `${who}:750\n${who}:700\n${who}:640\n`, running.stderr);
  t.equal(statSync(join(cwd, 'kept')).uid, process.getuid?.());
  t.equal(running.records().filter(({ msg }) => msg === 'directory made ready').length, isRoot ? 2 : 1);
});

test('B23 a mode that cannot be given is told before anything is made', async (t) => {
  if (!isRoot) return void t.pass('skipped', { skip: 'not root: nothing of somebody else’s to take' });
  const text = (directory: string) => ({
    'tandem.yaml': `services: {a: {command: touch trace}}\npreflight: {directories: [{path: ${directory}, mode: 0700}]}`,
  });
  t.match((await refuse(t, 'run', text('/usr/lib'))).problems, [
    'preflight.directories[0]: "/usr/lib" must have mode 700, and belongs to the system: owner 0, mode 755',
  ]);
  const wrapper = ['setpriv', '--reuid', '4321', '--regid', '4322', '--clear-groups'];
  t.match((await refuse(t, 'run', text('/tmp'), { TANDEM_RUNTIME_DIR: '/tmp' }, wrapper)).problems, [
    'preflight.directories[0]: "/tmp" must have mode 700, and is not uid 4321\'s: owner 0, mode 1777',
  ]);
  t.equal(statSync('/tmp').mode & 0o7777, 0o1777);
});

// Users

const accounts: Variables = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\napp:x:4321:4322::/home/app:/bin/sh\nweb:x:4331:4332::/home/web:/bin/sh\n',
  group: 'root:x:0:\napp:x:4322:\nlogs:x:4400:app\n',
};

/** Words that run the rest in a mount namespace where only these users are known. */
function withAccounts(t: Test): string[] {
  const directory = directoryWith(t, accounts);
  const mounts = Object.keys(accounts).map((name) => `mount --bind ${join(directory, name)} /etc/${name}`);
  return ['unshare', '--mount', 'sh', '-c', `${mounts.join(' && ')} && exec "$@"`, 'sh'];
}

function canRunOthers(t: Test): boolean {
  const why = isRoot && (statSync(process.execPath).mode & 1) === 1 ? undefined : 'not root';
  if (why) t.pass('skipped', { skip: why });
  return why === undefined;
}

/** Says who it is, and runs until it is stopped. */
const sayWho = `sh -c 'echo "$$NAME $$(id -u):$$(id -g):$$(id -G) $$HOME" >> $$OUT && exec sleep 1000'`;

const who = (out: string) => readFileSync(out, 'utf8').trim().split('\n').sort();

test('B23 user: and TANDEM_USER: services are these users in their homes, directories are theirs', async (t) => {
  if (!canRunOthers(t)) return;
  const cwd = directoryWith(t, {
    out: '',
    'tandem.yaml': `
x-all: &all {command: ${JSON.stringify(sayWho)}, healthcheck: {test: 'grep -q "^$$NAME " "$$OUT"'}}
services:
  one: {<<: *all, environment: {NAME: one, OUT: }}
  two: {<<: *all, environment: {NAME: two, OUT: }, user: web}
  three: {<<: *all, environment: {NAME: three, OUT: , HOME: /data}, user: "4321:4400"}
  four: {<<: *all, environment: {NAME: four, OUT: }, user: root}
preflight: {directories: [{path: data, create: true}]}
`,
  });
  const out = join(cwd, 'out');
  chmodSync(out, 0o666);
  const env = { ...quiet(t), TANDEM_USER: 'app', OUT: out, HOME: '/elsewhere' };
  const running = runTandem(t, ['run'], { cwd, env, wrapper: withAccounts(t) });
  await running.record({ msg: 'everything is up' });
  t.same(who(out), [
    'four 0:0:0 /root',
    'one 4321:4322:4322 4400 /home/app',
    'three 4321:4400:4400 /data',
    'two 4331:4332:4332 /home/web',
  ]);
  t.equal(statSync(join(cwd, 'data')).uid, 4321);
  await running.signal('SIGTERM');
  t.equal((await running.exited).code, 0, running.stderr);
});

const asUser = (user: string): Variables => ({
  out: '',
  'tandem.yaml': `services: {a: {user: ${user}, command: ${JSON.stringify(sayWho)}, healthcheck: {test: test -s "$$OUT"}}}`,
});

test('B23 a user that tandem cannot become: 78 with place and remedy', async (t) => {
  if (!canRunOthers(t)) return;
  const bounded = ['setpriv', '--bounding-set', '-setuid,-kill', '--inh-caps', '-setuid,-kill'];
  const root = await refuse(t, 'run', asUser('app'), {}, [...withAccounts(t), ...bounded]);
  t.equal(root.code, 78);
  t.match(root.problems, [
    'tandem.yaml:1:16: services.a.user: cannot be run as "app" without CAP_SETUID, CAP_KILL; add them, or start tandem as',
  ]);
  const app = ['setpriv', '--reuid', '4321', '--regid', '4322', '--clear-groups'];
  const other = await refuse(t, 'check', asUser('web'), { TANDEM_RUNTIME_DIR: '/tmp' }, [...withAccounts(t), ...app]);
  t.equal(other.code, 78);
  t.match(other.problems, [
    'cannot be run as "web" without root (tandem is uid 4321); start tandem as root, or as that',
  ]);
});

test('B23 the user that tandem is already needs nothing', async (t) => {
  if (!canRunOthers(t)) return;
  const app = ['setpriv', '--reuid', '4321', '--regid', '4322', '--clear-groups'];
  const nothing = ['setpriv', '--bounding-set', '-setuid,-setgid,-kill', '--inh-caps', '-setuid,-setgid,-kill'];
  for (const [user, wrapper, line] of [
    ['app', app, '4321:4322:4322 /home/app'],
    ['root', nothing, '0:0:0 /root'],
  ] as const) {
    const cwd = directoryWith(t, asUser(user));
    const runtime = makeDirectory(t);
    for (const path of [runtime, join(cwd, 'out')]) chmodSync(path, 0o777);
    const env = { ...quiet(t), OUT: join(cwd, 'out'), NAME: 'a', TANDEM_RUNTIME_DIR: join(runtime, 'own') };
    const running = runTandem(t, ['run'], { cwd, env, wrapper: [...withAccounts(t), ...wrapper] });
    await running.record({ msg: 'everything is up' });
    t.same(who(join(cwd, 'out')), [`a ${line}`]);
    await running.signal('SIGTERM');
    t.equal((await running.exited).code, 0, running.stderr);
  }
});
