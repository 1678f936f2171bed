/** What somebody else runs and is only waited for, and the time to settle. */
import t from 'tap';
import { awaitFirst, externalService } from '../../src/core/external.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { defaultTiming } from '../../src/core/spec.ts';
import type { Script } from '../support/fake-machine.ts';
import { answering, oneshot, service, start } from './harness.ts';

const probe = { kind: 'http', url: 'http://elsewhere:4444/health' } as const;
const no = { ok: false, reason: 'ECONNREFUSED' } as const;
const after = (ms: number): Script => ({ answers: (ageMs) => (ageMs < ms ? no : { ok: true }) });

function hubBehind(script: Script, more: Partial<ServiceSpec> = {}) {
  const readiness = { probe, timing: defaultTiming, startTimeoutMs: 5_000 };
  return start(
    [
      oneshot('external-gateway', { isExternal: true, readiness, ...more }),
      service('hub', { dependsOn: { 'external-gateway': 'completed' }, readiness: answering(7300) }),
    ],
    { 'external-gateway': script },
  );
}

t.test('B07 the hub starts as soon as the external gateway answers; nothing is spawned for it', async (t) => {
  const run = hubBehind(after(1_000));
  await run.clock.advance(950);
  t.same([run.stateOf('external-gateway'), run.stateOf('hub')], ['starting', 'pending']);
  t.equal(run.health().status, 'starting');
  t.match(run.health().components['external-gateway']?.probe, no);
  await run.clock.advance(1_000);
  t.same([run.stateOf('external-gateway'), run.stateOf('hub')], ['completed', 'ready']);
  t.equal(run.health().status, 'healthy');
  t.same(run.machine.times('spawn', 'external-gateway'), []);
  const asked = run.machine.questions.filter(({ service }) => service === 'external-gateway').length;
  await run.clock.advance(60_000);
  t.equal(
    run.machine.questions.filter(({ service }) => service === 'external-gateway').length,
    asked,
    'not asked again',
  );
  run.stop();
  await run.toTheEnd();
  t.equal(run.code, 0);
});

t.test('B07 an external gateway that never answers: 69 at the timeout, with the last reason', async (t) => {
  const run = hubBehind(after(Infinity));
  await run.toTheEnd();
  t.equal(run.code, 69);
  t.equal(run.endedAt, 5_000);
  t.match(run.supervisor.ending?.reason, /"external-gateway" is not ready within 5 s: ECONNREFUSED/);
  t.same(run.machine.times('spawn'), []);
});

t.test('B07 a stop while it is waited for ends the wait at once, and the hub is never started', async (t) => {
  const run = hubBehind(after(Infinity));
  await run.clock.advance(1_000);
  run.stop();
  await run.toTheEnd();
  t.same([run.code, run.endedAt], [0, 1_000]);
  t.same(run.pathOf('external-gateway'), ['dependencies-met>starting', 'stop>stopping', 'exit-stopped>stopped']);
  t.same(run.machine.times('spawn'), []);
  t.equal(run.clock.pendingTimers, 0);
});

t.test('a service that crashes while it settles is never ready', async (t) => {
  const readiness = answering(4444, { settleMs: 500 });
  const scripts = { gateway: { ends: { afterMs: 300, exit: { code: 3 } } } };
  const run = start([service('gateway', { readiness }), service('hub', { dependsOn: { gateway: 'ready' } })], scripts);
  await run.toTheEnd();
  t.equal(run.code, 3);
  t.same(run.machine.times('spawn', 'hub'), []);
});

t.test('a probe that fails when a service has settled is asked again until it succeeds', async (t) => {
  const readiness = answering(4444, { settleMs: 500 });
  const ill = (ageMs: number) => (ageMs > 100 && ageMs < 1_000 ? no : ({ ok: true } as const));
  const run = start([service('gateway', { readiness })], { gateway: { answers: ill } });
  await run.clock.advance(900);
  t.equal(run.stateOf('gateway'), 'starting');
  await run.clock.advance(400);
  t.equal(run.stateOf('gateway'), 'ready');
});

t.test(
  'B30 whoever waits is told how long already, for how long at most, and the last reason, every 5 s',
  async (t) => {
    const readiness = { probe, timing: defaultTiming, startTimeoutMs: 12_000 };
    const run = hubBehind(after(Infinity), { readiness });
    await run.toTheEnd();
    const told = { service: 'external-gateway', limitMs: 12_000, reason: 'ECONNREFUSED' };
    t.match(run.waits, [
      { at: 5_000, elapsedMs: 5_000, ...told },
      { at: 10_000, elapsedMs: 10_000, ...told },
    ]);
    t.equal(run.waits.length, 2);
    t.equal(run.clock.pendingTimers, 0);
  },
);

t.test('B30 the wait is counted from its own beginning; before the first answer there is no reason', async (t) => {
  const timing = { ...defaultTiming, timeoutMs: 8_000 };
  const run = start(
    [
      oneshot('migrations'),
      oneshot('db', {
        isExternal: true,
        dependsOn: { migrations: 'completed' },
        readiness: { probe, timing, startTimeoutMs: 12_000 },
      }),
    ],
    { migrations: { ends: { afterMs: 700, exit: { code: 0 } } }, db: { answers: () => 'silence' } },
  );
  await run.toTheEnd();
  t.same(
    run.waits.map(({ at, elapsedMs, reason }) => ({ at, elapsedMs, reason })),
    [
      { at: 5_700, elapsedMs: 5_000, reason: undefined },
      { at: 10_700, elapsedMs: 10_000, reason: 'no answer in time' },
    ],
  );
  t.equal(run.endedAt, 12_700);
});

t.test('B30 a dependency that never answers ends the run also where no service is essential', async (t) => {
  const specs = awaitFirst([service('hub', { essential: false })], [{ name: 'wait-a', probe, timeoutMs: 5_000 }]);
  const run = await start(specs, { 'wait-a': after(Infinity) }).toTheEnd();
  t.equal(run.code, 69);
  t.match(run.supervisor.ending?.reason, '"wait-a" is not ready within 5 s: ECONNREFUSED');
});

t.test('B57 what would be run for it, which is never done, does nothing', async (t) => {
  const { process, stopSignal, forwardSignals } = externalService({ name: 'wait-a', probe, timeoutMs: 5_000 });
  t.same(process, { command: ['true'], cwd: '/', environment: {}, attachment: 'service' });
  t.same([stopSignal, forwardSignals], ['SIGTERM', []]);
});

t.test('B30 tries are close together at first, and at most a second apart later', async (t) => {
  const run = hubBehind(after(Infinity), { readiness: { probe, timing: defaultTiming, startTimeoutMs: 60_000 } });
  await run.toTheEnd();
  const times = run.machine.questions.map(({ at }) => at);
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  t.ok((pauses[0] ?? 1_000) < 20);
  t.ok(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0) && pause <= 1_010));
  t.ok(times.length < 75, `${times.length} tries in 60 s`);
});

t.test(
  'B30 dependencies are waited for side by side, and before everything else, skipped services or not',
  async (t) => {
    const waits = ['wait-a', 'wait-b'].map((name) => ({ name, probe, timeoutMs: 5_000 }));
    const specs = [
      oneshot('migrations', { skip: 'there are none' }),
      service('gateway', { dependsOn: { migrations: 'completed' } }),
      service('hub', { dependsOn: { gateway: 'ready' } }),
    ];
    const run = start(awaitFirst(specs, waits), { 'wait-a': after(1_000), 'wait-b': after(2_000) });
    await run.clock.advance(1_900);
    t.same(['wait-a', 'wait-b', 'gateway'].map(run.stateOf), ['completed', 'starting', 'pending']);
    t.equal(run.health().status, 'starting');
    await run.clock.advance(1_100);
    t.same(['wait-b', 'gateway', 'hub'].map(run.stateOf), ['completed', 'ready', 'ready']);
    run.stop();
    await run.toTheEnd();
    t.equal(run.code, 0);
  },
);
