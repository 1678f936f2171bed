/** What must be there before anything starts, and who the services are. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import {
  basicEnvironment,
  emptyNodeMs,
  makeDirectory,
  type Pair,
  processesOf,
  runPair,
} from '../fixtures/e2e-run-pair.ts';
import { runTandem } from '../support/run-tandem.ts';

interface Refusal {
  readonly code: number;
  readonly problems: readonly string[];
  readonly stderr: string;
  readonly afterMs: number;
}

/** Runs tandem where it must refuse, and sees that nothing was started or written. */
async function refuse(
  t: Test,
  args: readonly string[],
  makeEnv: (cwd: string) => Readonly<Record<string, string>>,
  wrapper: readonly string[] = [],
): Promise<Refusal> {
  const cwd = makeDirectory(t);
  const env = { ...basicEnvironment(cwd), MIGRATE_COMMAND: `touch ${join(cwd, 'migrated')}`, ...makeEnv(cwd) };
  const before = readdirSync(cwd, { recursive: true });
  const running = runTandem(t, args, { cwd, env, wrapper });
  const { code, afterMs } = await running.exited;
  t.same(readdirSync(cwd, { recursive: true }), before, 'nothing is written');
  t.same(processesOf(cwd), [], 'nothing is left');
  const { stderr } = running;
  const problems = stderr.split('\n').filter((line) => line.startsWith('  '));
  return { code, stderr, afterMs, problems: problems.map((line) => line.trim().replaceAll(cwd, 'CWD')) };
}

const broken = '{\n  "servers": {},\n}\n';

/** Something of everything is missing. */
function everythingWrong(cwd: string): Record<string, string> {
  writeFileSync(join(cwd, 'hub.json'), broken);
  writeFileSync(join(cwd, 'a b.yaml'), 'a: [\n');
  return {
    REQUIRE_ENV: 'KIMI_API_KEY, EMPTY PATH',
    EMPTY: '',
    REQUIRE_FILES: `'${join(cwd, 'a b.yaml')}',none.json`,
    REQUIRE_DIRS: 'made-only-by-run hub.json',
    REQUIRE_COMMANDS: 'sh,no-such-command',
    MCP_HUB_CONFIG: 'hub.json',
  };
}

const everyProblem = [
  'REQUIRE_ENV: KIMI_API_KEY is not set',
  'REQUIRE_ENV: EMPTY is empty',
  'MCP_HUB_CONFIG: CWD/hub.json:3:1 is not valid JSON: a key is expected',
  'REQUIRE_FILES: CWD/a b.yaml:2:1 is not valid YAML: ',
  'REQUIRE_FILES: "CWD/none.json" does not exist',
  'REQUIRE_DIRS: "CWD/hub.json" is no directory',
  'REQUIRE_COMMANDS: command "no-such-command" not found in PATH',
];

for (const command of ['run', 'check']) {
  test(`B20 tandem ${command}: everything that is missing is said at once, 78, and nothing is made`, async (t) => {
    const refusal = await refuse(t, [command], (cwd) => ({ ...everythingWrong(cwd), GW_COMMAND: 'no-such-gateway' }));
    t.equal(refusal.code, 78);
    t.match(refusal.problems, [
      ...everyProblem,
      'services: cannot start "gateway": command "no-such-gateway" not found',
    ]);
    t.equal(refusal.problems.length, everyProblem.length + 1);
  });
}

test('B20 with invalid variables and flags in the same message', async (t) => {
  const refusal = await refuse(t, ['run', '--only', 'nobody'], (cwd) => ({
    ...everythingWrong(cwd),
    ...{ PORT: 'x', TANDEM_USER: 'a b' },
  }));
  t.equal(refusal.code, 78);
  t.equal(refusal.problems.length, everyProblem.length + 3);
  for (const subject of ['--only', 'PORT', 'TANDEM_USER']) {
    t.ok(refusal.problems.some((problem) => problem.startsWith(`${subject}: `)));
  }
});

test('B20 a command as the only problem has the code of a shell', async (t) => {
  t.equal((await refuse(t, ['run'], () => ({ REQUIRE_COMMANDS: 'no-such-command' }))).code, 127);
  const plain = (cwd: string) => {
    writeFileSync(join(cwd, 'plain'), '');
    return { REQUIRE_COMMANDS: './plain' };
  };
  t.equal((await refuse(t, ['run'], plain)).code, 126);
  t.equal((await refuse(t, ['run'], () => ({ REQUIRE_COMMANDS: 'no-such-command no-other' }))).code, 78);
});

test('B20 within 100 ms of the start, beyond what Node takes for itself', async (t) => {
  const refusals: number[] = [];
  const emptyNode: number[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    refusals.push((await refuse(t, ['run'], everythingWrong)).afterMs);
    emptyNode.push(await emptyNodeMs());
  }
  const extraMs = Math.min(...refusals) - Math.min(...emptyNode);
  t.comment(`${Math.round(extraMs)} ms`);
  t.ok(extraMs < 100, `${extraMs} ms`);
});

test('B20 a directory on a read-only file system', async (t) => {
  if (process.getuid?.() !== 0) return void t.pass('skipped', { skip: 'not root: no mount namespace' });
  const mount = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o ro none /mnt && exec "$@"', 'sh'];
  const refusal = await refuse(t, ['run'], () => ({ REQUIRE_DIRS: '/mnt,/mnt/x' }), mount);
  t.match(refusal.problems, [
    'REQUIRE_DIRS: "/mnt" is on a read-only file system',
    'REQUIRE_DIRS: "/mnt/x" cannot be made: /mnt is on a read-only file system',
  ]);
});

test('B20 what is there lets tandem start; a service’s .env file sets variables, too', async (t) => {
  const files = t.testdir({ 'hub.env': 'KIMI_API_KEY=s3cret\n', 'hub.json': '{}', 'x.yml': 'a: 1\n' });
  const pair = await runPair(t, {
    env: {
      HUB_ENV_FILE: join(files, 'hub.env'),
      ...{ REQUIRE_ENV: 'KIMI_API_KEY,PATH', REQUIRE_DIRS: join(files, 'made/deep') },
      ...{ REQUIRE_FILES: join(files, 'x.yml'), MCP_HUB_CONFIG: join(files, 'hub.json'), REQUIRE_COMMANDS: 'sh' },
    },
  });
  await pair.record({ msg: 'everything is up' });
  t.ok(statSync(join(files, 'made/deep')).isDirectory());
  await pair.record({ msg: 'directory made ready' });
});

// Users

const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\napp:x:4321:4322::/home/app:/bin/sh\n',
  group: 'root:x:0:\napp:x:4322:\nlogs:x:4400:app\n',
};

/** Words that run the rest in a mount namespace where only these users are known. */
function withAccounts(t: Test): string[] {
  const directory = t.testdir(accounts);
  const mounts = Object.keys(accounts).map((name) => `mount --bind ${join(directory, name)} /etc/${name}`);
  return ['unshare', '--mount', 'sh', '-c', `${mounts.join(' && ')} && exec "$@"`, 'sh'];
}

function canRunOthers(t: Test): boolean {
  const closed = [process.execPath, import.meta.dirname].flatMap((path) => {
    const parts = path.split('/');
    return parts
      .map((_, index) => parts.slice(0, index + 1).join('/') || '/')
      .filter((each) => (statSync(each).mode & 1) === 0);
  });
  const why =
    process.getuid?.() !== 0 ? 'not root' : closed.length > 0 ? `other users cannot enter ${closed[0]}` : undefined;
  if (why) t.pass('skipped', { skip: why });
  return why === undefined;
}

/** A field of `/proc/PID/status`, its values in order. */
function statusOf(pid: number, field: string): string[] {
  const [, values = ''] =
    new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return values.trim().split(/\s+/);
}

/** The scripted programs write a journal, so their directory is open to them. */
async function runPairAs(t: Test, env: Record<string, string>, wrapper: readonly string[]): Promise<Pair> {
  return runPair(t, { env, wrapper, prepare: (directory) => chmodSync(directory, 0o777) });
}

test('B23 started as root: services are the user with its groups, and directories are theirs', async (t) => {
  if (!canRunOthers(t)) return;
  const at = makeDirectory(t);
  chmodSync(at, 0o755);
  const data = join(at, 'data');
  mkdirSync(data);
  writeFileSync(join(data, 'old'), '');
  writeFileSync(join(at, '.env.example'), 'X=1\n');
  const env = { TANDEM_USER: 'app', REQUIRE_DIRS: `${data},${at}/new/logs`, HUB_ENV_FILE: join(at, '.env') };
  const pair = await runPairAs(t, env, withAccounts(t));
  await pair.record({ msg: 'everything is up' });
  for (const name of ['gateway', 'hub'] as const) {
    const pid = await pair.pidOf(name);
    t.same(statusOf(pid, 'Uid'), Array(4).fill('4321'));
    t.same(statusOf(pid, 'Gid'), Array(4).fill('4322'));
    t.same(statusOf(pid, 'Groups'), ['4322', '4400']);
    t.ok(readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes('HOME=/home/app'));
  }
  for (const path of ['data', 'data/old', 'new', 'new/logs', '.env']) t.equal(statSync(join(at, path)).uid, 4321, path);
  t.same(statusOf(await pair.pid(), 'Uid'), Array(4).fill('0'));
  await pair.signal('SIGTERM');
  t.equal((await pair.exited).code, 0, 'root may stop them, too');
});

test('B23 not started as root: TANDEM_USER is not tried, and that is said', async (t) => {
  if (!canRunOthers(t)) return;
  const wrapper = ['setpriv', '--reuid', '4321', '--regid', '4322', '--clear-groups'];
  const at = makeDirectory(t);
  chmodSync(at, 0o777);
  const env = { TANDEM_USER: 'no-such-user', REQUIRE_DIRS: join(at, 'mine'), TANDEM_RUNTIME_DIR: join(at, 'runtime') };
  const pair = await runPairAs(t, env, wrapper);
  await pair.record({ msg: 'everything is up' });
  await pair.record({ msg: 'TANDEM_USER has no effect: not started as root' });
  t.same(statusOf(await pair.pidOf('hub'), 'Uid'), Array(4).fill('4321'));
  t.equal(statSync(join(at, 'mine')).uid, 4321);
});

test('B23 not started as root: a directory that is not writable is refused, with its owner', async (t) => {
  if (!canRunOthers(t)) return;
  const wrapper = ['setpriv', '--reuid', '4321', '--regid', '4322', '--clear-groups'];
  const foreign = makeDirectory(t);
  chmodSync(foreign, 0o755);
  const refusal = await refuse(
    t,
    ['run'],
    (cwd) => {
      chmodSync(cwd, 0o755);
      return { REQUIRE_DIRS: `${foreign},${foreign}/below` };
    },
    wrapper,
  );
  t.equal(refusal.code, 78);
  t.match(refusal.problems, [
    `REQUIRE_DIRS: "${foreign}" is not writable by uid 4321: owner 0, mode 755`,
    `REQUIRE_DIRS: "${foreign}/below" cannot be made: ${foreign} is not writable by uid 4321`,
  ]);
});

test('B23 root without the capabilities for it: 78, and they are named', async (t) => {
  if (!canRunOthers(t)) return;
  const bounded = ['setpriv', '--bounding-set', '-setuid,-kill', '--inh-caps', '-setuid,-kill'];
  const refusal = await refuse(t, ['run'], () => ({ TANDEM_USER: 'app' }), [...withAccounts(t), ...bounded]);
  t.equal(refusal.code, 78);
  t.match(refusal.problems, ['TANDEM_USER: cannot run services as "app" without CAP_SETUID, CAP_KILL; add them, or']);
  const unknown = await refuse(t, ['run'], () => ({ TANDEM_USER: 'nobody-known' }));
  t.equal(unknown.code, 78);
  t.match(unknown.problems, [
    'TANDEM_USER: "nobody-known" is not accepted; there is no user "nobody-known" in /etc/passwd',
  ]);
  t.notOk(existsSync('/home/app'));
});
