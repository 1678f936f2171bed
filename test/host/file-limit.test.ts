import t, { type Test } from 'tap';
import { native } from '../../src/host/native.ts';
import { asPid1, canUnshare, driverCommand, run } from '../fixtures/host-run.ts';

/** Runs the driver by a shell script in which `$node` stands for it. */
async function limitIn(t: Test, script: string, before: readonly string[] = []): Promise<string> {
  const node = driverCommand(t, 'host-limit').join(' ');
  const { stdout } = await run([...before, '/bin/sh', '-c', script.replace('$node', node)]);
  return stdout.trim();
}

const onLinux = { skip: process.platform === 'linux' ? false : 'limits are read from /proc' };

t.test('the limit is that of the parent, although Node has raised its own', onLinux, async (t) => {
  t.equal(await limitIn(t, 'ulimit -Sn 333; $node; :'), '333');
});

t.test('a parent with another hard limit says nothing about ours', onLinux, async (t) => {
  t.equal(await limitIn(t, 'ulimit -Sn 333; ulimit -Hn 444; exec $node'), 'undefined');
});

t.test('TANDEM_NOFILE is believed first, if it is a limit', onLinux, async (t) => {
  t.equal(await limitIn(t, 'ulimit -Sn 333; TANDEM_NOFILE=55 $node; :'), '55');
  t.equal(await limitIn(t, 'ulimit -Sn 333; TANDEM_NOFILE=many $node; :'), '333');
  t.equal(await limitIn(t, 'ulimit -Sn 333; TANDEM_NOFILE=0 $node; :'), '333');
});

const noted = { skip: canUnshare && native().launcherPath ? false : 'no pid namespaces here, or no exec helper' };

t.test('as PID 1 it is known if launch --note-nofile started Node', noted, async (t) => {
  const node = `exec ${native().launcherPath} --note-nofile -- ${process.execPath} $node`;
  t.equal(await limitIn(t, `ulimit -Sn 333; ${node}`, asPid1), '333');
});

t.test('as PID 1 it cannot be known', { skip: canUnshare ? false : 'no pid namespaces here' }, async (t) => {
  t.equal(await limitIn(t, 'ulimit -Sn 333; exec $node', asPid1), 'undefined');
});
