/**
 * The promises of canonical/pebble, by the tests that hold them there: internals/overlord/servstate/manager_test.go (named here
 * without a file), internals/overlord/checkstate/manager_test.go and internals/plan/plan_test.go. docs/conformance.md lists what
 * deviates and why.
 */
import { chownSync, existsSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { nextDelayMs } from '../../src/core/restart.ts';
import {
  asks,
  endOf,
  forEver,
  forms,
  healthyWhile,
  note,
  runStack,
  server,
  sh,
  untilOpen,
} from '../fixtures/conformance-stack.ts';
import { childrenOf, isZombie } from '../fixtures/e2e-cmd-run.ts';
import { until } from '../support/until.ts';

const isRoot = userInfo().uid === 0;
const needsRoot = { skip: isRoot || process.env['CI'] === 'true' ? false : 'only root can be somebody else' } as const;

/** A delay that does not elapse within any test, however the jitter falls. */
const endlessRestart = { condition: 'always', delay: '500h', max_delay: '500h' };

/** As quick as it can be, so that a test counts restarts and does not wait for them. */
const quickRestart = { condition: 'always', delay: '1ms', max_delay: '1ms' };

for (const { form, asInit } of forms) {
  test(`TestReapZombies, ${form}: a grandchild that its parent never waits for is reaped once the parent is gone (B50)`, async (t) => {
    const stack = runStack(
      t,
      {
        // The shell becomes sleep, which collects nobody.
        negligent: { command: sh(`true & exec sleep 100000`), essential: false, restart: 'no' },
        other: { command: server('other') },
      },
      { asInit },
    );
    const tandem = await stack.pid();
    const [parent, zombie] = await until('the grandchild is a zombie', () =>
      childrenOf(tandem)
        .flatMap((pid) => childrenOf(pid).map((child) => [pid, child] as const))
        .find(([, child]) => isZombie(child)),
    );
    process.kill(parent, 'SIGTERM');
    await stack.record({ service: 'negligent', to: 'failed' });
    await until('the zombie is reaped', () => !existsSync(`/proc/${zombie}`));
    await stack.noted('start other');
    await stack.signal('SIGTERM');
    t.equal((await stack.exited).code, 0);
  });

  for (const output of ['raw', 'prefix', 'json']) {
    test(`TestWaitDelay, ${form}, output ${output}: a grandchild in a session of its own that holds stdout does not hold up the stop (B12)`, async (t) => {
      const stack = runStack(
        t,
        {
          waitdelay: {
            command: sh(`setsid sh -c 'echo held; ${note('grandchild')}; ${forEver}' & ${forEver}`),
            stop_grace_period: '50ms',
          },
        },
        { asInit, env: { TANDEM_OUTPUT: output } },
      );
      await stack.noted('grandchild');
      await stack.signal('SIGTERM');
      t.equal(await stack.gone(), 0);
      t.equal(stack.states('waitdelay').at(-1), 'stopped');
      // What runs in a session of its own is PID 1's to end; beside others it is nobody's (README, Limits).
      if (asInit) t.same(stack.survivors(), []);
    });
  }
}

test('TestKillDelayIsUsed: a service that ignores TERM has its stop_grace_period, and no more (B12)', async (t) => {
  const stack = runStack(t, {
    stubborn: { command: sh(`trap '' TERM; ${note('trapped')}; ${forEver}`), stop_grace_period: '300ms' },
  });
  await stack.noted('trapped');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 1, reason: /had to be killed: stubborn/ });
  const killed = stack.records().find(({ from, to }) => from === 'stopping' && to === 'stopping');
  const [, afterMs = '0'] = /^killed after (\d+) ms$/.exec(killed?.reason ?? '') ?? [];
  t.ok(Number(afterMs) >= 300, `killed after ${afterMs} ms`);
  t.ok(Number(afterMs) < 5_000, 'long before the stop budget of 9 s');
});

test('TestStopTimeout: the whole stop is given what the longest kill delay of all services needs (B12)', async (t) => {
  const command = ['sleep', '20'];
  const stack = runStack(
    t,
    { short: { command, stop_grace_period: '60s' }, long: { command, stop_grace_period: '3600s' } },
    { command: 'check' },
  );
  t.equal((await stack.exited).code, 0);
  const [, seconds = '0'] = /^stop +within (\d+)s/m.exec(stack.stdout) ?? [];
  t.ok(Number(seconds) > 3_600 && Number(seconds) < 3_660, `${seconds} s`);
});

test('TestStopServiceWithinOkayDelay: stopped before it is up, it ends at once and does nothing more (B12)', async (t) => {
  const stack = runStack(t, {
    slow: {
      command: sh(`${note('started')}; ${untilOpen('gate')}; ${note('side-effect')}; ${forEver}`),
      healthcheck: healthyWhile('never'),
    },
  });
  await stack.noted('started');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
  stack.open('gate');
  t.same(stack.states('slow'), ['starting', 'stopping', 'stopped'], 'it was never ready');
  t.same(stack.survivors(), []);
  t.equal(stack.count('side-effect'), 0);
});

test('TestStartBadCommand: a command that is not there is named, and nothing is started (B20)', async (t) => {
  const stack = runStack(t, {
    good: { command: sh(note('good')) },
    bad: { command: ['some-bad-command'] },
  });
  t.equal((await stack.exited).code, 127);
  t.match(stack.stderr, /"bad".*some-bad-command/s);
  t.same(stack.journal(), []);
});

test('TestStartFastExitCommand: a service that ends quickly with 0 has failed, and what it said is there (B11 B13)', async (t) => {
  const stack = runStack(t, { quick: { command: sh('echo too-fast; echo second line') } });
  t.match(await endOf(stack), { code: 1, reason: '"quick" ended by itself: exit 0' });
  t.equal(stack.stdout, 'too-fast\nsecond line\n');
});

test('TestStartFastExitCommandOnFailureIgnore, TestActionIgnore: where that is ignored, the others go on', async (t) => {
  const stack = runStack(t, {
    ignored: { command: sh('exit 1'), essential: false },
    other: { command: server('other') },
  });
  await stack.record({ service: 'ignored', to: 'failed' });
  await stack.noted('start other');
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.states('ignored').filter((state) => state === 'starting').length, 1);
});

test(
  'TestCurrentUserGroup, TestUserGroup: a service runs as its user, with that user’s HOME (B23)',
  needsRoot,
  async (t) => {
    const stack = runStack(
      t,
      {
        mine: { command: sh('echo mine $(id -un) $HOME'), type: 'oneshot', user: 'root' },
        other: { command: sh('echo other $(id -un):$(id -gn) $HOME $USER'), type: 'oneshot', user: 'daemon:nogroup' },
      },
      { env: { HOME: '/x', USER: 'unchanged' } },
    );
    t.equal((await stack.exited).code, 0, stack.stderr);
    t.same(stack.stdout.trim().split('\n').sort(), ['mine root /root', 'other daemon:nogroup /usr/sbin unchanged']);
  },
);

test(
  'TestUserGroupFails: who is not root cannot run a service as somebody else, and nothing is started (B23)',
  needsRoot,
  async (t) => {
    const stack = runStack(
      t,
      { other: { command: sh(note('other')), user: 'daemon' } },
      {
        wrapper: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
        prepare: (directory) => {
          for (const path of [directory, join(directory, 'run')]) chownSync(path, 65_534, 65_534);
        },
      },
    );
    t.equal((await stack.exited).code, 78);
    t.match(stack.stderr, /services\.other\.user.*"daemon"/);
    t.same(stack.journal(), []);
  },
);

test('TestEnvironment: a service has tandem’s environment and its own above it, and not that of another', async (t) => {
  const show = sh('echo $NAME $SHARED $OWN.');
  const stack = runStack(
    t,
    {
      a: { command: show, type: 'oneshot', environment: { NAME: 'a', OWN: 'one' } },
      b: { command: show, type: 'oneshot', environment: { NAME: 'b', SHARED: 'mine' } },
    },
    { env: { SHARED: 'common' } },
  );
  t.equal((await stack.exited).code, 0);
  t.same(stack.stdout.trim().split('\n').sort(), ['a common one.', 'b mine .']);
});

test('TestWorkingDir, TestNoWorkingDir: a service runs in its directory, else in that of the file', async (t) => {
  const stack = runStack(t, {
    there: { command: ['pwd'], type: 'oneshot', working_dir: '/tmp', log_format: 'prefix' },
    here: { command: ['pwd'], type: 'oneshot', log_format: 'prefix' },
  });
  t.equal((await stack.exited).code, 0);
  t.same(stack.stdout.trim().split('\n').sort(), [`here  | ${stack.directory}`, 'there | /tmp']);
});

test('TestServiceLogs: each line of a service carries its name (B13)', async (t) => {
  const stack = runStack(
    t,
    { one: { command: sh('echo 1; echo 2 >&2'), type: 'oneshot' }, two: { command: sh('echo 3'), type: 'oneshot' } },
    { env: { TANDEM_OUTPUT: 'prefix' } },
  );
  t.equal((await stack.exited).code, 0);
  t.same(stack.stdout.trim().split('\n').sort(), ['one | 1', 'two | 3']);
  t.match(stack.stderr, /^one \| 2$/m);
});

test('TestActionRestart: each end is followed by one start, until a time up makes the count begin anew', async (t) => {
  const stack = runStack(t, {
    restless: {
      command: sh(`${note('start')}; ${forEver}`),
      restart: { ...quickRestart, max_restarts: 100, reset_after: '10ms' },
      environment: { CONFORMANCE: 'restless' },
    },
  });
  for (let round = 1; round <= 4; round++) {
    await stack.noted('start', round);
    await until('it is ready', () => stack.states('restless').filter((state) => state === 'ready').length === round);
    process.kill(await stack.pidOf('restless'), 'SIGTERM');
  }
  await stack.noted('start', 5);
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.count('start'), 5);
});

for (const [delayMs, limitMs, attempt, ceilingMs] of [
  [500, 30_000, 1, 500],
  [500, 30_000, 2, 1_000],
  [500, 30_000, 3, 2_000],
  [500, 30_000, 6, 16_000],
  [500, 30_000, 7, 30_000],
  [500, 30_000, 1_000, 30_000],
  [1_000, 60_000, 1, 1_000],
  [1_000, 60_000, 6, 32_000],
  [1_000, 60_000, 7, 60_000],
  [1_000, 60_000, 8, 60_000],
] as const) {
  test(`TestCalculateNextBackoff, TestGetJitter: delay ${delayMs} ms, limit ${limitMs} ms, attempt ${attempt}: at most ${ceilingMs} ms, evenly spread below`, async (t) => {
    const policy = { condition: 'always', baseDelayMs: delayMs, maxDelayMs: limitMs } as const;
    const next = (random: number) =>
      nextDelayMs({ ...policy, resetAfterMs: 0, maxRestarts: 0, windowMs: 0 }, attempt, random);
    t.same([0, 0.25, 0.5, 1].map(next), [0, ceilingMs / 4, ceilingMs / 2, ceilingMs]);
  });
}

test('TestStopDuringBackoff: a service that waits for its restart is stopped at once and not started again (B12)', async (t) => {
  const stack = runStack(t, {
    falling: { command: sh(`${note('start')}; exit 1`), restart: endlessRestart },
  });
  await stack.record({ service: 'falling', to: 'backoff' });
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
  t.same(stack.states('falling').slice(-2), ['backoff', 'stopped']);
  t.equal(stack.count('start'), 1);
});

test('TestOnCheckFailureRestartWhileRunning: a failed liveness check ends the service, which is started again once (B61)', async (t) => {
  const stack = runStack(t, {
    checked: {
      // Heals itself when it starts: a check that went on acting would end it again.
      command: sh(`: > alive; ${note('start')}; ${forEver}`),
      liveness: { test: ['CMD', 'test', '-e', 'alive'], interval: '30ms', timeout: '5s', retries: 1 },
      restart: quickRestart,
    },
    // Its pace is that of the liveness check, so that a test sees that time passes.
    clock: { command: server('clock'), healthcheck: { test: asks(note('tick')), interval: '30ms' } },
  });
  await stack.noted('start');
  await stack.record({ service: 'checked', to: 'ready' });
  stack.shut('alive');
  await stack.noted('start', 2);
  t.match(stack.records().find(({ service, to }) => service === 'checked' && to === 'stopping')?.reason, /unhealthy/);
  await stack.noted('tick', stack.count('tick') + 5);
  t.equal(stack.count('start'), 2);
  t.same(stack.states('checked').at(-1), 'ready');
});

test('TestOnCheckFailureRestartDuringBackoff: a service that waits for its restart is not checked', async (t) => {
  const check = (line: string) => ({ test: asks(note(line)), interval: '30ms', timeout: '5s', retries: 1 });
  const stack = runStack(t, {
    checked: { command: sh(untilOpen('end')), liveness: check('asked'), restart: endlessRestart },
    clock: { command: server('clock'), liveness: check('tick') },
  });
  await stack.noted('asked');
  stack.open('end');
  await stack.record({ service: 'checked', to: 'backoff' });
  await stack.noted('tick', stack.count('tick') + 2);
  const before = stack.count('asked');
  await stack.noted('tick', stack.count('tick') + 5);
  t.equal(stack.count('asked'), before);
});

test('TestOnCheckFailureIgnore: a failed healthcheck is told and changes nothing else (B61)', async (t) => {
  const stack = runStack(
    t,
    {
      checked: {
        command: sh(`${note('start')}; ${forEver}`),
        healthcheck: healthyWhile('alive', { retries: 1 }),
      },
    },
    { prepare: (directory) => writeFileSync(join(directory, 'alive'), '') },
  );
  await stack.record({ service: 'checked', to: 'ready' });
  stack.shut('alive');
  await stack.record({ service: 'checked', to: 'unready' });
  stack.open('alive');
  await until('it is ready again', () => stack.states('checked').at(-1) === 'ready');
  t.equal(stack.count('start'), 1);
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

test('TestOnCheckFailureShutdown: a failed liveness check without restart ends the container with 69 (B61)', async (t) => {
  const stack = runStack(t, {
    checked: {
      command: server('checked'),
      liveness: { test: ['CMD', 'test', '-e', 'alive'], interval: '30ms', timeout: '5s', retries: 2 },
    },
    other: { command: server('other') },
  });
  t.match(await endOf(stack), { code: 69, reason: /"checked" is unhealthy/ });
  t.same(stack.survivors(), []);
});

/** Conditions, exits and what follows: how often it is started with one restart granted, and tandem's code. */
const actions = [
  ['no', 'exit 0', 1, 1],
  ['no', 'exit 3', 1, 3],
  ['no', 'kill -KILL $$', 1, 137],
  ['on-failure', 'exit 0', 1, 1],
  ['on-failure', 'exit 3', 2, 3],
  ['on-failure', 'kill -KILL $$', 2, 137],
  ['always', 'exit 0', 2, 1],
  ['always', 'exit 3', 2, 3],
  ['always', 'kill -KILL $$', 2, 137],
] as const;

for (const [condition, ending, starts, code] of actions) {
  test(`TestGetAction, On{Success,Failure}Shutdown: ${condition} x ${ending}: ${starts} start(s), then ${code} (B11)`, async (t) => {
    const stack = runStack(t, {
      ending: { command: sh(`${note('start')}; ${ending}`), restart: { ...quickRestart, condition, max_restarts: 1 } },
      other: { command: server('other') },
    });
    t.equal((await stack.exited).code, code);
    t.equal(stack.count('start'), starts);
    t.same(stack.survivors(), []);
  });
}

test('TestStartStopOrderMultipleLanes: each lane starts in order and stops in reverse, lanes side by side (B01 B12)', async (t) => {
  const needs = (...names: string[]) => ({ depends_on: names });
  const stack = runStack(t, {
    c: { command: server('c'), ...needs('b') },
    z: { command: server('z'), ...needs('y') },
    b: {
      command: server('b'),
      healthcheck: healthyWhile('b-open'),
      depends_on: { a: { condition: 'service_healthy' } },
    },
    y: { command: server('y') },
    a: { command: server('a'), healthcheck: healthyWhile('a-open') },
  });
  await stack.noted('start z');
  await stack.noted('start a');
  t.equal(stack.count('start b'), 0, 'one lane does not wait for the other');
  stack.open('a-open');
  stack.open('b-open');
  for (const name of ['b', 'c', 'y']) await stack.noted(`start ${name}`);
  await stack.record({ msg: 'everything is up' });
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  const stops = stack.journal().filter((line) => line.startsWith('stop '));
  const at = (name: string) => stops.indexOf(`stop ${name}`);
  t.equal(stops.length, 5);
  t.ok(at('c') < at('b') && at('b') < at('a') && at('z') < at('y'), stops.join(', '));
});

test('plan_test.go, Order loop: a loop is named and nothing is started', async (t) => {
  const command = sh(note('started'));
  const stack = runStack(t, { one: { command, depends_on: ['two'] }, two: { command, depends_on: ['one'] } });
  t.equal((await stack.exited).code, 78);
  t.match(stack.stderr, 'one -> two -> one');
  t.same(stack.journal(), []);
});

test('plan_test.go, null, nameless, commandless, unknown: every invalid definition is refused at once', async (t) => {
  const stack = runStack(t, {
    nothing: null as never,
    '': { command: 'true' },
    commandless: { environment: { A: 'b' } },
    unknown: { command: 'true', futureplan: 1 },
    action: { command: 'true', restart: 'foo' },
    backoff: { command: 'true', restart: { condition: 'always', delay: 'foo' } },
    quoted: { command: 'foo "' },
    checkless: { command: 'true', healthcheck: { interval: '1s' } },
    threshold: { command: 'true', healthcheck: { test: 'true', retries: 0 } },
  });
  t.equal((await stack.exited).code, 78);
  for (const path of [
    'services.nothing',
    'services.commandless',
    'services.unknown.futureplan',
    'services.action.restart',
    'services.backoff.restart.delay',
    'services.quoted.command',
    'services.checkless.healthcheck',
    'services.threshold.healthcheck.retries',
  ]) {
    t.match(stack.stderr, path);
  }
});

test('checkstate/TestFailures, TestFailuresBelowThreshold: down after as many failures as asked, up after one success', async (t) => {
  const stack = runStack(
    t,
    {
      checked: {
        command: server('checked'),
        healthcheck: {
          test: asks(`${note('asked')}; test -e alive`),
          interval: '30ms',
          start_interval: '30ms',
          retries: 3,
        },
      },
    },
    { prepare: (directory) => writeFileSync(join(directory, 'alive'), '') },
  );
  await stack.record({ service: 'checked', to: 'ready' });
  // Several successes may lie between the last one counted here and the first failure, so only the fewest can be said.
  stack.shut('alive');
  const before = stack.count('asked');
  await stack.record({ service: 'checked', to: 'unready' });
  t.ok(stack.count('asked') >= before + 2, 'not before the third failure');
  stack.open('alive');
  await until('it is ready again', () => stack.states('checked').at(-1) === 'ready');
});

test('checkstate/TestTimeout: a check that hangs has failed at its timeout, and is gone with its children (B61)', async (t) => {
  const stack = runStack(t, {
    checked: {
      command: server('checked'),
      liveness: { test: asks('sleep 100001 & sleep 100002'), interval: '60ms', timeout: '50ms', retries: 1 },
    },
  });
  t.match(await endOf(stack), { code: 69, reason: /"checked" is unhealthy: .*50 ms|0\.05/ });
  t.same(stack.survivors(), []);
});

test('checkstate/TestCheckCanceled: a check that runs when the stop comes is ended and holds nothing up', async (t) => {
  const stack = runStack(t, {
    checked: {
      command: server('checked'),
      liveness: { test: asks(`${note('asked')}; ${forEver}`), interval: '30ms', timeout: '1h' },
    },
  });
  await stack.noted('asked');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
  t.same(stack.survivors(), []);
});

test('plan_test.go, Timeout is capped at period: a check’s timeout is no longer than its interval', async (t) => {
  const checked = { command: 'sleep 1', healthcheck: { test: 'true', interval: '1s' } };
  const stack = runStack(t, { checked }, { command: 'check', flags: ['--json'] });
  t.equal((await stack.exited).code, 0);
  t.match(JSON.parse(stack.stdout).services[0].readiness.timing, { intervalMs: 1_000, timeoutMs: 1_000 });
});
