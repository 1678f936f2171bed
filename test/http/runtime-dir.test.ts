import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { openRuntimeDir, runtimeDirs } from '../../src/http/runtime-dir.ts';
import { scratchDir } from './fixture.ts';

t.test('the named directory is the only one; without it the usual ones, best first', async (t) => {
  const named = { TANDEM_RUNTIME_DIR: '/srv/run', XDG_RUNTIME_DIR: '/run/user/7' };
  t.same(runtimeDirs(named, 7), { candidates: ['/srv/run'], required: true });
  t.same(runtimeDirs({ XDG_RUNTIME_DIR: '/run/user/7' }, 7), {
    candidates: ['/run/tandem', '/run/user/7/tandem', '/tmp/tandem-7'],
    required: false,
  });
  t.same(runtimeDirs({ TANDEM_RUNTIME_DIR: '', XDG_RUNTIME_DIR: 'relative' }, 0), {
    candidates: ['/run/tandem', '/tmp/tandem-0'],
    required: false,
  });
});

t.test('what may be used and what may not', async (t) => {
  const directory = scratchDir(t);
  const make = (name: string, mode: number) => {
    mkdirSync(`${directory}/${name}`);
    chmodSync(`${directory}/${name}`, mode);
    return `${directory}/${name}`;
  };
  t.equal(openRuntimeDir(`${directory}/new`), undefined, 'a new one');
  t.equal(openRuntimeDir(make('private', 0o700)), undefined, 'ours alone');
  t.equal(openRuntimeDir(make('readable', 0o755)), undefined, 'readable by others');
  t.match(openRuntimeDir(make('group', 0o770)), 'can be written by others (mode 0770)');
  t.match(openRuntimeDir(make('sticky', 0o1777)), 'can be written by others');
  writeFileSync(`${directory}/file`, '');
  t.match(openRuntimeDir(`${directory}/file`), 'is not a directory');
  symlinkSync(`${directory}/private`, `${directory}/link`);
  t.match(openRuntimeDir(`${directory}/link`), 'is a symbolic link');
  symlinkSync(`${directory}/nowhere`, `${directory}/dangling`);
  t.match(openRuntimeDir(`${directory}/dangling`), 'is a symbolic link');
  t.match(openRuntimeDir(`${directory}/missing/deep`), 'ENOENT');
});

t.test('a directory of somebody else is refused', { skip: process.geteuid?.() !== 0 }, async (t) => {
  const directory = scratchDir(t);
  chownSync(directory, 64_321, 64_321);
  t.match(openRuntimeDir(directory), 'belongs to uid 64321');
});
