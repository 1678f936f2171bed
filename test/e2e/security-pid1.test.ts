/**
 * docs/security.md: what a service that has been taken over can do to its PID 1, as uid 1000, as in the images. Nothing
 * here is tandem's own word: the kernel is asked, from inside.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import tap, { type Test, test } from 'tap';
import { canUnshare } from '../fixtures/host-run.ts';
import { node, program, type Running, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const asUser = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];
const hasTools = spawnSync('setpriv', ['--version']).status === 0 && spawnSync('python3', ['--version']).status === 0;
const isReady = canUnshare && hasTools && process.geteuid?.() === 0;
const skip = isReady || process.env['CI'] === 'true' ? false : 'needs root, pid namespaces, setpriv and python3';

tap.setTimeout(60_000);

/** tandem where uid 1000 may read it, with a tandem.yaml beside it; the clone may be closed to others. */
function makeHome(t: Test, yaml: string): string {
  const home = mkdtempSync(join(tmpdir(), 'tandem-security-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  cpSync(dirname(program), join(home, 'dist'), { recursive: true });
  cpSync(join(import.meta.dirname, '../fixtures/security-attacker.py'), join(home, 'attacker.py'));
  writeFileSync(join(home, 'tandem.yaml'), yaml);
  spawnSync('chown', ['-R', '1000:1000', home]);
  chmodSync(home, 0o755);
  return home;
}

/** Runs it as uid 1000; as PID 1 unless told otherwise. */
function runAsUser(t: Test, home: string, { asInit = true, args = ['run'] as readonly string[] } = {}): Running {
  const running = runTandem(t, args, {
    cwd: home,
    asInit,
    program: join(home, 'dist/tandem.cjs'),
    inside: asUser,
    env: { TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: join(home, 'run'), TANDEM_LOG_FORMAT: 'json' },
  });
  // The change of user has undone that it dies with unshare.
  t.teardown(() => running.signal('SIGKILL').catch(() => {}));
  return running;
}

const service = (command: readonly string[]) => `services: { attacker: { command: ${JSON.stringify(command)} } }\n`;

test('threat: a service of the same user reads or traces PID 1, which knows the secrets of all: refused', {
  skip,
}, async (t) => {
  const running = runAsUser(t, makeHome(t, service(['python3', 'attacker.py', 'look', '1'])));
  const found = await until('the attacker has tried', () => /^\{.*\}$/m.exec(running.stdout)?.[0]);
  t.strictSame(JSON.parse(found), {
    environment: 'Permission denied',
    memory: 'Permission denied',
    maps: 'Permission denied',
    descriptors: 'Permission denied',
    trace: 'Operation not permitted',
  });
});

/** Starts tandem, ends it by a signal that dumps core, and prints whether the kernel said that it did. */
const dumper = `
import os, resource, subprocess, sys, time
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
child.stdout.readline()
os.kill(child.pid, 6)
print("core" if os.WCOREDUMP(os.waitpid(child.pid, 0)[1]) else "no core")
`;

test('threat: PID 1 is aborted and leaves its memory in a core file: there is none', { skip }, async (t) => {
  const home = makeHome(t, service(['sh', '-c', 'echo up; exec sleep 60']));
  const words = [...asUser, node, join(home, 'dist/tandem.cjs'), 'run'];
  const env = { PATH: process.env['PATH'], TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: join(home, 'run') };
  const { stdout } = spawnSync('python3', ['-c', dumper, ...words], { cwd: home, env, encoding: 'utf8' });
  t.equal(stdout, 'no core\n');
});

/** What tandem answers on its control socket. */
function live(home: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(join(home, 'run/tandem.sock'), () => socket.write('GET /livez HTTP/1.0\r\n\r\n'));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

/** The TCP ports on which a process listens. */
function listeningPorts(pid: number): number[] {
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  const tables = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'latin1').split('\n').slice(1),
  );
  const sockets = tables.map((line) => line.trim().split(/\s+/)).filter(([, , , state]) => state === '0A');
  const own = sockets.filter(([, , , , , , , , , inode]) => files.includes(`socket:[${inode}]`));
  return own.map(([, address = '']) => Number.parseInt(address.split(':')[1] ?? '', 16));
}

test('threat: a service sends PID 1 every signal: it lives, is not stopped, and opens no inspector', {
  skip,
}, async (t) => {
  const home = makeHome(t, service(['python3', 'attacker.py', 'signal', '1']));
  const running = runAsUser(t, home);
  await until('the attacker has tried', () => /"sent"/.test(running.stdout));
  t.match(await live(home), /^HTTP\/1.1 200 .*"live":true/s);
  const pid = await running.pid();
  t.notMatch(readFileSync(`/proc/${pid}/stat`, 'latin1'), /\) [TtZX] /);
  t.strictSame(listeningPorts(pid), []);
  await running.signal('SIGTERM');
  t.equal((await running.exited).code, 0, running.stderr);
});

test('threat: a service inherits descriptors of PID 1: three, whatever tandem itself was given', {
  skip,
}, async (t) => {
  const home = makeHome(t, service(['sh', '-c', 'ls /proc/self/fd | xargs echo fds:; exec sleep 60']));
  for (const mode of ['raw', 'prefix', 'json']) {
    const running = runTandem(t, ['run'], {
      cwd: home,
      program: join(home, 'dist/tandem.cjs'),
      wrapper: ['bash', '-c', 'exec 3</etc/passwd 7</etc/passwd 200</etc/passwd; exec "$@"', 'sh'],
      env: { TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: join(home, mode), TANDEM_OUTPUT: mode },
    });
    t.match(await until('the service has said it', () => /fds: [\d ]+/.exec(running.stdout)?.[0]), 'fds: 0 1 2 3');
    await running.signal('SIGTERM');
    t.equal((await running.exited).code, 0);
  }
});

test('threat: tandem is installed set-user-ID, so that anybody could run anything: it refuses', { skip }, async (t) => {
  const home = makeHome(t, service(['true']));
  const launch = join(home, 'launch');
  copyFileSync(join(home, 'dist/native/launch'), launch);
  for (const mode of [0o4755, 0o2755]) {
    chownSync(launch, 0, 0);
    chmodSync(launch, mode);
    const { status, stdout } = spawnSync(asUser[0] ?? '', [...asUser.slice(1), launch, '--', '/usr/bin/id', 'id'], {
      encoding: 'utf8',
    });
    t.strictSame({ status, stdout }, { status: 126, stdout: '' });
  }
  for (const words of [['--ruid=1000'], ['--rgid=1000', '--clear-groups']]) {
    const command = ['setpriv', ...words, node, join(home, 'dist/tandem.cjs'), '--', 'id'];
    const { status, stdout, stderr } = spawnSync('env', ['-i', `PATH=${process.env['PATH']}`, ...command], {
      encoding: 'utf8',
    });
    t.strictSame({ status, stdout }, { status: 78, stdout: '' });
    t.match(stderr, /set-user-ID/);
  }
});
