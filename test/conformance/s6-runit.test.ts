/**
 * The promises of just-containers/s6-overlay (README.md), of skarnet's s6 (servicedir, s6-supervise, s6-svscan as PID 1) and of
 * runit (runsv, runsvdir, sv), none of which has a test of them that runs a container. docs/conformance.md lists what deviates
 * and why.
 */
import { chmodSync, chownSync, existsSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
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
import { childrenOf, isZombie } from '../fixtures/e2e-cmd-run.ts';
import { until } from '../support/until.ts';

const completed = { condition: 'service_completed_successfully' };
const quickRestart = { condition: 'always', delay: '1ms', max_delay: '1ms' };
const isRoot = userInfo().uid === 0;
const needsRoot = { skip: isRoot || process.env['CI'] === 'true' ? false : 'only root can be somebody else' } as const;

for (const { form, asInit } of forms) {
  for (const [ending, code] of [
    ['exit 0', 1],
    ['exit 17', 17],
    ['exit 255', 255],
    ['kill -TERM $$', 143],
    ['kill -KILL $$', 137],
  ] as const) {
    test(`s6-overlay, exit code of the main service, ${form}: ${ending}: ${code}, after the others were stopped (B11)`, async (t) => {
      const stack = runStack(
        t,
        { main: { command: sh(`${untilOpen('gate')}; ${ending}`) }, support: { command: server('support') } },
        { asInit },
      );
      await stack.noted('start support');
      stack.open('gate');
      t.equal((await stack.exited).code, code);
      t.equal(stack.count('stop support'), 1);
      t.same(stack.survivors(), []);
    });
  }

  test(`s6-overlay, no zombies, ${form}: daemons that end later are reaped (B50)`, async (t) => {
    const stack = runStack(
      t,
      {
        // A daemon leaves its session, then its parent is gone.
        main: {
          command: sh(
            `for i in 1 2 3 4 5; do (setsid sh -c '${note('daemon')}; ${untilOpen('gate')}' &); done; ${forEver}`,
          ),
        },
      },
      { asInit },
    );
    const tandem = await stack.pid();
    await stack.noted('daemon', 5);
    await until('they are children of tandem', () => childrenOf(tandem).length >= 6);
    stack.open('gate');
    await until(
      'nothing but the service is left',
      () => childrenOf(tandem).length <= 2 && !childrenOf(tandem).some(isZombie),
    );
    await stack.signal('SIGTERM');
    t.equal((await stack.exited).code, 0);
  });
}

test('s6-overlay, S6_BEHAVIOUR_IF_STAGE2_FAILS=2: an initialization that fails stops the container with its code (B10)', async (t) => {
  const stack = runStack(t, {
    init: { command: sh('exit 12'), type: 'oneshot' },
    main: { command: sh(note('main')), depends_on: { init: completed } },
  });
  t.equal((await stack.exited).code, 12);
  t.same(stack.journal(), []);
});

test('s6-overlay, S6_BEHAVIOUR_IF_STAGE2_FAILS=1: or is told, and the rest goes on', async (t) => {
  const stack = runStack(t, {
    init: { command: sh('exit 12'), type: 'oneshot', essential: false },
    main: { command: server('main'), depends_on: { init: { condition: 'service_ended' } } },
  });
  await stack.noted('start main');
  t.match(await stack.record({ service: 'init', to: 'failed' }), { level: 40, reason: 'exit 12' });
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
});

test('s6-overlay, S6_CMD_WAIT_FOR_SERVICES_MAXTIME: services that do not become ready in time fail the container (B08)', async (t) => {
  const stack = runStack(t, {
    support: { command: server('support'), healthcheck: { test: asks('false') }, ready: { timeout: '300ms' } },
    main: { command: sh(note('main')), depends_on: { support: { condition: 'service_healthy' } } },
  });
  t.equal((await stack.exited).code, 69);
  t.equal(stack.count('main'), 0);
});

test('s6-overlay, init and shutdown order: in order up, in reverse down (B01 B12)', async (t) => {
  const stack = runStack(t, {
    init: { command: sh(note('init')), type: 'oneshot' },
    support: { command: server('support'), healthcheck: healthyWhile('journal'), depends_on: { init: completed } },
    main: { command: server('main'), depends_on: { support: { condition: 'service_healthy' } } },
  });
  for (const name of ['support', 'main']) await stack.noted(`start ${name}`);
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 0);
  t.equal(stack.journal()[0], 'init');
  t.same(stack.journal().slice(-2), ['stop main', 'stop support']);
});

test('s6-overlay, S6_KILL_GRACETIME: what is left after its time is killed, the container ends (B12)', async (t) => {
  const stack = runStack(
    t,
    { main: { command: sh(`trap '' TERM; ${note('start')}; ${forEver}`) } },
    { asInit: true, env: { TANDEM_STOP_TIMEOUT: '1' } },
  );
  await stack.noted('start');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 1, reason: /had to be killed: main/ });
  t.same(stack.survivors(), []);
});

test(
  's6-overlay, USER: run by somebody else than root it works, and tries nothing that only root can do (B23)',
  needsRoot,
  async (t) => {
    const stack = runStack(
      t,
      { main: { command: sh('echo $(id -u) $(id -g)'), type: 'oneshot' } },
      {
        env: { TANDEM_USER: 'root' },
        wrapper: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
        prepare: (directory) => {
          chmodSync(directory, 0o755);
          for (const path of [directory, join(directory, 'run')]) chownSync(path, 65_534, 65_534);
        },
      },
    );
    t.equal((await stack.exited).code, 0, stack.stderr);
    t.equal(stack.stdout, '65534 65534\n');
  },
);

test('s6, s6-supervise: a service that ends is started again, and is up only as one process at a time', async (t) => {
  const stack = runStack(t, {
    supervised: {
      // Another one of itself that still runs would be seen here.
      command: sh(`mkdir lock || ${note('twice')}; ${note('start')}; sleep 0.01; rmdir lock; exit 1`),
      restart: { ...quickRestart, max_restarts: 20 },
    },
  });
  t.equal((await stack.exited).code, 1);
  t.equal(stack.count('start'), 21);
  t.equal(stack.count('twice'), 0);
});

test('s6, max-death-tally: a service that dies too often is given up', async (t) => {
  const stack = runStack(t, {
    dying: { command: sh(`${note('start')}; kill -KILL $$`), restart: { ...quickRestart, max_restarts: 5 } },
  });
  t.equal((await stack.exited).code, 137);
  t.equal(stack.count('start'), 6);
});

test('s6, timeout-kill, down-signal: the service’s own signal, then KILL after its own time (B12)', async (t) => {
  const stack = runStack(t, {
    main: {
      command: sh(`trap '${note('HUP')}' HUP; ${note('start')}; while :; do sleep 0.02; done`),
      stop_signal: 'HUP',
      stop_grace_period: '200ms',
    },
  });
  await stack.noted('start');
  await stack.signal('SIGTERM');
  t.equal((await stack.exited).code, 1);
  t.equal(stack.count('HUP'), 1);
});

test('s6, flag-newpidns aside: each service is the leader of a session of its own, with nothing on stdin', async (t) => {
  const stack = runStack(t, {
    main: {
      command: sh('set -- $(cat /proc/$$/stat); echo $(($5 == $$)) $(($6 == $$)) $(readlink /proc/$$/fd/0)'),
      type: 'oneshot',
    },
  });
  t.equal((await stack.exited).code, 0);
  t.equal(stack.stdout, '1 1 /dev/null\n');
});

test('runit, sv down: TERM is followed by CONT, so that a stopped service ends as asked (B12)', async (t) => {
  const stack = runStack(t, { main: { command: server('main'), environment: { CONFORMANCE: 'main' } } });
  await stack.noted('start main');
  process.kill(await stack.pidOf('main'), 'SIGSTOP');
  await stack.signal('SIGTERM');
  t.match(await endOf(stack), { code: 0, reason: 'stopped by SIGTERM' });
  t.equal(stack.count('stop main'), 1);
});

test('runit, runsv: a run script that cannot be executed is told, 126, and nothing is started', async (t) => {
  const stack = runStack(
    t,
    { main: { command: ['./script'] }, other: { command: sh(note('other')) } },
    { prepare: (directory) => writeFileSync(join(directory, 'script'), '#!/bin/sh\n') },
  );
  t.equal((await stack.exited).code, 126);
  t.notOk(existsSync(join(stack.directory, 'journal')));
});
