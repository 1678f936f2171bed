/**
 * The promises of joyent/containerpilot, by the tests that hold them there: integration_tests/tests (named here by directory),
 * commands/commands_test.go, jobs/jobs_test.go and core/signals_test.go. Its PID 1 (sup/) is also run in a container, in
 * containers.test.ts. docs/conformance.md lists what deviates and why.
 */
import { join } from 'node:path';
import { test } from 'tap';
import {
  asks,
  endOf,
  forEver,
  forms,
  js,
  note,
  runStack,
  server,
  sh,
  untilOpen,
} from '../fixtures/conformance-stack.ts';
import { childrenOf, isZombie } from '../fixtures/e2e-cmd-run.ts';
import { runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const quickRestart = { condition: 'always', delay: '1ms', max_delay: '1ms' };

for (const { form, asInit } of forms) {
  test(`test_reap_zombies, ${form}: checks and a service that beget orphans all the time leave no zombie (B50)`, async (t) => {
    const stack = runStack(
      t,
      {
        // What it starts outlives the check by a little, and the shell that became sleep collects nobody.
        zombies: {
          command: server('zombies'),
          healthcheck: {
            test: asks(`${note('asked')}; sleep 0.05 & exec sleep 0.02`),
            interval: '10ms',
            timeout: '5s',
          },
        },
        slow_zombies: {
          command: sh(`while :; do (sh -c 'setsid sleep 0.03 & :' &); ${note('begot')}; sleep 0.02; done`),
        },
      },
      { asInit },
    );
    const tandem = await stack.pid();
    await stack.noted('asked', 30);
    await stack.noted('begot', 30);
    // One that ended just now may be seen; one that is seen for ever may not.
    const seen = childrenOf(tandem).filter(isZombie);
    await until('those that were zombies are gone', () => !seen.some(isZombie));
    t.ok(childrenOf(tandem).filter(isZombie).length < 5, 'they do not pile up');
    await stack.signal('SIGTERM');
    t.equal((await stack.exited).code, 0);
    t.notMatch(stack.stderr, /ECHILD|no child/);
    if (asInit) t.same(stack.survivors(), []);
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`test_sigterm, signals_test.go/TestTerminateSignal: ${signal}: readiness drops, then each service is asked, in order (B12)`, async (t) => {
    const stack = runStack(t, {
      app: { command: server('app') },
      sidecar: { command: server('sidecar'), depends_on: ['app'] },
    });
    for (const name of ['app', 'sidecar']) await stack.noted(`start ${name}`);
    await stack.signal(signal);
    t.equal((await stack.exited).code, 0);
    t.same(stack.journal().slice(-2), ['stop sidecar', 'stop app']);
    const words = stack.records().map(({ msg, service, to }) => (service ? `${service} ${to}` : msg));
    t.same(words.slice(words.indexOf('asked to stop')), [
      'asked to stop',
      'sidecar stopping',
      'sidecar stopped',
      'app stopping',
      'app stopped',
      'tandem ends',
    ]);
  });
}

test('test_sighup, signals_test.go/TestSignalEvent: HUP and USR1 reach who asks for them, and nobody ends', async (t) => {
  const noting = (name: string) =>
    js(`
      const note = (event) => require('node:fs').appendFileSync('journal', event + ' ${name}\\n');
      for (const name of ['SIGHUP', 'SIGUSR1']) process.on(name, () => note(name));
      setInterval(() => {}, 60_000);
      note('start');
    `);
  const stack = runStack(t, {
    asks: { command: noting('asks'), forward_signals: ['HUP', 'USR1'] },
    other: { command: noting('other') },
  });
  for (const name of ['asks', 'other']) await stack.noted(`start ${name}`);
  await stack.signal('SIGHUP');
  await stack.noted('SIGHUP asks');
  await stack.signal('SIGUSR1');
  await stack.noted('SIGUSR1 asks');
  await stack.signal('SIGUSR2');
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.same(
    stack.journal().filter((line) => line.startsWith('SIG')),
    ['SIGHUP asks', 'SIGUSR1 asks'],
  );
});

test('test_tasks: a task that takes longer than its timeout is ended with its children, 69', async (t) => {
  const stack = runStack(t, {
    task: {
      command: sh(`${note('run')}; trap '' TERM; sleep 100004 & wait; ${forEver}`),
      type: 'oneshot',
      ready: { timeout: '300ms' },
      stop_grace_period: '100ms',
    },
  });
  t.match(await endOf(stack), { code: 69, reason: /"task" is not completed within 0\.3 s/ });
  t.equal(stack.count('run'), 1);
  t.same(stack.survivors(), []);
});

test('commands_test.go/TestCommandRunWithTimeoutZero: a task without a timeout has all the time it wants', async (t) => {
  const stack = runStack(t, { task: { command: sh(untilOpen('gate')), type: 'oneshot' } });
  await stack.record({ service: 'task', to: 'starting' });
  t.same(stack.states('task'), ['starting']);
  stack.open('gate');
  t.match(await endOf(stack), { code: 0, reason: 'everything there was to do is done' });
});

for (const [what, script] of [
  ['TestCommandRunWithTimeoutKilled', 'exec sleep 100005'],
  ['TestCommandRunChildrenKilled', 'sleep 100006 & sleep 100007'],
  ['TestCommandRunChildrenKilled, TERM ignored', "trap '' TERM; sleep 100008 & wait; sleep 100009"],
] as const) {
  test(`commands_test.go/${what}: a check that is too slow has failed, and is killed with its children (B61)`, async (t) => {
    const stack = runStack(t, {
      app: {
        command: server('app'),
        healthcheck: {
          test: asks(`test -e up && exit 0; ${note('asked')}; ${script}`),
          interval: '50ms',
          timeout: '50ms',
        },
      },
    });
    await stack.noted('asked', 4);
    stack.open('up');
    await stack.record({ service: 'app', to: 'ready' });
    await until('of the checks nothing is left', () => stack.survivors().length <= 2 + 1);
    t.equal(stack.states('app').join(), 'starting,ready');
    await stack.signal('SIGTERM');
    t.equal((await stack.exited).code, 0);
    t.same(stack.survivors(), []);
  });
}

test('commands_test.go/TestCommandRunExecFailed, TestCommandRunExecInvalid, TestEmptyCommand: 255, 127, 78', async (t) => {
  for (const [command, code] of [
    [sh('exit 255'), 255],
    [['./testdata/invalidCommand'], 127],
    ['', 78],
    [[], 78],
  ] as const) {
    const stack = runStack(t, { app: { command } });
    t.equal((await stack.exited).code, code, JSON.stringify(command));
  }
});

test('jobs/config_test.go/TestJobConfigServiceWithPreStart: a once job that fails prevents the main one, with its code (B10)', async (t) => {
  const stack = runStack(t, {
    prestart: { command: sh(`${note('prestart')}; exit 21`) },
    main: { command: sh(note('main')), depends_on: { prestart: { condition: 'service_completed_successfully' } } },
  });
  t.match(await endOf(stack), { code: 21, reason: '"prestart" ended by itself: exit 21' });
  t.same(stack.journal(), ['prestart']);
});

test('jobs/config_test.go/TestJobConfigServiceWithPreStart: a once job is run once, also where the main one is restarted', async (t) => {
  const stack = runStack(t, {
    prestart: { command: sh(note('prestart')) },
    main: {
      command: sh(`${note('main')}; exit 1`),
      restart: { ...quickRestart, max_restarts: 2 },
      depends_on: { prestart: { condition: 'service_completed_successfully' } },
    },
  });
  t.equal((await stack.exited).code, 1);
  t.same(stack.journal(), ['prestart', 'main', 'main', 'main']);
});

for (const [restarts, runs] of [
  [3, 4],
  [1, 2],
  ['no', 1],
] as const) {
  test(`jobs_test.go/TestJobRunRestarts: restarts ${restarts}: ${runs} run(s)`, async (t) => {
    const restart = restarts === 'no' ? restarts : { ...quickRestart, max_restarts: restarts };
    const stack = runStack(t, { myjob: { command: sh(note('run')), restart } });
    await stack.exited;
    t.equal(stack.count('run'), runs);
  });
}

test('jobs_test.go/TestJobRunStartupTimeout: what waits for something that never comes gives up in time, 69 (B30)', async (t) => {
  const stack = runStack(
    t,
    { myjob: { command: sh(note('run')) } },
    { env: { WAIT_FOR: 'tcp://127.0.0.1:1', WAIT_FOR_TIMEOUT: '0.2' } },
  );
  t.match(await endOf(stack), { code: 69, reason: /not ready within 0\.2 s/ });
  t.same(stack.journal(), []);
});

test('test_coprocess: a coprocess that is lost is picked up again, and the main one does not notice', async (t) => {
  const stack = runStack(t, {
    main: { command: server('main') },
    coprocess: {
      command: sh(`${note('coprocess')}; ${forEver}`),
      environment: { CONFORMANCE: 'coprocess' },
      essential: false,
      restart: { ...quickRestart, max_restarts: 1 },
    },
  });
  await stack.noted('start main');
  await stack.noted('coprocess');
  process.kill(await stack.pidOf('coprocess'), 'SIGKILL');
  await stack.noted('coprocess', 2);
  process.kill(await stack.pidOf('coprocess'), 'SIGKILL');
  await stack.record({ service: 'coprocess', to: 'failed' });
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.count('start main'), 1);
});

test('test_envvars, test_version_flag, test_no_command: variables in the file, the version, and nothing to run', async (t) => {
  const stack = runStack(
    t,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is Compose's
    { app: { command: ['echo', '${APP_NAME:-app} on ${PORT}'], type: 'oneshot' } },
    { env: { PORT: '8000' } },
  );
  t.equal((await stack.exited).code, 0);
  t.equal(stack.stdout, 'app on 8000\n');
  const version = runTandem(t, ['--version']);
  t.equal((await version.exited).code, 0);
  t.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  const empty = runStack(t, {});
  t.equal((await empty.exited).code, 78);
  const missing = runStack(t, {}, { flags: ['--config', join('not', 'there.yaml')] });
  t.equal((await missing.exited).code, 78);
  t.match(missing.stderr, 'not/there.yaml');
});

test('test_logging: records and the services’ lines can all be JSON', async (t) => {
  const stack = runStack(
    t,
    { app: { command: sh('echo hello'), type: 'oneshot' } },
    { env: { TANDEM_OUTPUT: 'json' } },
  );
  t.equal((await stack.exited).code, 0);
  const lines = `${stack.stdout}${stack.stderr}`.trim().split('\n');
  t.ok(lines.every((line) => JSON.parse(line).msg !== undefined));
  t.match(JSON.parse(stack.stdout), { service: 'app', stream: 'stdout', msg: 'hello' });
});
