/**
 * The promises of davmac314/dinit, by the tests that hold them there: src/tests/proctests.cc (`proctests`), src/tests/tests.cc
 * (`tests`) and src/igr-tests (`igr`). docs/conformance.md lists what deviates and why.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
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
import { until } from '../support/until.ts';

const neverHealthy = { ready: { timeout: '200ms' }, healthcheck: { test: asks('false') } };
const healthy = { condition: 'service_healthy' };
const quickRestart = { condition: 'always', delay: '1ms', max_delay: '1ms' };

for (const { form, asInit } of forms) {
  test(`proctests/test_proc_start_timeout, igr/svc-start-fail, ${form}: late: stopped, told why, 69, and who needs it is not started (B08)`, async (t) => {
    const stack = runStack(
      t,
      {
        late: { command: server('late'), ...neverHealthy },
        boot: { command: sh(note('start boot')), depends_on: { late: healthy } },
      },
      { asInit },
    );
    t.match(await endOf(stack), { code: 69, reason: /"late" is not ready within 0\.2 s/ });
    t.same(stack.states('late'), ['starting', 'stopping', 'failed']);
    t.equal(stack.count('start boot'), 0);
    t.same(stack.survivors(), []);
  });

  test(`proctests/test_proc_stop_timeout, ${form}: TERM first, KILL at the timeout, stopped only when it is dead (B12)`, async (t) => {
    const command = sh(`trap '${note('TERM')}' TERM; ${note('started')}; while :; do sleep 0.02; done`);
    const stack = runStack(t, { deaf: { command, stop_grace_period: '300ms' } }, { asInit });
    await stack.noted('started');
    await stack.signal('SIGTERM');
    t.match(await endOf(stack), { code: 1, reason: /had to be killed: deaf/ });
    t.equal(stack.count('TERM'), 1);
    t.same(stack.states('deaf').slice(-3), ['stopping', 'stopping', 'stopped']);
    t.same(stack.survivors(), []);
  });
}

test('proctests/test_proc_start_timeout: a late service that ignores TERM is killed, with its group', async (t) => {
  const stack = runStack(t, {
    deaf: { command: sh(`trap '' TERM; sleep 100003 & ${forEver}`), ...neverHealthy, stop_grace_period: '100ms' },
  });
  t.match(await endOf(stack), { code: 69, reason: /"deaf" is not ready within 0\.2 s/ });
  t.same(stack.survivors(), []);
});

test('proctests/test_proc_start_timeout2: who only waits for a late one starts all the same', async (t) => {
  const stack = runStack(t, {
    late: { command: sh(forEver), type: 'oneshot', essential: false, ready: { timeout: '200ms' } },
    waits: { command: server('waits'), depends_on: { late: { condition: 'service_ended' } } },
  });
  await stack.noted('start waits');
  t.equal(stack.states('late').at(-1), 'failed');
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

for (const [what, path, code] of [
  ['a command that is not there', './no-such-command', 127],
  ['a name that is not in PATH', 'no-such-command', 127],
  ['a file that cannot be executed', './plain-file', 126],
  ['a directory', './directory', 126],
] as const) {
  test(`proctests/test_proc_start_execfail, igr/svc-start-fail: ${what}: named, ${code}, and nobody is started (B20)`, async (t) => {
    const stack = runStack(
      t,
      {
        'bad-command': { command: [path] },
        boot: { command: sh(note('boot')), depends_on: ['bad-command'] },
        other: { command: sh(note('other')) },
      },
      {
        prepare: (directory) => {
          writeFileSync(join(directory, 'plain-file'), '');
          mkdirSync(join(directory, 'directory'));
        },
      },
    );
    t.equal((await stack.exited).code, code);
    t.match(stack.stderr, /bad-command/);
    t.match(stack.stderr, path.replace('./', ''));
    t.same(stack.journal(), []);
  });
}

for (const [what, mend, code] of [
  ['vanished', 'rm program', 127],
  ['lost its x', 'chmod a-x program', 126],
] as const) {
  test(`proctests/test_proc_start_execfail: a command that ${what} after the check fails its start with ${code}, and who needs it is not started`, async (t) => {
    const stack = runStack(
      t,
      {
        breaks: { command: sh(mend), type: 'oneshot' },
        program: {
          command: ['./program'],
          depends_on: { breaks: { condition: 'service_completed_successfully' } },
        },
        boot: { command: sh(note('boot')), depends_on: ['program'] },
        other: { command: server('other') },
      },
      {
        prepare: (directory) => {
          writeFileSync(join(directory, 'program'), '#!/bin/sh\n');
          chmodSync(join(directory, 'program'), 0o755);
        },
      },
    );
    t.match(await endOf(stack), { code, reason: /"program"/ });
    t.equal(stack.count('boot'), 0);
    t.same(stack.survivors(), []);
  });
}

test('igr/svc-start-fail: a working directory that is not there is named, 126, and nobody is started (B20)', async (t) => {
  const stack = runStack(t, {
    'bad-directory': { command: 'true', working_dir: './not-there' },
    other: { command: sh(note('other')) },
  });
  t.equal((await stack.exited).code, 126);
  t.match(stack.stderr, /"bad-directory": no such working directory: .*not-there/);
  t.same(stack.journal(), []);
});

test('igr/no-command-error: a service without a command is named and refused', async (t) => {
  const stack = runStack(t, { 'no-command': { restart: 'no' } });
  t.equal((await stack.exited).code, 78);
  t.match(stack.stderr, 'services.no-command: "command" is missing');
});

test('igr/dep-not-found: a dependency that is not there is named, with who asks for it', async (t) => {
  const command = sh(note('started'));
  const stack = runStack(t, { boot: { command }, 'missing-dep-svc': { command, depends_on: ['ghost'] } });
  t.equal((await stack.exited).code, 78);
  t.match(stack.stderr, 'services.missing-dep-svc.depends_on');
  t.match(stack.stderr, 'there is no service "ghost"');
  t.same(stack.journal(), []);
});

for (const [what, edges, cycle] of [
  ['itself', { self: ['self'] }, 'self -> self'],
  ['two', { ab: ['ba'], ba: ['ab'] }, 'ab -> ba -> ab'],
  ['in the depth', { boot: ['a'], a: ['b', 'c'], b: ['d'], c: [], d: ['e'], e: ['b'] }, 'b -> d -> e -> b'],
] as const) {
  test(`igr/cycles, igr/check-cycle: ${what}: the cycle is named, 78, nothing is started`, async (t) => {
    const command = sh(note('started'));
    const services = Object.entries(edges).map(([name, depends_on]) => [name, { command, depends_on }]);
    const run = runStack(t, Object.fromEntries(services));
    t.equal((await run.exited).code, 78);
    t.match(run.stderr, cycle);
    t.same(run.journal(), []);
    const check = runStack(t, Object.fromEntries(services), { command: 'check' });
    t.equal((await check.exited).code, 78);
    t.match(check.stderr, cycle);
  });
}

test('igr/pseudo-cycle: two ways to the same service are no cycle', async (t) => {
  const oneshot = { type: 'oneshot' };
  const done = { condition: 'service_completed_successfully' };
  const stack = runStack(t, {
    boot: { command: sh(note('boot')), ...oneshot, depends_on: { middle: done, service: done } },
    middle: { command: sh(note('middle')), ...oneshot, depends_on: { service: done } },
    service: { command: sh(note('service')), ...oneshot },
  });
  t.equal((await stack.exited).code, 0);
  t.same(stack.journal(), ['service', 'middle', 'boot']);
});

test('proctests/test_proc_term_start, test_proc_term_restart_fail: one restart more than granted is a failure (B11)', async (t) => {
  const stack = runStack(t, {
    testproc: { command: sh(`${note('start')}; exit 0`), restart: { ...quickRestart, max_restarts: 3 } },
    dpt: { command: server('dpt'), depends_on: ['testproc'] },
  });
  t.match(await endOf(stack), { code: 1, reason: '"testproc" ended by itself: exit 0' });
  t.equal(stack.count('start'), 4);
  t.same(stack.survivors(), []);
});

test('proctests/test_proc_term_start: restarts that lie before the interval no longer count', async (t) => {
  const stack = runStack(t, {
    testproc: {
      command: sh(`${note('start')}; exec sleep 0.4`),
      restart: { ...quickRestart, max_restarts: 1, window: '300ms' },
    },
  });
  await stack.noted('start', 4);
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

test('proctests/test_proc_smooth_recovery: a service that is picked up again takes nobody with it', async (t) => {
  const stack = runStack(t, {
    recovers: { command: server('recovers'), restart: 'on-failure', environment: { CONFORMANCE: 'recovers' } },
    dependent: { command: server('dependent'), depends_on: ['recovers'], environment: { CONFORMANCE: 'dependent' } },
  });
  await stack.noted('start dependent');
  const [dependent, first] = [await stack.pidOf('dependent'), await stack.pidOf('recovers')];
  process.kill(first, 'SIGKILL');
  await stack.noted('start recovers', 2);
  t.not(await stack.pidOf('recovers'), first);
  t.equal(await stack.pidOf('dependent'), dependent);
  t.equal(stack.count('start dependent'), 1);
  t.equal(stack.count('stop dependent'), 0);
});

test('proctests/test_proc_unexpected_term, tests/basic_test3: the end of one stops all who need it, and it is told (B11)', async (t) => {
  const stack = runStack(t, {
    lost: { command: sh(`${untilOpen('gate')}; exit 9`) },
    middle: { command: server('middle'), depends_on: ['lost'] },
    top: { command: server('top'), depends_on: ['middle'] },
  });
  for (const name of ['middle', 'top']) await stack.noted(`start ${name}`);
  stack.open('gate');
  t.match(await endOf(stack), { code: 9, reason: '"lost" ended by itself: exit 9' });
  t.same(stack.journal().slice(-2), ['stop top', 'stop middle']);
});

test('tests/test_softdep1: the end of one that is not needed stops nobody', async (t) => {
  const stack = runStack(t, {
    soft: { command: sh(`${untilOpen('gate')}; exit 9`), essential: false },
    dependent: { command: server('dependent'), depends_on: ['soft'] },
  });
  await stack.noted('start dependent');
  stack.open('gate');
  await stack.record({ service: 'soft', to: 'failed' });
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

test('tests/test_softdep3: one that fails before it is there makes who needs it fail, too', async (t) => {
  const stack = runStack(t, {
    milestone: { command: sh('exit 4'), type: 'oneshot', essential: false },
    dependent: {
      command: sh(note('dependent')),
      depends_on: { milestone: { condition: 'service_completed_successfully' } },
    },
  });
  t.match(await endOf(stack), { code: 4, reason: /"dependent" needs "milestone": exit 4/ });
  t.same(stack.journal(), []);
});

test('tests/basic_test5: who depends waits until each in the chain is up, not only started (B01)', async (t) => {
  const stack = runStack(t, {
    s1: { command: server('s1'), healthcheck: healthyWhile('s1-up') },
    s2: { command: server('s2'), healthcheck: healthyWhile('s2-up'), depends_on: { s1: healthy } },
    s3: { command: server('s3'), depends_on: { s2: healthy } },
  });
  await stack.noted('start s1');
  t.same(stack.states('s2'), []);
  stack.open('s1-up');
  await stack.noted('start s2');
  t.same(stack.states('s3'), []);
  stack.open('s2-up');
  await stack.noted('start s3');
  t.same(stack.journal(), ['start s1', 'start s2', 'start s3']);
});

test('tests/basic_test10: services stop in reverse dependency order (B12)', async (t) => {
  const stack = runStack(t, {
    s1: { command: server('s1') },
    s2: { command: server('s2'), depends_on: ['s1'] },
    s3: { command: server('s3'), depends_on: ['s2'] },
  });
  for (const name of ['s1', 's2', 's3']) await stack.noted(`start ${name}`);
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.same(stack.journal().slice(-3), ['stop s3', 'stop s2', 'stop s1']);
});

test('tests/test_other6: a start that is interrupted ends what was started and starts nothing more (B08)', async (t) => {
  const stack = runStack(t, {
    s1: { command: server('s1') },
    s2: { command: server('s2'), healthcheck: healthyWhile('never'), depends_on: ['s1'] },
    s3: { command: sh(note('start s3')), depends_on: { s2: healthy } },
  });
  for (const name of ['s1', 's2']) await stack.noted(`start ${name}`);
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
  t.same([...stack.journal()].sort(), ['start s1', 'start s2', 'stop s1', 'stop s2']);
  t.same(stack.survivors(), []);
});

test('tests/test_restart_stop1: a stop that comes while a restart is in its stopping phase wins', async (t) => {
  const stack = runStack(t, {
    // It is ended for its check, and takes its time.
    restarting: {
      command: sh(
        `trap '${note('TERM')}; ${untilOpen('gate')}; exit 0' TERM; ${note('start')}; while :; do sleep 0.02; done`,
      ),
      liveness: { test: asks('false'), interval: '30ms', timeout: '5s', retries: 1 },
      restart: quickRestart,
      stop_grace_period: '20s',
    },
  });
  await stack.noted('TERM');
  await stack.signal('SIGTERM');
  await stack.record({ msg: 'asked to stop' });
  stack.open('gate');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.count('start'), 1);
});

test('proctests/test_term_via_stop: a service that is asked to stop and ends with another code has stopped as asked (B12)', async (t) => {
  const stack = runStack(t, {
    testproc: { command: sh(`trap 'exit 7' TERM; ${note('start')}; while :; do sleep 0.02; done`) },
  });
  await stack.noted('start');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
  t.match(await stack.record({ service: 'testproc', to: 'stopped' }), { reason: 'exit 7' });
});

test('proctests/test_proc_notify_fail: a service that ends before it is ready has failed, with its own code (B11)', async (t) => {
  const stack = runStack(t, {
    testproc: { command: sh('exit 6'), healthcheck: { test: asks('false') } },
    boot: { command: sh(note('boot')), depends_on: { testproc: healthy } },
  });
  t.match(await endOf(stack), { code: 6, reason: '"testproc" ended by itself: exit 6' });
  t.same(stack.states('testproc'), ['starting', 'failed']);
  t.same(stack.journal(), []);
});

test('proctests/test_waitsfor_restart, prepared_by: a oneshot that others waited for is not run again when they are restarted', async (t) => {
  const stack = runStack(t, {
    prepares: { command: sh(note('prepared')), type: 'oneshot' },
    service: {
      command: sh(`${note('start')}; ${forEver}`),
      restart: quickRestart,
      environment: { CONFORMANCE: 'service' },
      depends_on: { prepares: { condition: 'service_completed_successfully' } },
    },
  });
  await stack.noted('start');
  process.kill(await stack.pidOf('service'), 'SIGKILL');
  await stack.noted('start', 2);
  t.equal(stack.count('prepared'), 1);
});

test('igr/environ: env_file reaches its service, and what it does not name is inherited', async (t) => {
  const stack = runStack(
    t,
    { checkenv: { command: sh('echo $TEST_VAR_ONE $TEST_VAR_TWO $OTHER'), type: 'oneshot', env_file: 'environment' } },
    {
      env: { OTHER: 'inherited', TEST_VAR_ONE: 'inherited' },
      prepare: (directory) => {
        writeFileSync(join(directory, 'environment'), '# comment\nTEST_VAR_ONE=hello\nTEST_VAR_TWO="good bye"\n');
      },
    },
  );
  t.equal((await stack.exited).code, 0);
  t.equal(stack.stdout, 'hello good bye inherited\n');
});

test('igr/check-lint: check finds what run would refuse, all of it, and starts nothing', async (t) => {
  const services = {
    a: { command: sh(note('a')), depends_on: ['ghost'] },
    b: { command: sh(note('b')), stop_signal: 'SIGFOO' },
    c: { command: sh(note('c')), env_file: './not-there' },
  };
  const run = runStack(t, services);
  const check = runStack(t, services, { command: 'check' });
  t.equal((await run.exited).code, 78);
  t.equal((await check.exited).code, 78);
  for (const path of ['services.a.depends_on', 'services.b.stop_signal', 'services.c.env_file']) {
    t.match(run.stderr, path);
    t.match(check.stderr, path);
  }
  t.same([...run.journal(), ...check.journal()], []);
  await until('both are gone', () => run.survivors().length + check.survivors().length === 0);
});
