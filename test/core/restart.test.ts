import fc from 'fast-check';
import t from 'tap';
import type { Failure } from '../../src/core/outcome.ts';
import { nextDelayMs, noHistory, recordRestart, wantsRestart } from '../../src/core/restart.ts';
import { defaultTiming, noRestart, type ServiceSpec } from '../../src/core/spec.ts';
import type { Manners } from '../support/fake-machine.ts';
import { answering, oneshot, restarting, service, start } from './harness.ts';

const clean: Failure = { cause: 'exit', exit: { code: 0 } };
const failures: Readonly<Record<string, Failure>> = {
  'exit 3': { cause: 'exit', exit: { code: 3 } },
  SIGKILL: { cause: 'exit', exit: { signal: 'SIGKILL' } },
  'start timeout': { cause: 'start-timeout', message: 'late' },
  'liveness lost': { cause: 'unhealthy', message: 'HTTP 503' },
  'port taken': { cause: 'port-taken', message: 'held' },
};

for (const condition of ['no', 'on-failure', 'always'] as const) {
  const wants = (failure: Failure) => wantsRestart(restarting(condition), failure);
  const word = (claim: boolean) => (claim ? 'starts again' : 'stays down');
  t.equal(wants(clean), condition === 'always', `${condition} x exit 0: ${word(condition === 'always')}`);
  for (const [name, failure] of Object.entries(failures)) {
    t.equal(wants(failure), condition !== 'no', `${condition} x ${name}: ${word(condition !== 'no')}`);
  }
}

t.test('the delay doubles up to its cap, with full jitter', async (t) => {
  const policy = restarting('always', { baseDelayMs: 100, maxDelayMs: 1_000 });
  t.same(
    [1, 2, 3, 4, 5, 6].map((attempt) => nextDelayMs(policy, attempt, 0.5)),
    [50, 100, 200, 400, 500, 500],
  );
  t.equal(nextDelayMs(policy, 3, 0), 0, 'jitter goes down to nothing');
  t.equal(nextDelayMs(policy, 3, 0.999_999), 400, 'and up to the whole');
  t.equal(nextDelayMs(policy, 5_000, 0.5), 500, 'however many attempts');
});

t.test('whatever the policy, a delay is a number between nothing and the cap', async (t) => {
  const ms = fc.integer({ min: 1, max: 100_000 });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(ms, ms, fc.integer({ min: 1, max: 100_000 }), random, (baseDelayMs, maxDelayMs, attempt, drawn) => {
      const delayMs = nextDelayMs(restarting('always', { baseDelayMs, maxDelayMs }), attempt, drawn);
      return delayMs >= 0 && delayMs <= maxDelayMs;
    }),
  );
  t.pass('for 100 random policies');
});

t.test('a base delay of nothing is a delay of nothing, for ever', async (t) => {
  const policy = restarting('always', { baseDelayMs: 0 });
  t.equal(nextDelayMs(policy, 3, 0.5), 0);
  t.equal(nextDelayMs(policy, 1_100, 0.5), 0);
});

t.test('a healthy period forgets the attempts, not the window', async (t) => {
  const policy = restarting('always', { resetAfterMs: 10_000, maxRestarts: 3, windowMs: 60_000 });
  const first = recordRestart(policy, noHistory, 0, 0);
  const second = first && recordRestart(policy, first, 100, 9_999);
  t.equal(second?.attempts, 2);
  const third = second && recordRestart(policy, second, 20_000, 10_000);
  t.same(third, { attempts: 1, times: [0, 100, 20_000] });
  t.equal(third && recordRestart(policy, third, 59_999, 0), undefined, 'three in the window: one more is a failure');
  t.same(third && recordRestart(policy, third, 60_000, 0)?.times, [100, 20_000, 60_000], 'the window moves on');
});

t.test('who says nothing is never restarted, and who was never restarted has no history', async (t) => {
  t.equal(noRestart.condition, 'no');
  t.same(noHistory, { attempts: 0, times: [] });
});

t.test('no restart is allowed where the limit is none', async (t) => {
  t.equal(recordRestart(restarting('always', { maxRestarts: 0 }), noHistory, 0, 0), undefined);
});

const always = (more: Parameters<typeof restarting>[1] = {}): Partial<ServiceSpec> => ({
  restart: restarting('always', more),
});
const dies = (afterMs: number, code = 1): Manners => ({ ends: { afterMs, exit: { code } } });

const lives: readonly (readonly [title: string, spec: ServiceSpec, manners: Manners, spawns: number, end: string])[] = [
  ['no x exit 3: stays down', service('a', { essential: false }), dies(10, 3), 1, 'failed'],
  ['no x exit 0 x not essential: stays down', service('a', { essential: false }), dies(10, 0), 1, 'failed'],
  [
    'always x exit 0 x not essential: starts again',
    service('a', { restart: restarting('always', { maxRestarts: 1 }), essential: false }),
    dies(10, 0),
    2,
    'failed',
  ],
  [
    'on-failure x exit 3: starts again',
    service('a', { restart: restarting('on-failure', { maxRestarts: 1 }), essential: false }),
    dies(10, 3),
    2,
    'failed',
  ],
  [
    'on-failure x exit 0 x not essential: completed',
    service('a', { restart: restarting('on-failure'), essential: false }),
    dies(10, 0),
    1,
    'completed',
  ],
  [
    'on-failure x exit 0 x essential: stays down',
    service('a', { restart: restarting('on-failure') }),
    dies(10, 0),
    1,
    'failed',
  ],
  [
    'always x exit 0: starts again',
    service('a', { restart: restarting('always', { maxRestarts: 2 }) }),
    dies(10, 0),
    3,
    'failed',
  ],
  [
    'oneshot x always x exit 0: completed',
    oneshot('a', { restart: restarting('always') }),
    dies(10, 0),
    1,
    'completed',
  ],
  [
    'oneshot x on-failure x exit 3: starts again',
    oneshot('a', { restart: restarting('on-failure', { maxRestarts: 1 }) }),
    dies(10, 3),
    2,
    'failed',
  ],
];

for (const [title, spec, manners, spawns, end] of lives) {
  t.test(title, async (t) => {
    const run = await start([spec], { a: manners }).toTheEnd();
    t.equal(run.machine.times('spawn').length, spawns);
    t.equal(run.stateOf('a'), end);
    t.equal(run.supervisor.views[0]?.restarts, spawns - 1, 'restarts are counted');
  });
}

t.test('delays grow with each restart, and begin anew after a healthy period', async (t) => {
  const run = start([service('a', always({ baseDelayMs: 1_000, maxDelayMs: 3_000, maxRestarts: 9 }))], {
    a: [dies(10), dies(10), dies(10), dies(20_000), {}],
  });
  await run.clock.advance(60_000);
  // 0, then 10 + 500, 10 + 1000, 10 + 1500 (the cap), then twenty healthy seconds and 500 again
  t.same(run.machine.times('spawn'), ['a@0', 'a@510', 'a@1520', 'a@3030', 'a@23530']);
});

t.test('a life that was ill or took long to die was not healthy for that time: delays go on growing', async (t) => {
  const ill: Manners = { answers: (ageMs) => (ageMs > 500 ? { ok: false, reason: 'ill' } : { ok: true }) };
  const question = {
    probe: { kind: 'exec', command: ['true'] },
    timing: { ...defaultTiming, intervalMs: 1_000 },
  } as const;
  const policy = always({ baseDelayMs: 1_000, resetAfterMs: 10_000, maxRestarts: 9 });
  const unready = start([service('a', { readiness: { ...question, startTimeoutMs: 1_000 }, ...policy })], {
    a: { ...ill, ...dies(20_000) },
  });
  await unready.clock.advance(50_000);
  t.same(unready.machine.times('spawn'), ['a@0', 'a@20500', 'a@41500']);
  const deaf = start([service('a', { liveness: question, ...policy })], {
    a: { ...ill, reactions: { SIGTERM: { afterMs: 8_000, exit: { code: 0 } } } },
  });
  await deaf.clock.advance(25_000);
  // Lost after three answers, at 3 003; gone at 11 003; then 500, the next time 1 000.
  t.same(deaf.machine.times('spawn'), ['a@0', 'a@11503', 'a@23506']);
});

t.test('delays grow also where the first life begins late: what counts is how long each was ready', async (t) => {
  const run = start(
    [oneshot('m'), service('a', { dependsOn: { m: 'completed' }, ...always({ baseDelayMs: 1_000, maxRestarts: 9 }) })],
    { m: { ends: { afterMs: 60_000, exit: { code: 0 } } }, a: [dies(10), dies(10), dies(10), {}] },
  );
  await run.clock.advance(90_000);
  t.same(run.machine.times('spawn', 'a'), ['a@60000', 'a@60510', 'a@61520', 'a@63530']);
});

t.test('one restart more than the limit within the window is a failure, with the code of the last exit', async (t) => {
  const run = start([service('a', always({ maxRestarts: 5, windowMs: 60_000 }))], { a: dies(10, 7) });
  await run.toTheEnd();
  t.equal(run.machine.times('spawn').length, 6);
  t.equal(run.code, 7);
});

t.test('restarts that are further apart than the window never run out', async (t) => {
  const run = start([service('a', always({ maxRestarts: 1, windowMs: 1_000, maxDelayMs: 1 }))], { a: dies(2_000) });
  await run.clock.advance(100_000);
  t.ok(run.machine.times('spawn').length > 45);
  t.equal(run.stateOf('a'), 'ready');
});

t.test('B12 a stop during backoff: at once, nothing is started again, 0', async (t) => {
  const run = start([service('a', always({ baseDelayMs: 10_000 }))], { a: dies(10) });
  await run.clock.advance(100);
  t.equal(run.stateOf('a'), 'backoff');
  run.stop();
  await run.toTheEnd();
  t.equal(run.clock.now(), 100);
  t.equal(run.code, 0);
  t.equal(run.machine.times('spawn').length, 1);
});

t.test('B12 a crash after the stop was asked for is not restarted', async (t) => {
  const run = start([service('a', always())], { a: { reactions: { SIGTERM: { afterMs: 100, exit: { code: 3 } } } } });
  await run.clock.advance(100);
  run.stop();
  await run.toTheEnd();
  t.equal(run.machine.times('spawn').length, 1);
  t.equal(run.code, 0);
});

t.test('a service is restarted only when nothing of its former life is left', async (t) => {
  const run = start([service('a', always({ baseDelayMs: 0 }))], { a: [{ ...dies(10), cleanUpMs: 700 }, {}] });
  await run.clock.advance(1_000);
  t.same(run.machine.times('cleaned'), ['a@710']);
  t.same(run.machine.times('spawn'), ['a@0', 'a@710']);
});

t.test('a service that never gets ready is restarted as after any other failure', async (t) => {
  const spec = service('a', {
    readiness: answering(1, { startTimeoutMs: 1_000 }),
    ...always({ maxRestarts: 2, baseDelayMs: 0 }),
  });
  const run = await start([spec], { a: { answers: () => 'silence' } }).toTheEnd();
  t.equal(run.machine.times('spawn').length, 3);
  t.equal(run.code, 69);
});

t.test('a restarted service shows its new pid and no old exit', async (t) => {
  const run = start([service('a', always({ baseDelayMs: 0 }))], { a: [dies(10, 3), {}] });
  await run.clock.advance(5);
  const { pid } = run.supervisor.views[0] ?? {};
  await run.clock.advance(100);
  t.not(run.supervisor.views[0]?.pid, pid);
  t.equal(run.supervisor.views[0]?.exit, undefined);
});

t.test('B12 a kill in a former life does not count as one at the stop', async (t) => {
  const deaf: Manners = { reactions: { SIGTERM: 'ignores' }, answers: () => 'silence' };
  const spec = service('a', { readiness: answering(1, { startTimeoutMs: 1_000 }), ...always() });
  const run = start([spec], { a: [deaf, {}] });
  await run.clock.advance(60_000);
  t.equal(run.stateOf('a'), 'ready');
  run.stop();
  await run.toTheEnd();
  t.equal(run.code, 0, 'everything ended within its grace');
});

t.test('B12 a stop during backoff does not wait for the last output of the former life', async (t) => {
  const specs = [
    service('gateway'),
    service('hub', { dependsOn: { gateway: 'ready' }, ...always({ baseDelayMs: 5_000 }) }),
  ];
  const run = start(specs, { hub: { ...dies(10), cleanUpMs: 1_000 } });
  await run.clock.advance(100);
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.signals, ['gateway SIGTERM@100']);
});
