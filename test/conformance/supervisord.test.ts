/**
 * The promises of Supervisor/supervisor for programs, by supervisor/tests/test_process.py (named here without a file),
 * test_supervisord.py, test_end_to_end.py and docs/configuration.rst (`option`). docs/conformance.md lists what deviates and why.
 */
import { existsSync } from 'node:fs';
import { test } from 'tap';
import { endOf, forEver, forms, js, note, runStack, server, sh, untilOpen } from '../fixtures/conformance-stack.ts';
import { childrenOf, isZombie } from '../fixtures/e2e-cmd-run.ts';
import { until } from '../support/until.ts';

const quick = { delay: '1ms', max_delay: '1ms', max_restarts: 2 };

for (const [autorestart, condition, ending, starts, code] of [
  ['false', 'no', 'exit 0', 1, 1],
  ['false', 'no', 'exit 4', 1, 4],
  ['unexpected', 'on-failure', 'exit 0', 1, 1],
  ['unexpected', 'on-failure', 'exit 4', 3, 4],
  ['true', 'always', 'exit 0', 3, 1],
  ['true', 'always', 'exit 4', 3, 4],
] as const) {
  test(`test_transition_exited_to_starting, option autorestart: ${autorestart} x ${ending}: ${starts} start(s) (B11)`, async (t) => {
    const stack = runStack(t, {
      program: { command: sh(`${note('start')}; ${ending}`), restart: { ...quick, condition } },
    });
    t.equal((await stack.exited).code, code);
    t.equal(stack.count('start'), starts);
  });
}

test('test_transition_backoff_to_fatal, test_give_up, option startretries: after so many tries it is given up, and told', async (t) => {
  const stack = runStack(t, {
    fatal: {
      command: sh(`${note('start')}; exit 1`),
      restart: { ...quick, condition: 'on-failure' },
      essential: false,
    },
    other: { command: server('other') },
  });
  await stack.record({ service: 'fatal', to: 'failed' });
  t.equal(stack.count('start'), 3);
  t.same(stack.states('fatal').filter((state) => state === 'backoff').length, 2);
  await stack.noted('start other');
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

test('test_kill_from_stopping, test_transition_stops_unkillable, option stopwaitsecs: stopsignal, then KILL (B12)', async (t) => {
  const stack = runStack(t, {
    program: {
      command: sh(`trap '${note('INT')}' INT; ${note('start')}; while :; do sleep 0.02; done`),
      stop_signal: 'INT',
      stop_grace_period: '300ms',
    },
  });
  await stack.noted('start');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 1, reason: /had to be killed: program/ });
  t.equal(stack.count('INT'), 1);
  t.same(stack.survivors(), []);
});

for (const { form, asInit } of forms) {
  test(`test_kill_from_stopping_w_killasgroup, option killasgroup, ${form}: KILL takes the children, too (B12)`, async (t) => {
    const deaf = "trap '' TERM";
    const stack = runStack(
      t,
      {
        program: {
          command: sh(`${deaf}; sh -c "${deaf}; ${note('child')}; ${forEver}" & ${forEver}`),
          stop_grace_period: '200ms',
        },
      },
      { asInit },
    );
    await stack.noted('child');
    await stack.signal('SIGTERM');
    t.equal((await stack.exited).code, 1);
    t.same(stack.survivors(), []);
  });

  test(`option stopasgroup, ${form}: a child that its parent does not stop is gone with it all the same (B12)`, async (t) => {
    const stack = runStack(
      t,
      { flask: { command: sh(`sh -c "trap '' TERM; ${note('child')}; ${forEver}" & trap 'exit 0' TERM; wait`) } },
      { asInit },
    );
    await stack.noted('child');
    await stack.signal('SIGTERM');
    t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
    t.same(stack.survivors(), []);
  });

  test(`test_supervisord.py, test_reap_unknown_pid, test_reap_more_than_once, ${form}: strangers are reaped, and its own code is not lost (B50)`, async (t) => {
    const orphans = 'i=0; while [ $i -lt 50 ]; do (: &); i=$((i+1)); done';
    const stack = runStack(
      t,
      { program: { command: sh(`${orphans}; ${note('done')}; ${untilOpen('gate')}; exit 23`) } },
      { asInit },
    );
    const tandem = await stack.pid();
    await stack.noted('done');
    await until('no zombie is left', () => !childrenOf(tandem).some(isZombie));
    stack.open('gate');
    t.equal((await stack.exited).code, 23);
  });
}

test('test_supervisord.py, handle_sigterm, handle_sigint: both stop; test_stop_all: who was started last stops first (B12)', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const stack = runStack(t, {
      first: { command: server('first') },
      second: { command: server('second'), depends_on: ['first'] },
    });
    for (const name of ['first', 'second']) await stack.noted(`start ${name}`);
    await stack.signal(signal);
    t.equal((await stack.exited).code, 0);
    t.same(stack.journal().slice(-2), ['stop second', 'stop first']);
  }
});

test('test_spawn_as_child_uses_pconfig_environment, test_end_to_end.py issues 291, 638, 664, 986: percent signs, UTF-8 and bytes that are none (B13)', async (t) => {
  const show = js(`
    process.stdout.write(process.env.PERCENT + ' ' + process.env.OWN + ' жшц\\n');
    process.stdout.write(Buffer.from([0xff, 0x0a]));
  `);
  const stack = runStack(
    t,
    { program: { command: show, type: 'oneshot', environment: { OWN: '100%% done' } } },
    { env: { PERCENT: '%_%(x)s%', TANDEM_OUTPUT: 'prefix' } },
  );
  t.equal((await stack.exited).code, 0);
  t.match(stack.stdout, 'program | %_%(x)s% 100%% done жшц\n');
  t.equal(stack.stdout.split('\n').length, 3);
});

test('option autostart: a program of a profile that is not active is not started', async (t) => {
  const stack = runStack(t, {
    program: { command: sh(note('program')), type: 'oneshot' },
    manual: { command: sh(note('manual')), type: 'oneshot', profiles: ['manual'] },
  });
  t.equal((await stack.exited).code, 0);
  t.same(stack.journal(), ['program']);
});

test('test_spawn_as_child_cwd_fail, test_get_execv_args: what cannot be spawned is told, and supervision goes on nowhere half', async (t) => {
  for (const [keys, code] of [
    [{ command: 'true', working_dir: '/not/there' }, 126],
    [{ command: '/notthere' }, 127],
    [{ command: 'notthere' }, 127],
    [{ command: 'foo"' }, 78],
    [{ command: '   ' }, 78],
  ] as const) {
    const stack = runStack(t, { bad: keys, good: { command: sh(note('good')) } });
    t.equal((await stack.exited).code, code, JSON.stringify(keys));
    t.match(stack.stderr, /bad/);
    t.same(stack.journal(), []);
  }
});

test('eventlistener, umask, fcgi: what tandem does not have is refused and not passed over', async (t) => {
  const command = sh(note('started'));
  const stack = runStack(t, {
    a: { command, umask: '022', eventlistener: true, exitcodes: [0, 2], stopasgroup: true },
  });
  t.equal((await stack.exited).code, 78);
  for (const key of ['umask', 'eventlistener', 'exitcodes', 'stopasgroup']) t.match(stack.stderr, `services.a.${key}`);
  t.notOk(existsSync(`${stack.directory}/journal`));
});
