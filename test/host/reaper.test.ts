import { spawn } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { watchChildren } from '../../src/host/children.ts';
import { type Addon, native } from '../../src/host/native.ts';
import { startReaper } from '../../src/host/reaper.ts';
import { asPid1, canUnshare, driverCommand, run } from '../fixtures/host-run.ts';
import { until } from '../support/until.ts';

const withAddon = { skip: native().reaper ? false : 'the addon was not built' };
const withNamespaces = { skip: withAddon.skip || (canUnshare ? false : 'no pid namespaces here') };

const cells = [
  { place: 'as subreaper', before: [], isPid1: false, options: withAddon },
  { place: 'as PID 1', before: asPid1, isPid1: true, options: withNamespaces },
] as const;

for (const { place, before, isPid1, options } of cells) {
  t.test(`B50 ${place}: reaps 1,000 orphans beside 200 services and loses no exit code`, options, async (t) => {
    const { stdout, stderr } = await run([...before, ...driverCommand(t, 'host-reaper')]);
    t.equal(stderr, '');
    const { oldestZombieMs, orphans, ...result } = JSON.parse(stdout);
    t.same(result, { pid1: isPid1, wrongCodes: 0, zombiesLeft: 0 });
    t.ok(orphans >= 1_000, `${orphans} orphans came`);
    t.ok(oldestZombieMs < 500, `the oldest zombie was ${oldestZombieMs} ms old`);
  });
}

/** An addon whose next ended child is always the same. */
function stuckAddon(pid: () => number): { addon: Addon; peeks: () => number; reaped: number[] } {
  let peeks = 0;
  const reaped: number[] = [];
  const addon: Addon = {
    peekZombie: () => {
      peeks++;
      return pid();
    },
    reap: (pid) => reaped.push(pid) > 0,
    becomeSubreaper: () => true,
    closeMemory: () => true,
    pipe: () => -1,
    bindIPv4: () => -1,
    setPipeSize: () => -1,
    ask: () => -1,
    prefixLines: () => -1,
    jsonLines: () => -1,
    exit: () => {
      throw new Error('not in this test');
    },
    takeTerminal: () => -1,
    giveBack: () => {},
    catchSignals: () => {},
    takeCaught: () => 0,
    listeners: () => -1,
    listensAt: () => -1,
    startWatch: () => -1,
    watchDoor: () => -1,
    isOpen: () => false,
    forgetDoor: () => -1,
  };
  return { addon, peeks: () => peeks, reaped };
}

t.test('B50 leaves an own child to libuv, and does not spin if that never collects it', async (t) => {
  let own = 0;
  const { addon, peeks, reaped } = stuckAddon(() => own);
  const reaper = startReaper(addon);
  t.teardown(reaper.stop);
  const child = spawn('sleep', ['1000']);
  t.teardown(() => child.kill('SIGKILL'));
  own = child.pid ?? 0;
  const before = peeks();
  process.emit('SIGCHLD', 'SIGCHLD');
  let last = -1;
  await until('it rests', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    const rests = last === peeks();
    last = peeks();
    return rests;
  });
  t.ok(peeks() > before + 1, 'it looked again in later turns');
  t.ok(peeks() < before + 500, `it looked ${peeks() - before} times`);
  t.same(reaped, []);
});

t.test('stop leaves no listener behind', async (t) => {
  const before = process.listenerCount('SIGCHLD');
  const { addon } = stuckAddon(() => 0);
  startReaper(addon).stop();
  t.equal(process.listenerCount('SIGCHLD'), before);
});

t.test('own children are known while they live, and forgotten', async (t) => {
  const children = watchChildren();
  t.teardown(children.stop);
  const child = spawn('sleep', ['1000']);
  const pid = child.pid ?? 0;
  t.equal(children.has(pid), true);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  t.equal(children.has(pid), false, 'from its exit on the pid may be an orphan');

  const missing = spawn(join(t.testdir({}), 'missing'));
  await new Promise((resolve) => missing.once('error', resolve));
  const last = spawn('true');
  await new Promise((resolve) => last.once('exit', resolve));
  t.equal(children.size, 1, 'neither ended nor failed ones pile up');
});
