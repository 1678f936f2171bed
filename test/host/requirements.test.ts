import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { noRequirements, type RequiredDirectory, type Requirements } from '../../src/core/requirements.ts';
import type { UserSpec } from '../../src/core/spec.ts';
import { giveTree } from '../../src/host/directories.ts';
import { handOver, meetRequirements, unmetRequirements } from '../../src/host/requirements.ts';

const app: UserSpec = { uid: 4321, gid: 4322, groups: [4322, 4323] };
const isRoot = process.getuid?.() === 0;
const onlyRoot = isRoot ? {} : { skip: 'not root: nothing can be given away' };

function scratch(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-req-'));
  chmodSync(directory, 0o755);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const ask = (requirements: Partial<Requirements>, environment: Record<string, string> = {}, user?: UserSpec) =>
  unmetRequirements({ ...noRequirements, ...requirements }, { environment, cwd: '/', user });

const directory = (path: string, more: Partial<RequiredDirectory> = {}) => ({ subject: 'DIRS', path, ...more });

const ownerOf = (path: string) => `${lstatSync(path).uid}:${lstatSync(path).gid}`;

t.test('B20 variables: set and not empty', async (t) => {
  const env = ['A', 'B', 'C'].map((name) => ({ subject: 'ENV', name }));
  t.strictSame(await ask({ env }, { A: 'x', B: '' }), [
    { subject: 'ENV', message: 'B is empty' },
    { subject: 'ENV', message: 'C is not set' },
  ]);
});

t.test('B20 files: there, readable, and valid with file, line and column', async (t) => {
  const at = scratch(t);
  const write = (name: string, text: string) => writeFileSync(join(at, name), text);
  write('good.json', '{}');
  write('bad.json', '{\n  "token": "s3cret"\n  "x": 1\n}');
  write('bad.YML', 'a: 1\nb: [\n');
  write('any.txt', '{');
  execFileSync('mkfifo', [join(at, 'pipe.json')]);
  const names = ['good.json', 'bad.json', 'bad.YML', 'any.txt', 'pipe.json', 'none.json'];
  const files = [
    ...names.map((name) => ({ subject: 'FILES', path: join(at, name) })),
    { subject: 'CONFIG', path: join(at, 'any.txt'), format: 'json' as const },
  ];
  const problems = await ask({ files });
  t.match(problems, [
    { subject: 'FILES', message: `${at}/bad.json:3:3 is not valid JSON: a comma or } is expected` },
    { subject: 'FILES', message: `${at}/bad.YML:3:1 is not valid YAML: ` },
    { subject: 'FILES', message: `"${at}/pipe.json" is no file` },
    { subject: 'FILES', message: `"${at}/none.json" does not exist` },
    { subject: 'CONFIG', message: `${at}/any.txt:1:2 is not valid JSON: a key or } is expected, and the file ends` },
  ]);
  t.equal(problems.length, 5);
  t.notMatch(JSON.stringify(problems), 's3cret');
});

t.test('B20 a file whose content does not matter is not read: it may be longer than a text can be', async (t) => {
  const path = join(scratch(t), 'model.bin');
  writeFileSync(path, '');
  truncateSync(path, 600 * 2 ** 20);
  t.strictSame(await ask({ files: [{ subject: 'FILES', path }] }), []);
});

t.test('B20 commands: found in PATH and executable, with the code of a shell', async (t) => {
  const at = scratch(t);
  writeFileSync(join(at, 'plain'), '#!/bin/sh\n');
  const commands = ['sh', 'plain', 'no-such'].map((command) => ({ subject: 'COMMANDS', command }));
  t.match(await ask({ commands }, { PATH: `/bin:${at}` }), [
    { subject: 'COMMANDS', code: 126, message: /"plain" is not executable/ },
    { subject: 'COMMANDS', code: 127, message: /"no-such" not found/ },
  ]);
});

t.test('B20 directories: looked at without a trace, then made', async (t) => {
  const at = scratch(t);
  writeFileSync(join(at, 'file'), '');
  const directories = [
    directory(at),
    directory(join(at, 'a/b')),
    directory(join(at, 'file')),
    directory(join(at, 'file/below')),
    directory(join(at, 'absent'), { create: false }),
  ];
  t.match(await ask({ directories }), [
    { subject: 'DIRS', message: `"${at}/file" is no directory` },
    { subject: 'DIRS', message: `"${at}/file/below" cannot be made: ${at}/file is no directory` },
    { subject: 'DIRS', message: `"${at}/absent" does not exist` },
  ]);
  t.notOk(existsSync(join(at, 'a')));
  const wanted = { ...noRequirements, directories: [directory(at), directory(join(at, 'a/b'), { mode: 0o2750 })] };
  t.strictSame(meetRequirements(wanted, undefined), [{ path: join(at, 'a/b'), done: 'made' }]);
  t.equal(statSync(join(at, 'a/b')).mode & 0o7777, 0o2750);
  t.strictSame(meetRequirements(wanted, undefined), [], 'nothing is left to do');
});

t.test('B20 a directory where none can be is told, and not tried for ever', async (t) => {
  const directories = [directory('/proc/x/y')];
  const refused = t.throws(() => meetRequirements({ ...noRequirements, directories }, undefined));
  t.match(refused, { problems: [{ subject: 'DIRS', message: /^"\/proc\/x\/y" cannot be made ready: / }] });
});

t.test('B20 a mode is the directory’s own, not that of those above it', async (t) => {
  const at = scratch(t);
  meetRequirements({ ...noRequirements, directories: [directory(join(at, 'a/b'), { mode: 0o500 })] }, undefined);
  t.equal(statSync(join(at, 'a')).mode & 0o700, 0o700);
  t.equal(statSync(join(at, 'a/b')).mode & 0o7777, 0o500);
});

t.test('B23 root gives a directory and what is in it to the user, links and mounts aside', onlyRoot, async (t) => {
  const at = scratch(t);
  const [data, outside] = [join(at, 'data'), join(at, 'outside')];
  mkdirSync(join(data, 'deep/er'), { recursive: true });
  writeFileSync(join(data, 'deep/er/file'), '', { mode: 0o600 });
  writeFileSync(outside, '');
  symlinkSync(outside, join(data, 'link'));
  symlinkSync(at, join(data, 'directory-link'));
  const directories = [directory(data), directory(join(at, 'new/one'))];
  const deeds = meetRequirements({ ...noRequirements, directories }, app);
  t.strictSame(deeds, [
    { path: data, done: 'given to its user' },
    { path: join(at, 'new/one'), done: 'made' },
  ]);
  for (const path of ['data', 'data/deep', 'data/deep/er/file', 'data/link', 'data/directory-link', 'new', 'new/one']) {
    t.equal(ownerOf(join(at, path)), '4321:4322', path);
  }
  for (const path of [at, outside]) t.equal(ownerOf(path), '0:0', path);
  t.strictSame(meetRequirements({ ...noRequirements, directories }, app), []);
});

t.test('B23 a directory in which the user can write already is left as it is', onlyRoot, async (t) => {
  const at = scratch(t);
  for (const [name, mode, uid, gid] of [
    ['own', 0o700, 4321, 0],
    ['of a group', 0o770, 0, 4323],
    ['for all', 0o1777, 0, 0],
  ] as const) {
    const path = join(at, name);
    mkdirSync(path);
    chownSync(path, uid, gid);
    chmodSync(path, mode);
    writeFileSync(join(path, 'file'), '');
    t.strictSame(meetRequirements({ ...noRequirements, directories: [directory(path)] }, app), [], name);
    t.equal(ownerOf(join(path, 'file')), '0:0');
  }
  const path = join(at, 'own');
  const owner = { uid: 4321, gid: 4322 };
  meetRequirements({ ...noRequirements, directories: [directory(path, { owner })] }, undefined);
  t.equal(ownerOf(join(path, 'file')), '4321:4322', 'unless it must be somebody’s');
});

t.test('B23 what belongs to the system is not given away, not even by a link', onlyRoot, async (t) => {
  const at = scratch(t);
  symlinkSync('/etc', join(at, 'link'));
  const directories = ['/', '/etc', '/var/lib', '/usr/share', join(at, 'link')].map((path) => directory(path));
  const problems = await ask({ directories }, {}, app);
  t.equal(problems.length, 5);
  for (const { message } of problems)
    t.match(message, /belongs to the system and is not writable by uid 4321: owner 0/);
  // One that is empty: should this ever fail, next to nothing is given away.
  t.teardown(() => chownSync('/media', 0, 0));
  t.throws(() => giveTree('/media', app));
  t.throws(() => handOver(['/media'], app));
  t.equal(ownerOf('/media'), '0:0');
  t.strictSame(await ask({ directories: [directory('/tmp')] }, {}, app), [], 'all may write there');
});

t.test('B23 a directory above that the user cannot enter is named', onlyRoot, async (t) => {
  const at = scratch(t);
  mkdirSync(join(at, 'closed/data'), { recursive: true });
  chmodSync(join(at, 'closed'), 0o700);
  const problems = await ask({ directories: [directory(join(at, 'closed/data'))] }, {}, app);
  t.match(problems, [{ message: `cannot be entered by uid 4321: ${at}/closed, owner 0, mode 700` }]);
});

t.test('B23 what tandem wrote for the services is handed over; what is not there is no matter', onlyRoot, async (t) => {
  const at = scratch(t);
  writeFileSync(join(at, 'file'), '');
  mkdirSync(join(at, 'tree'));
  lchownSync(join(at, 'tree'), 4321, 4322);
  writeFileSync(join(at, 'tree/file'), '');
  handOver(
    ['file', 'tree', 'none'].map((name) => join(at, name)),
    app,
  );
  t.equal(ownerOf(join(at, 'file')), '4321:4322');
  t.equal(ownerOf(join(at, 'tree/file')), '4321:4322');
});
