import { join } from 'node:path';
import t from 'tap';
import { missingCapabilities, ownIdentity } from '../../src/host/self.ts';

t.test('B23 the capabilities that are missing are named', async (t) => {
  const directory = t.testdir({
    all: 'CapEff:\t000001ffffffffff\n',
    none: 'CapEff:\t0\n',
    some: 'CapEff:\t00000000000000a0\n',
  });
  t.strictSame(missingCapabilities(join(directory, 'all')), []);
  t.strictSame(missingCapabilities(join(directory, 'none')), ['CAP_SETUID', 'CAP_SETGID', 'CAP_KILL']);
  t.strictSame(missingCapabilities(join(directory, 'some')), ['CAP_SETGID']);
});

t.test('B23 who tandem is', async (t) => {
  t.match(ownIdentity(), { uid: process.getuid?.(), gid: process.getgid?.() });
});
