import { join } from 'node:path';
import t from 'tap';
import { defaultUser, findUser, whyNotAs, whyNotIn } from '../../src/config/users.ts';
import type { Self } from '../../src/core/spec.ts';

const files = {
  passwd:
    '# comment:x:5:5\nroot:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\r\nbare:x:7:7\nbad:x:y:1::/:\n',
  group: 'root:x:0:\napp:x:1001:\nlogs:x:44:app,other\nvideo:x:45:other,app\n',
};

t.test('B23 users as docker run --user takes them', async (t) => {
  const etc = t.testdir(files);
  const app = { identity: { uid: 1000, gid: 1001, groups: [1001, 44, 45] }, home: '/home/app' };
  const cells = {
    app,
    '1000': app,
    '01000': app,
    'app:logs': { identity: { uid: 1000, gid: 44, groups: [44] }, home: '/home/app' },
    'app:5': { identity: { uid: 1000, gid: 5, groups: [5] }, home: '/home/app' },
    '1234:5': { identity: { uid: 1234, gid: 5, groups: [5] }, home: '/' },
    '1234': { identity: { uid: 1234, gid: 0, groups: [0] }, home: '/' },
    bare: { identity: { uid: 7, gid: 7, groups: [7] }, home: '/' },
    '4294967295': { problem: `there is no user "4294967295" in ${join(etc, 'passwd')}` },
    nobody: { problem: `there is no user "nobody" in ${join(etc, 'passwd')}` },
    '# comment': { problem: `there is no user "# comment" in ${join(etc, 'passwd')}` },
    bad: { problem: `there is no user "bad" in ${join(etc, 'passwd')}` },
    'app:none': { problem: `there is no group "none" in ${join(etc, 'group')}` },
    'app:': { problem: 'accepted: uid, uid:gid, or names' },
    ':5': { problem: 'accepted: uid, uid:gid, or names' },
    '1:2:3': { problem: 'accepted: uid, uid:gid, or names' },
  };
  for (const [text, user] of Object.entries(cells)) t.strictSame(findUser(text, [], etc), user, text);
  const added = { ...app, identity: { ...app.identity, groups: [1001, 44, 45, 9] } };
  t.strictSame(findUser('app', ['logs', '9'], etc), added, 'groups that are added come last, each once');
  t.match(findUser('app', ['none'], etc), { problem: 'there is no group "none"' });
});

const root: Self = { uid: 0, gid: 0, groups: [0], missingCapabilities: [] };

t.test('B23 who may become whom', async (t) => {
  const user = (uid: number, gid: number) => ({ uid, gid, groups: [gid] });
  const bounded: Self = { ...root, missingCapabilities: ['CAP_SETUID', 'CAP_KILL'] };
  const noGroups: Self = { ...root, missingCapabilities: ['CAP_SETGID'] };
  const other: Self = {
    uid: 1000,
    gid: 1001,
    groups: [44],
    missingCapabilities: ['CAP_SETUID', 'CAP_SETGID', 'CAP_KILL'],
  };
  t.equal(whyNotAs(user(1000, 1001), root), undefined);
  t.match(
    whyNotAs(user(1000, 1001), bounded),
    /^without CAP_SETUID, CAP_KILL; add them, or start tandem as that user$/,
  );
  t.equal(whyNotAs(user(0, 0), bounded), undefined, 'itself');
  t.equal(whyNotAs(user(0, 5), bounded), undefined, 'root in another group');
  t.match(whyNotAs(user(0, 5), noGroups), 'without CAP_SETGID;');
  t.equal(whyNotAs(user(1000, 1001), other), undefined, 'itself');
  t.match(
    whyNotAs(user(1000, 5), other),
    /^without root \(tandem is uid 1000\); start tandem as root, or as that user$/,
  );
});

t.test('B23 groups that were asked for', async (t) => {
  const other: Self = { uid: 1000, gid: 1001, groups: [44], missingCapabilities: ['CAP_SETGID'] };
  t.equal(whyNotIn([44, 1001], other), undefined, 'has them');
  t.match(whyNotIn([44, 5], other), 'cannot add 5 without CAP_SETGID');
  t.match(whyNotIn([5], { ...root, missingCapabilities: ['CAP_SETGID'] }), 'cannot add 5 without CAP_SETGID');
  t.equal(whyNotIn([5], root), undefined);
});

t.test('B23 TANDEM_USER: of effect for root alone', async (t) => {
  const etc = t.testdir(files);
  const nothing = { problems: [], remarks: [] };
  t.match(defaultUser('app', root, etc), { ...nothing, user: { identity: { uid: 1000 }, home: '/home/app' } });
  t.strictSame(defaultUser('root', root, etc), nothing);
  t.strictSame(defaultUser(undefined, root, etc), nothing);
  t.match(defaultUser('none', root, etc).problems, [
    { subject: 'TANDEM_USER', message: '"none" is not accepted; there is no user "none" in' },
  ]);
  const bounded = { ...root, missingCapabilities: ['CAP_KILL'] };
  t.match(defaultUser('app', bounded, etc).problems, [
    { message: 'cannot run services as "app" without CAP_KILL; add' },
  ]);
  const other = defaultUser('none', { ...root, uid: 1000 }, etc);
  t.match(other, { problems: [], remarks: [{ facts: { user: 'none', uid: 1000 } }] }, 'not even looked up');
});
