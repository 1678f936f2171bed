import { join } from 'node:path';
import t from 'tap';
import { findUser, missingCapabilities } from '../../src/host/users.ts';

const files = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\nbare:x:7:7\n',
  group: 'root:x:0:\napp:x:1001:\nlogs:x:44:app,other\nvideo:x:45:other,app\n',
};

t.test('B23 users as docker run --user takes them', async (t) => {
  const root = `${t.testdir({ etc: files })}/`;
  const cells = {
    app: { identity: { uid: 1000, gid: 1001, groups: [1001, 44, 45] }, home: '/home/app' },
    '1000': { identity: { uid: 1000, gid: 1001, groups: [1001, 44, 45] }, home: '/home/app' },
    'app:logs': { identity: { uid: 1000, gid: 44, groups: [44] }, home: '/home/app' },
    'app:5': { identity: { uid: 1000, gid: 5, groups: [5] }, home: '/home/app' },
    '1234:5': { identity: { uid: 1234, gid: 5, groups: [5] } },
    bare: { identity: { uid: 7, gid: 7, groups: [7] } },
    '1234': { problem: '/etc/passwd has no user 1234, so its group must be said: 1234:GID' },
    nobody: { problem: '/etc/passwd has no user "nobody"' },
    'app:none': { problem: '/etc/group has no group "none"' },
  };
  for (const [text, user] of Object.entries(cells)) t.strictSame(findUser(text, root), user, text);
});

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
