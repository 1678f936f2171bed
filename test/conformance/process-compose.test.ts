/**
 * The promises of F1bonacc1/process-compose, by the tests that hold them there: src/app/system_test.go (named here without a
 * file), src/app/restart_pending_regression_test.go (`pending`) and its issues. docs/conformance.md lists what deviates and why.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import {
  asks,
  endOf,
  forEver,
  forms,
  healthyWhile,
  js,
  note,
  runStack,
  server,
  sh,
  untilOpen,
} from '../fixtures/conformance-stack.ts';
import { until } from '../support/until.ts';

const quickRestart = { condition: 'on-failure', delay: '1ms', max_delay: '1ms' };

for (const { form, asInit } of forms) {
  for (const output of ['raw', 'prefix', 'json']) {
    test(`TestTerminatingWithOrphanedChildHoldingPipe, ${form}, output ${output}: an orphan that goes on writing holds nothing up (B12)`, async (t) => {
      const chatter = `while :; do echo holding; ${note('written')}; sleep 0.05; done`;
      const stack = runStack(
        t,
        { orphan_pipe: { command: sh(`setsid sh -c '${chatter}' & sleep 60 & wait`), stop_grace_period: '3s' } },
        { asInit, env: { TANDEM_OUTPUT: output } },
      );
      await stack.noted('written', 3);
      await stack.signal('SIGTERM');
      t.equal(await stack.gone(), 0);
      t.equal(stack.states('orphan_pipe').at(-1), 'stopped');
      if (asInit) t.same(stack.survivors(), []);
    });
  }
}

/** What keeps the second service waiting, by condition. */
const pending = [
  ['service_completed_successfully', { command: sh(forEver), type: 'oneshot' }],
  ['service_ended', { command: sh(forEver), type: 'oneshot' }],
  ['service_healthy', { command: sh(forEver), healthcheck: { test: asks('cat /unexisting') } }],
  ['service_healthy', { command: sh(forEver), ready: 7 }],
] as const;

for (const [condition, first] of pending) {
  const held = Object.keys(first).at(-1);
  test(`pending/TestStopWhilePendingReleasesTheProcess: ${condition}, held by ${held}: who waits is stopped and never started (B08)`, async (t) => {
    const stack = runStack(t, {
      a: first,
      b: { command: sh(note('start b')), depends_on: { a: { condition } } },
    });
    await until('a runs', () => stack.survivors().length > 1);
    await stack.record({ service: 'a', to: 'starting' });
    await stack.signal('SIGTERM');
    t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
    t.same(stack.states('b'), ['stopped']);
    t.equal(stack.count('start b'), 0);
    t.same(stack.survivors(), []);
  });
}

test('pending/TestRestartWhilePendingOnDependency: a dependency that is restarted while it is waited for starts who waits once', async (t) => {
  const stack = runStack(t, {
    // The third life becomes healthy.
    a: {
      command: sh(`${note('start a')}; test $(grep -c 'start a' journal) = 3 || exit 1; : > healthy; ${forEver}`),
      healthcheck: healthyWhile('healthy'),
      restart: quickRestart,
    },
    b: { command: server('b'), depends_on: { a: { condition: 'service_healthy' } } },
  });
  await stack.noted('start b');
  t.equal(stack.count('start a'), 3);
  await stack.record({ msg: 'everything is up' });
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.count('start b'), 1);
  t.same(stack.journal().slice(0, 4), ['start a', 'start a', 'start a', 'start b']);
});

test('pending/TestStopDuringRestartCancelsTheRestart, TestRestartingProcessShutDown: a stop wins over a restart (B12)', async (t) => {
  const stack = runStack(t, {
    a: {
      command: sh(`${note('start a')}; exit 1`),
      restart: { condition: 'always', delay: '500h', max_delay: '500h' },
    },
    keepalive: { command: server('keepalive') },
  });
  await stack.record({ service: 'a', to: 'backoff' });
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.count('start a'), 1);
});

test('TestProcShutDownNoRestart: who is stopped is not restarted, whatever its policy (B12)', async (t) => {
  const stack = runStack(t, {
    restarting: { command: server('restarting'), restart: { condition: 'always', delay: 0.001, max_delay: 0.001 } },
    other: { command: sh(`trap '' TERM; ${note('other')}; ${untilOpen('gate')}`), restart: 'always' },
  });
  await stack.noted('start restarting');
  await stack.noted('other');
  await stack.signal('SIGTERM');
  await stack.record({ service: 'restarting', to: 'stopped' });
  stack.open('gate');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.count('start restarting'), 1);
});

for (const [what, code, starts] of [
  ['process_completed_successfully', 42, 0],
  ['exit_on_failure', 42, 0],
] as const) {
  test(`TestComposeChainExit: ${what}: the code of the first that fails is the project’s, and the rest of the chain is not run (B10)`, async (t) => {
    const after = (name: string) => ({ depends_on: { [name]: { condition: 'service_completed_successfully' } } });
    const stack = runStack(t, {
      process1: { command: sh(note('process1')), type: 'oneshot', ...after('process2') },
      process2: { command: sh(note('process2')), ...after('process3') },
      process3: {
        command: sh('exit 42'),
        restart: what === 'exit_on_failure' ? { ...quickRestart, max_restarts: 2 } : 'no',
      },
    });
    t.match(await endOf(stack), { code, reason: '"process3" ended by itself: exit 42' });
    t.equal(stack.journal().length, starts);
  });
}

test('TestComposeChain: a chain of eight is started in its order, whatever the order in the file (B01)', async (t) => {
  const names = Array.from({ length: 8 }, (_, index) => `process${index + 1}`);
  const services = names.map((name, index) => {
    const next = names[index + 1];
    return [
      name,
      {
        command: sh(note(name)),
        type: 'oneshot',
        ...(next && { depends_on: { [next]: { condition: 'service_completed_successfully' } } }),
      },
    ];
  });
  const stack = runStack(t, Object.fromEntries(services));
  t.equal((await stack.exited).code, 0);
  t.same(stack.journal(), names.reverse());
});

test('TestTransitiveDependency: what cannot be met is handed on, and nobody behind it is run', async (t) => {
  const after = (name: string) => ({
    depends_on: { [name]: { condition: 'service_completed_successfully' } },
    type: 'oneshot',
    essential: false,
  });
  const stack = runStack(t, {
    a: { command: sh('exit 3'), type: 'oneshot', essential: false },
    b: { command: sh(note('b')), ...after('a') },
    c: { command: sh(note('c')), ...after('b') },
    other: { command: sh(`${untilOpen('gate')}; ${note('other')}`), type: 'oneshot' },
  });
  const record = await stack.record({ service: 'c', to: 'stopped' });
  t.match(record.reason, 'needs "b": needs "a": exit 3');
  stack.open('gate');
  t.equal((await stack.exited).code, 0, 'nobody needs them');
  t.same(stack.journal(), ['other']);
});

test('TestComposeCircular: a circle is named and refused, a diamond is not', async (t) => {
  const command = sh(note('started'));
  const circle = runStack(t, {
    a: { command, depends_on: ['b'] },
    b: { command, depends_on: ['c'] },
    c: { command, depends_on: ['a'] },
  });
  t.equal((await circle.exited).code, 78);
  t.match(circle.stderr, 'a -> b -> c -> a');
  t.same(circle.journal(), []);
  const oneshot = { command, type: 'oneshot' };
  const diamond = runStack(t, {
    top: { ...oneshot, depends_on: ['left', 'right'] },
    left: { ...oneshot, depends_on: ['bottom'] },
    right: { ...oneshot, depends_on: ['bottom'] },
    bottom: oneshot,
  });
  t.equal((await diamond.exited).code, 0);
  t.equal(diamond.count('started'), 4);
});

test('TestProcListShutsDownInOrder: who depends is gone before what it depends on is asked to stop (B12)', async (t) => {
  const stack = runStack(t, {
    'proc-a': { command: server('proc-a') },
    'proc-b': { command: server('proc-b'), depends_on: ['proc-c', 'proc-d'] },
    'proc-c': { command: server('proc-c'), depends_on: ['proc-a'] },
    'proc-d': { command: server('proc-d') },
  });
  for (const name of ['a', 'b', 'c', 'd']) await stack.noted(`start proc-${name}`);
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  const stops = stack.journal().filter((line) => line.startsWith('stop'));
  t.equal(stops[0], 'stop proc-b');
  t.ok(stops.indexOf('stop proc-c') < stops.indexOf('stop proc-a'), stops.join(', '));
  t.equal(stops.length, 4);
});

test('TestProcShutDownWithConfiguredTimeOut: killed after the timeout, not before; who obeys ends at once (B12)', async (t) => {
  const stack = runStack(t, {
    ignores: { command: sh(`trap '' TERM; ${note('ignores')}; ${forEver}`), stop_grace_period: '1s' },
    obeys: { command: server('obeys'), stop_grace_period: '1s' },
  });
  await stack.noted('ignores');
  await stack.noted('start obeys');
  await stack.signal('SIGTERM');
  await stack.record({ service: 'obeys', to: 'stopped' });
  t.equal(stack.states('ignores').at(-1), 'stopping', 'it still has its time');
  t.match(await endOf(stack), { code: 1, reason: /had to be killed: ignores$/ });
});

test('TestSystem_WaitForStartShutDown (#280): a stop while a chain still waits ends at once, and none of it is started (B08)', async (t) => {
  const stack = runStack(t, {
    proc1: { command: sh(note('proc1')), depends_on: ['proc3'] },
    proc2: { command: sh(note('proc2')), depends_on: ['proc3'] },
    proc3: { command: sh(note('proc3')), depends_on: { proc4: { condition: 'service_ended' } } },
    proc4: { command: sh(`${note('proc4')}; ${forEver}`), type: 'oneshot' },
  });
  await stack.noted('proc4');
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.same(stack.journal(), ['proc4']);
});

test('TestReadinessProbeRestart: a service that never becomes ready is restarted as often as granted, then 69 (B08)', async (t) => {
  const stack = runStack(t, {
    test: {
      command: sh(`${note('start')}; ${forEver}`),
      ready: { timeout: '200ms' },
      healthcheck: { test: asks('cat /unexisting'), retries: 1 },
      restart: { ...quickRestart, max_restarts: 2 },
    },
  });
  t.match(await endOf(stack), { code: 69, reason: /"test" is not ready within 0\.2 s/ });
  t.equal(stack.states('test').filter((state) => state === 'starting').length, 3);
  t.same(stack.survivors(), []);
});

test('update_ready_regression_test.go: who waits for one that fails before it is healthy fails without hanging', async (t) => {
  const stack = runStack(t, {
    failer: { command: sh('exit 1'), healthcheck: { test: asks('false') } },
    oblivious: { command: sh(note('all good')), depends_on: { failer: { condition: 'service_healthy' } } },
  });
  t.match(await endOf(stack), { code: 1, reason: '"failer" ended by itself: exit 1' });
  t.same(stack.journal(), []);
});

test('max_restarts: exactly as many restarts as granted, then the code of the last end (B11)', async (t) => {
  const stack = runStack(t, {
    failing: {
      command: sh(`${note('start')}; exit $(grep -c start journal)`),
      restart: { ...quickRestart, max_restarts: 3 },
    },
  });
  t.equal((await stack.exited).code, 4);
  t.equal(stack.count('start'), 4);
});

test('exit_on_skipped: a service that is not run because of another ends the project with the other’s code (B11)', async (t) => {
  const stack = runStack(t, {
    optional: { command: sh('exit 5'), type: 'oneshot', essential: false },
    needs: {
      command: sh(note('needs')),
      depends_on: { optional: { condition: 'service_completed_successfully' } },
    },
    other: { command: server('other') },
  });
  t.match(await endOf(stack), { code: 5, reason: /"needs" needs "optional": exit 5/ });
  t.same(stack.survivors(), []);
});

for (const output of ['raw', 'prefix', 'json']) {
  test(`huge lines (#57), output ${output}: a line of a megabyte loses nothing and freezes nobody (B13)`, async (t) => {
    const size = 1_000_000;
    const stack = runStack(
      t,
      { long: { command: js(`process.stdout.write('x'.repeat(${size}) + '\\nlast\\n')`), type: 'oneshot' } },
      { env: { TANDEM_OUTPUT: output } },
    );
    t.equal((await stack.exited).code, 0);
    // 'x' is in no name, no mark and no key; `next`, `text` and the like would be seen here.
    t.equal(stack.stdout.split('x').length - 1, size);
    t.match(stack.stdout.trimEnd().split('\n').at(-1), /last/);
  });
}

test('brackets and JSON (#449, #515), log truncation: what a service prints arrives as it is (B13)', async (t) => {
  const line = '{"headers": {"X-Forwarded-Host": ["example.com"]}} [butThisWont] [with spaces] 50%';
  const print = js(`console.log(${JSON.stringify(line)})`);
  const stack = runStack(t, {
    raw: { command: print, type: 'oneshot', log_format: 'raw' },
    prefix: { command: print, type: 'oneshot', log_format: 'prefix' },
    json: { command: print, type: 'oneshot', log_format: 'json' },
  });
  t.equal((await stack.exited).code, 0);
  const lines = stack.stdout.trim().split('\n');
  t.equal(lines.filter((said) => said === line).length, 1);
  t.ok(
    lines.some((said) => /^prefix +\| /.test(said) && said.endsWith(line)),
    stack.stdout,
  );
  const record = lines.find((said) => said.includes('"service":"json"')) ?? '{}';
  t.equal(JSON.parse(record).msg, line);
});

test('TestEnvFile, process_env_test.go: the service’s own value beats its file, which beats what is inherited', async (t) => {
  const stack = runStack(
    t,
    {
      show: {
        command: sh('echo $INHERITED $FILE $OWN'),
        type: 'oneshot',
        env_file: '.env.test',
        environment: { OWN: 'own' },
      },
    },
    {
      env: { INHERITED: 'inherited', FILE: 'inherited', OWN: 'inherited' },
      prepare: (directory) => writeFileSync(join(directory, '.env.test'), 'FILE=file\nOWN=file\n'),
    },
  );
  t.equal((await stack.exited).code, 0);
  t.equal(stack.stdout, 'inherited file own\n');
});

test('#49: a service that goes on starting processes is ended with all of them (B12)', async (t) => {
  const stack = runStack(t, { bad: { command: sh(`while :; do sleep 3600 & ${note('spawned')}; sleep 0.01; done`) } });
  await stack.noted('spawned', 10);
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.same(stack.survivors(), []);
});
