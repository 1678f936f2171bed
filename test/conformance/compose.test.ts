/**
 * The promises of docker/compose for one project, by the tests that hold them there (pkg/e2e), and of the Compose specification
 * (`spec`) where no test does. docs/conformance.md lists what deviates and why.
 */
import { test } from 'tap';
import {
  asks,
  endOf,
  forEver,
  healthyWhile,
  js,
  note,
  runStack,
  server,
  sh,
  untilOpen,
} from '../fixtures/conformance-stack.ts';
import { until } from '../support/until.ts';

const completed = { condition: 'service_completed_successfully' };
const healthy = { condition: 'service_healthy' };

test('TestInitContainer: who waits for completion starts after it, not before (B01)', async (t) => {
  const stack = runStack(t, {
    bar: { command: sh('echo world'), type: 'oneshot', depends_on: { foo: completed } },
    foo: { command: sh(`${untilOpen('gate')}; echo hello`) },
  });
  await stack.record({ service: 'foo', to: 'starting' });
  t.same(stack.states('bar'), []);
  stack.open('gate');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.stdout, 'hello\nworld\n');
});

test('spec, service_started: who depends starts once the other runs, healthy or not', async (t) => {
  const stack = runStack(t, {
    db: { command: server('db'), healthcheck: healthyWhile('never') },
    web: { command: server('web'), depends_on: { db: { condition: 'service_started' } } },
  });
  await stack.noted('start web');
  t.same(stack.states('db'), ['starting']);
});

test('spec, service_healthy: who depends starts once the other is healthy, not before (B01)', async (t) => {
  const stack = runStack(t, {
    db: {
      command: server('db'),
      healthcheck: { ...healthyWhile('healthy'), test: asks(`${note('asked')}; test -e healthy`) },
    },
    web: { command: server('web'), depends_on: { db: healthy } },
  });
  await stack.noted('asked', 3);
  t.same(stack.states('web'), []);
  stack.open('healthy');
  await stack.noted('start web');
});

test('TestUpServiceUnhealthy: a service that never turns healthy fails the start, and who needs it is not started (B08)', async (t) => {
  const stack = runStack(t, {
    fail: { command: server('fail'), healthcheck: { test: 'false', retries: 1 }, ready: { timeout: '300ms' } },
    depends: { command: sh(note('depends')), depends_on: { fail: healthy } },
  });
  t.match(await endOf(stack), { code: 69, reason: /"fail" is not ready within 0\.3 s/ });
  t.equal(stack.count('depends'), 0);
});

test('TestUpWithDependencyExit: a dependency that exits before it is healthy fails the start with its code (B08)', async (t) => {
  const stack = runStack(t, {
    db: { command: sh('exit 3'), healthcheck: healthyWhile('never') },
    web: { command: sh(note('web')), depends_on: { db: healthy } },
  });
  t.match(await endOf(stack), { code: 3, reason: '"db" ended by itself: exit 3' });
  t.same(stack.journal(), []);
});

test('TestUpWithDependencyNotRequired: not in an active profile: who depends starts without it', async (t) => {
  const services = {
    foo: { command: server('foo'), depends_on: { bar: { condition: 'service_healthy', required: false } } },
    bar: { command: server('bar'), profiles: ['optional'], healthcheck: healthyWhile('healthy') },
  };
  const without = runStack(t, services);
  await without.noted('start foo');
  t.equal(without.count('start bar'), 0);
  const beside = runStack(t, services, { flags: ['--profile', 'optional'] });
  await beside.noted('start bar');
  t.same(beside.states('foo'), [], 'where it is there, it is waited for');
  beside.open('healthy');
  await beside.noted('start foo');
});

for (const [what, bar] of [
  ['exits', { command: sh('exit 1'), healthcheck: healthyWhile('never') }],
  ['never turns healthy', { command: server('bar'), healthcheck: { test: 'false' }, ready: { timeout: '300ms' } }],
] as const) {
  test(`TestUpWithDependencyNotRequired: a dependency that is not required and ${what}: who depends starts all the same`, async (t) => {
    const stack = runStack(t, {
      foo: { command: server('foo'), depends_on: { bar: { condition: 'service_healthy', required: false } } },
      bar: { ...bar, essential: false },
    });
    await stack.noted('start foo');
    await stack.signal('SIGTERM');
    t.equal((await stack.exited).code, 0);
  });
}

test('TestUpWithDependencyNotRequired: a migration that is not required and fails: who depends starts all the same', async (t) => {
  const stack = runStack(t, {
    foo: { command: server('foo'), depends_on: { bar: { ...completed, required: false } } },
    bar: { command: sh('exit 1'), essential: false },
  });
  await stack.noted('start foo');
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

test('TestCascadeStop: the first exit stops the whole project (B11)', async (t) => {
  const stack = runStack(t, {
    exit: { command: sh(`${untilOpen('gate')}; exit 0`) },
    running: { command: server('running') },
  });
  await stack.noted('start running');
  stack.open('gate');
  t.match(await endOf(stack), { code: 1, reason: '"exit" ended by itself: exit 0' });
  t.equal(stack.count('stop running'), 1);
  t.same(stack.survivors(), []);
});

for (const [ending, code] of [
  ['exit 42', 42],
  ['kill -KILL $$', 137],
] as const) {
  test(`TestUpExitCodeFrom, TestUpExitCodeFromContainerKilled: ${ending}: ${code} (B11)`, async (t) => {
    const stack = runStack(t, { failure: { command: sh(ending) }, other: { command: server('other') } });
    t.equal((await stack.exited).code, code);
  });
}

test('TestStartInterval: until it is healthy, a service is asked at start_interval and not at interval', async (t) => {
  const stack = runStack(t, {
    test: {
      command: server('test'),
      healthcheck: {
        test: asks(`${note('asked')}; test $(grep -c asked journal) = 5`),
        interval: '30s',
        start_interval: '20ms',
        start_period: '10s',
      },
    },
  });
  await stack.record({ service: 'test', to: 'ready' });
  t.equal(stack.count('asked'), 5);
});

test('TestStopWithDependenciesAttached, TestStartStopWithDependencies: who depends stops first (B12)', async (t) => {
  const stack = runStack(t, {
    foo: { command: server('foo'), depends_on: ['bar'] },
    bar: { command: server('bar') },
  });
  for (const name of ['foo', 'bar']) await stack.noted(`start ${name}`);
  await stack.signal('SIGINT');
  t.equal((await stack.exited).code, 0);
  t.same(stack.journal().slice(-2), ['stop foo', 'stop bar']);
});

for (const [policy, ending, starts, code] of [
  ['no', 'exit 1', 1, 1],
  ['on-failure:2', 'exit 1', 3, 1],
  ['on-failure:2', 'exit 0', 1, 1],
] as const) {
  test(`spec, restart: ${policy} x ${ending}: ${starts} start(s)`, async (t) => {
    const stack = runStack(t, { ending: { command: sh(`${note('start')}; ${ending}`), restart: policy } });
    t.equal((await stack.exited).code, code);
    t.equal(stack.count('start'), starts);
  });
}

for (const policy of ['always', 'unless-stopped']) {
  test(`TestAttachRestart, spec, restart: ${policy}: started again whatever the code, and not after a stop`, async (t) => {
    const stack = runStack(t, {
      again: {
        command: sh(`${note('start')}; test $(grep -c start journal) -gt 2 && ${forEver}; exit 0`),
        restart: policy,
      },
    });
    await stack.noted('start', 3);
    await until('it is ready', () => stack.states('again').at(-1) === 'ready');
    await stack.signal('SIGTERM');
    t.equal((await stack.exited).code, 0);
    t.equal(stack.count('start'), 3);
  });
}

test('spec, stop_signal and stop_grace_period: the service gets its own signal, then KILL (B12)', async (t) => {
  const stack = runStack(t, {
    quits: {
      command: js(`
        const note = (event) => require('node:fs').appendFileSync('journal', event + '\\n');
        for (const name of ['SIGTERM', 'SIGINT', 'SIGQUIT']) process.on(name, () => note(name));
        setInterval(() => {}, 60_000);
        note('ready');
      `),
      stop_signal: 'SIGQUIT',
      stop_grace_period: '300ms',
    },
  });
  await stack.noted('ready');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 1, reason: /had to be killed: quits/ });
  t.same(stack.journal(), ['ready', 'SIGQUIT']);
});

test('spec, healthcheck: a text is a line for /bin/sh, NONE and disable switch it off', async (t) => {
  const stack = runStack(t, {
    shell: {
      command: server('shell'),
      healthcheck: { test: 'true && test "$$NAME" = shell' },
      environment: { NAME: 'shell' },
    },
    line: { command: server('line'), healthcheck: { test: ['CMD-SHELL', 'true || false'] } },
    none: { command: server('none'), healthcheck: { test: ['NONE'] } },
    disabled: { command: server('disabled'), healthcheck: { test: 'false', disable: true } },
  });
  await stack.record({ msg: 'everything is up' });
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

test('convergence_test.go, no healthcheck: to wait until a service without one is healthy is refused', async (t) => {
  const command = sh(note('started'));
  const stack = runStack(t, { db: { command }, web: { command, depends_on: { db: healthy } } });
  t.equal((await stack.exited).code, 78);
  t.match(stack.stderr, 'nothing says when "db" is healthy');
  t.same(stack.journal(), []);
});

test('TestUpProfile, TestRestartWithProfiles: a service of a profile runs only where that is active', async (t) => {
  const services = {
    always: { command: sh(note('always')), type: 'oneshot' },
    debug: { command: sh(note('debug')), type: 'oneshot', profiles: ['test'] },
  };
  const plain = runStack(t, services);
  t.equal((await plain.exited).code, 0);
  t.same(plain.journal(), ['always']);
  const debug = runStack(t, services, { flags: ['--profile', 'test'] });
  t.equal((await debug.exited).code, 0);
  t.same([...debug.journal()].sort(), ['always', 'debug']);
});

test('TestStdoutStderr: each goes where it belongs, in raw and with a prefix (B13)', async (t) => {
  for (const output of ['raw', 'prefix']) {
    const both = { command: sh('echo to stdout; echo to stderr >&2'), type: 'oneshot' };
    const stack = runStack(t, { both }, { env: { TANDEM_OUTPUT: output } });
    t.equal((await stack.exited).code, 0);
    t.match(stack.stdout, /to stdout\n$/);
    t.match(stack.stderr, /^(both \| )?to stderr$/m);
    t.notMatch(stack.stdout, 'to stderr');
  }
});

test('hooks_test.go, TestRestartWithDependencies: what tandem does not do is refused with what to do instead', async (t) => {
  const stack = runStack(t, {
    a: { command: sh(note('started')), pre_stop: [{ command: 'true' }], post_start: [{ command: 'true' }] },
    b: { command: sh(note('started')), depends_on: { a: { condition: 'service_started', restart: true } } },
  });
  t.equal((await stack.exited).code, 78);
  t.match(stack.stderr, /services\.a\.pre_stop: .*stop_signal/);
  t.match(stack.stderr, /services\.a\.post_start: .*oneshot/);
  t.match(stack.stderr, 'services.b.depends_on.a: restart: true is not accepted');
  t.same(stack.journal(), []);
});
