/** The exec helper by itself, without tandem: each option, each failure. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { native } from '../../src/host/native.ts';
import { hasPython, onTerminal, placeOf } from '../fixtures/host-run.ts';
import { until } from '../support/until.ts';

const helper = native().launcherPath ?? '';
const isRoot = process.getuid?.() === 0;
const withHelper = { skip: helper ? false : 'the exec helper was not built' };
const asRoot = { skip: withHelper.skip || (isRoot ? false : 'only root changes identity') };
const withTerminal = { skip: withHelper.skip || (hasPython ? false : 'no python3 to make a terminal') };

/** Runs `launch OPTIONS -- /bin/sh sh -c SCRIPT` and returns what it printed. */
function shell(options: readonly string[], script: string): string {
  const { stdout, stderr } = spawnSync(helper, [...options, '--', '/bin/sh', 'sh', '-c', script], { encoding: 'utf8' });
  return stdout + stderr;
}

/** A field of its own /proc/self/status. */
function status(field: string, options: readonly string[]): string | undefined {
  const { stdout } = spawnSync(helper, [...options, '--', '/bin/cat', 'cat', '/proc/self/status'], {
    encoding: 'utf8',
  });
  return new RegExp(`^${field}:[ \\t]*(.*?) *$`, 'm').exec(stdout)?.[1];
}

/** Where a process is that was launched with these options. */
function place(options: readonly string[]): { pid: number; group: number; session: number } {
  const stat = shell(options, 'read line < /proc/self/stat; echo "$line"').split(' ');
  return { pid: Number(stat[0]), group: Number(stat[4]), session: Number(stat[5]) };
}

t.test('--session: leader of a session and group of its own', withHelper, async (t) => {
  const { pid, group, session } = place(['--session']);
  t.equal(session, pid);
  t.equal(group, pid);
});

t.test('--group: leader of a group of its own in the same session', withHelper, async (t) => {
  const { pid, group, session } = place(['--group']);
  t.equal(group, pid);
  t.equal(session, placeOf('self')?.session);
});

t.test('no option: in the group and session of its parent', withHelper, async (t) => {
  const { group, session } = place([]);
  t.same({ group, session }, { group: placeOf('self')?.group, session: placeOf('self')?.session });
});

t.test('--nofile: the soft limit, never above the hard one, which stays', withHelper, async (t) => {
  const hard = shell([], 'ulimit -Hn').trim();
  t.equal(shell(['--nofile', '77'], 'ulimit -Sn; ulimit -Hn'), `77\n${hard}\n`);
  if (hard !== 'unlimited') t.equal(shell(['--nofile', '4000000000'], 'ulimit -Sn').trim(), hard);
});

t.test('--note-nofile: notes the limit that it found, unless the operator has set one', withHelper, async (t) => {
  const through = `exec ${helper} --note-nofile -- /bin/sh sh -c 'echo $TANDEM_NOFILE'`;
  t.equal(shell(['--nofile', '321'], through), '321\n');
  t.equal(shell(['--nofile', '321'], `TANDEM_NOFILE=5 ${through}`), '5\n');
  for (const empty of ['', "' '"]) {
    t.equal(shell(['--nofile', '321'], `TANDEM_NOFILE=${empty} ${through}`), '321\n', 'empty is as not set');
  }
});

t.test('B23 --uid, --gid, --groups: the identity, with supplementary groups', asRoot, async (t) => {
  const options = ['--uid', '1234', '--gid', '2345', '--groups', '10,20,4294967294'];
  t.equal(status('Uid', options), '1234\t1234\t1234\t1234');
  t.equal(status('Gid', options), '2345\t2345\t2345\t2345');
  t.equal(status('Groups', options), '10 20 4294967294');
});

t.test('B23 --uid without --groups: none of the groups of root', asRoot, async (t) => {
  t.equal(status('Groups', ['--groups', '10', '--gid', '7']), '10');
  t.equal(status('Groups', ['--uid', '1234', '--gid', '2345']), '');
  t.equal(status('Groups', ['--uid', '1234', '--gid', '2345', '--groups', '']), '');
});

t.test('--no-new-privs', withHelper, async (t) => {
  t.equal(status('NoNewPrivs', []), '0');
  t.equal(status('NoNewPrivs', ['--no-new-privs']), '1');
});

t.test('signals are set to their defaults and none is blocked', withHelper, async (t) => {
  const script = `trap '' HUP USR1; exec ${helper} -- /bin/cat cat /proc/self/status`;
  const { stdout } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' });
  t.match(stdout, /^SigIgn:\t0+$/m);
  t.match(stdout, /^SigBlk:\t0+$/m);
});

t.test('the environment is handed on as it is', withHelper, async (t) => {
  const words = ['-i', 'A=1', 'WITH_NEWLINE=a\nb', 'EMPTY=', helper, '--', '/usr/bin/env', 'env', '-0'];
  const { stdout } = spawnSync('/usr/bin/env', words, { encoding: 'utf8' });
  t.same(stdout.split('\0').sort(), ['', 'A=1', 'EMPTY=', 'WITH_NEWLINE=a\nb']);
});

/** A shell that starts a sleeper bound to itself, prints its pid and waits. */
const guardian = (options: string) =>
  `${helper} ${options} --die-with $$ -- /bin/sh sh -c 'echo $$; exec sleep 1000' & wait`;

for (const [title, options, needs] of [
  ['B59 --die-with: SIGKILL when the parent is killed', '--session', withHelper],
  ['B59 --die-with: also after a change of identity', '--session --uid 1234 --gid 1234', asRoot],
] as const) {
  t.test(title, needs, async (t) => {
    const parent = spawn('/bin/sh', ['-c', guardian(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await new Promise<string[]>((resolve) =>
      parent.stdout.once('data', (text) => resolve(String(text).split('\n'))),
    );
    const pid = Number(line);
    t.teardown(() => placeOf(pid) && process.kill(pid, 'SIGKILL'));
    t.ok(placeOf(pid), 'it runs');
    parent.kill('SIGKILL');
    await until('the child is gone', () => placeOf(pid) === undefined);
  });
}

t.test('B59 --die-with: dies at once if the parent is gone already', withHelper, async (t) => {
  const { signal, stdout } = spawnSync(helper, ['--die-with', '1', '--', '/bin/echo', 'echo', 'alive'], {
    encoding: 'utf8',
  });
  t.same([signal, stdout], ['SIGKILL', '']);
});

t.test('a failure exits as a shell does, with one line that says why', withHelper, async (t) => {
  const directory = t.testdir({ plain: 'text\n', orphan: '#!/no/such/interpreter\n', closed: {} });
  symlinkSync('loop', join(directory, 'loop'));
  chmodSync(join(directory, 'orphan'), 0o755);
  const cells = [
    ['not there', [], 'missing', 127, 'No such file or directory'],
    ['not executable', [], 'plain', 126, 'Permission denied'],
    ['a directory', [], 'closed', 126, 'Permission denied'],
    ['below a file', [], 'plain/below', 126, 'Not a directory'],
    ['a loop of links', [], 'loop', 126, 'Too many levels of symbolic links'],
    ['too long a name', [], 'x'.repeat(300), 126, 'File name too long'],
    ['no interpreter', [], 'orphan', 127, 'its interpreter is not found'],
    ['unknown option', ['--sideways', '1'], 'plain', 126, 'unknown option of launch'],
    ['bad number', ['--uid', '12x'], 'plain', 126, 'not a number'],
    ['bad number', ['--uid', '-1'], 'plain', 126, 'not a number'],
    ['bad list', ['--groups', '1,x'], 'plain', 126, 'not a number'],
  ] as const;
  for (const [title, options, file, code, why] of cells) {
    const result = spawnSync(helper, [...options, '--', join(directory, file), file], { encoding: 'utf8' });
    t.equal(result.status, code, title);
    t.equal(result.stdout, '', title);
    t.match(result.stderr, /^cannot start: [^\n]*\n$/, title);
    t.ok(result.stderr.includes(why), `${title}: ${result.stderr}`);
  }
  t.equal(spawnSync(helper, ['--session']).status, 126, 'usage');
  t.equal(spawnSync(helper, ['--', '/bin/true']).status, 126, 'no argv[0]');
});

t.test('a failure of any step starts nothing', asRoot, async (t) => {
  const asNobody = ['--uid', '1234', '--gid', '1234', '--', helper, 'launch'];
  const { status, stdout, stderr } = spawnSync(helper, [...asNobody, '--uid', '0', '--', '/bin/echo', 'echo', 'run'], {
    encoding: 'utf8',
  });
  t.same([status, stdout], [126, '']);
  t.match(stderr, 'setgroups');
});

t.test('--report: failures go there, and an exec closes it', withHelper, async (t) => {
  const path = join(t.testdir({}), 'report');
  const reported = (words: readonly string[]) => {
    const fd = openSync(path, 'w');
    const { status, stderr } = spawnSync(helper, ['--report', '3', ...words], {
      stdio: ['ignore', 'pipe', 'pipe', fd],
      encoding: 'utf8',
    });
    closeSync(fd);
    return { status, stderr, report: readFileSync(path, 'utf8') };
  };
  const report = '127 /no/such: No such file or directory';
  t.same(reported(['--', '/no/such', 'such']), { status: 127, stderr: '', report });
  const command = ['--', '/bin/sh', 'sh', '-c', 'test ! -e /proc/self/fd/3'];
  t.same(reported(command), { status: 0, stderr: '', report: '' }, 'the command never sees it');
});

t.test('a text file without #! is run by the shell, with its arguments', withHelper, async (t) => {
  const script = join(t.testdir({}), 'script');
  writeFileSync(script, 'echo "$0 $# $2"\n', { mode: 0o755 });
  t.equal(spawnSync(helper, ['--', script, 'name', 'a', 'b c'], { encoding: 'utf8' }).stdout, `${script} 2 b c\n`);
  t.equal(spawnSync(helper, ['--', script, 'name'], { encoding: 'utf8' }).stdout, `${script} 0 \n`);
});

/** Runs a script on a terminal, its shell being the foreground group there. */
function scriptOnTerminal(script: string, keys = ''): string {
  const [command = '', ...args] = onTerminal(keys);
  return spawnSync(command, [...args, '/bin/sh', '-c', script], { encoding: 'utf8', timeout: 20_000 }).stdout;
}

const printPlace = `/bin/sh sh -c 'read line < /proc/self/stat; echo "$line"'`;

t.test('B51 --foreground: the terminal is handed to the group', withTerminal, async (t) => {
  const [pid, , , , group, , , terminalGroup] = scriptOnTerminal(`${helper} --foreground -- ${printPlace}; :`).split(
    ' ',
  );
  t.equal(group, pid);
  t.equal(terminalGroup, pid);
});

t.test('B51 --foreground: from the background nothing is taken', withTerminal, async (t) => {
  const script = `${helper} --group -- /bin/sh sh -c "${helper} --foreground -- ${printPlace.replaceAll(/["$]/g, '\\$&')}; :"; :`;
  const [pid, , , , group, , , terminalGroup] = scriptOnTerminal(script).split(' ');
  t.equal(group, pid);
  t.not(terminalGroup, pid);
});

t.test('B51 --foreground: a command that cannot start gives the terminal back', withTerminal, async (t) => {
  const script = `${helper} --foreground -- /no/such such; echo ready; read word; echo "read <$word>"`;
  t.match(scriptOnTerminal(script, 'hello\\n'), 'read <hello>');
});
