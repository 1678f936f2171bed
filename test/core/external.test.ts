/** What somebody else runs and is only waited for, and the time to settle. */
import t from 'tap';
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
