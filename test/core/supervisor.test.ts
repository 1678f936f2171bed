/** The end of a run: who stops when, how long each may take, and what comes out. */
import { getEventListeners, setMaxListeners } from 'node:events';
import t from 'tap';
import { makePlan } from '../../src/core/plan.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { Supervisor } from '../../src/core/supervisor.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { FakeMachine, type Manners, type Script } from '../support/fake-machine.ts';
import { answering, mainJob, migrating, oneshot, type Run, restarting, service, start } from './harness.ts';

// As the host does it: a plan may have many services.
setMaxListeners(0);

/** The main job, up; it was so at 142 ms. */
async function up(scripts: Record<string, Script> = {}, policy = {}, more = {}): Promise<Run> {
  const run = start(mainJob(more), { migrations: migrating, ...scripts }, policy);
  await run.clock.advance(1_000);
  return run;
}

const ignoresTerm: Manners = { reactions: { SIGTERM: 'ignores' } };
const takes = (afterMs: number, code = 0): Manners => ({ reactions: { SIGTERM: { afterMs, exit: { code } } } });

t.test('B12 hub first, then the gateway as soon as the hub has ended; a clean stop is 0', async (t) => {
  const run = await up({ hub: takes(300), gateway: takes(200) });
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.signals, ['hub SIGTERM@1000', 'gateway SIGTERM@1300']);
  t.equal(run.clock.now(), 1_500);
  t.same(run.outcome, { kind: 'stopped', by: 'SIGTERM', forced: [] });
  t.equal(run.code, 0);
});

t.test('B12 a child that we asked may end with any code or signal: the stop is clean', async (t) => {
  const exits = [{ code: 0 }, { code: 1 }, { code: 143 }, { signal: 'SIGTERM' }, { signal: 'SIGKILL' }] as const;
  for (const exit of exits) {
    const run = await up({ hub: { reactions: { SIGTERM: { afterMs: 5, exit } } } });
    run.stop();
    t.equal((await run.toTheEnd()).code, 0);
  }
});

t.test('B12 each service gets the signal that is graceful for it, whatever came in', async (t) => {
  const run = await up({}, {}, { gateway: { stopSignal: 'SIGQUIT' } });
  run.stop('SIGINT');
  await run.toTheEnd();
  t.same(run.machine.signals, ['hub SIGTERM@1000', 'gateway SIGQUIT@1005']);
  t.equal(run.outcome?.kind === 'stopped' && run.outcome.by, 'SIGINT');
});

t.test('B12 each stop signal is followed by SIGCONT, so that a stopped process hears it', async (t) => {
  const run = await up();
  run.stop();
  await run.toTheEnd();
  const heard = run.machine.deeds.flatMap((deed) => (deed.did === 'signal' ? [`${deed.service} ${deed.signal}`] : []));
  t.same(heard, ['hub SIGTERM', 'hub SIGCONT', 'gateway SIGTERM', 'gateway SIGCONT']);
});

t.test(
  'B12 a hub that does not end is killed in time for the gateway to end gracefully; code 1, its name',
  async (t) => {
    const run = await up({ hub: ignoresTerm, gateway: takes(1_400) });
    run.stop();
    await run.toTheEnd();
    t.same(
      run.machine.signals,
      ['hub SIGTERM@1000', 'hub SIGKILL@8250', 'gateway SIGTERM@8250'],
      '9 s - 0.25 - 1.5 reserve',
    );
    t.equal(run.clock.now(), 9_650, 'inside the one budget');
    t.same(run.outcome, { kind: 'stopped', by: 'SIGTERM', forced: ['hub'] });
    t.equal(run.code, 1);
  },
);

t.test('B12 both do not end: both are killed, in order, inside the budget', async (t) => {
  const run = await up({ hub: ignoresTerm, gateway: ignoresTerm });
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.signals, ['hub SIGTERM@1000', 'hub SIGKILL@8250', 'gateway SIGTERM@8250', 'gateway SIGKILL@9750']);
  t.equal(run.code, 1);
});

t.test('B12 a service has no more than its own limit', async (t) => {
  const run = await up({ hub: ignoresTerm }, {}, { hub: { stopGraceMs: 2_000 } });
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.signals, ['hub SIGTERM@1000', 'hub SIGKILL@3000', 'gateway SIGTERM@3000']);
});

t.test('B12 what an earlier one does not need is there for the later one', async (t) => {
  const run = await up({ hub: takes(10), gateway: takes(8_000) });
  run.stop();
  await run.toTheEnd();
  t.equal(run.code, 0);
  t.equal(run.clock.now(), 9_010);
});

t.test('services that do not depend on each other stop side by side', async (t) => {
  const run = start([service('a'), service('b'), service('c', { dependsOn: { a: 'ready', b: 'ready' } })], {
    a: takes(300),
    b: takes(200),
  });
  await run.clock.advance(100);
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.signals, ['c SIGTERM@100', 'a SIGTERM@105', 'b SIGTERM@105']);
  t.equal(run.clock.now(), 405);
});

t.test('B12 a second signal kills all at once: 128+n of the second', async (t) => {
  const run = await up({ hub: ignoresTerm, gateway: ignoresTerm });
  run.stop('SIGTERM');
  await run.clock.advance(500);
  run.kill('SIGINT');
  await run.toTheEnd();
  t.equal(run.clock.now(), 1_500);
  t.same(run.outcome, { kind: 'killed', by: 'SIGINT' });
  t.equal(run.code, 130);
  t.same(run.machine.times('kill'), ['hub@1500', 'gateway@1500']);
});

t.test('B12 a second signal while migrating kills the tool: 128+n', async (t) => {
  const run = start(mainJob(), { migrations: ignoresTerm });
  await run.clock.advance(50);
  run.stop();
  await run.clock.advance(50);
  run.kill();
  await run.toTheEnd();
  t.same(run.machine.signals, ['migrations SIGTERM@50', 'migrations SIGKILL@100']);
  t.equal(run.code, 143);
});

t.test(
  'a second signal while the others are stopped for a lost service kills them; the code stays that of the lost one',
  async (t) => {
    const run = await up({ gateway: ignoresTerm });
    run.machine.living('hub').end({ code: 7 });
    await run.clock.advance(100);
    run.stop();
    await run.clock.advance(100);
    t.same(run.machine.times('kill'), [], 'the first signal asks for what happens already');
    run.kill();
    await run.toTheEnd();
    t.equal(run.clock.now(), 1_200);
    t.equal(run.code, 7);
  },
);

t.test('B12 a process that hangs in the kernel is left behind: the run ends all the same', async (t) => {
  const run = await up({ gateway: { ...ignoresTerm, diesAfterMs: Infinity } });
  run.stop();
  await run.toTheEnd();
  t.ok(run.clock.now() <= 1_000 + 9_000 + 2_000, `after ${run.clock.now() - 1_000} ms`);
  t.same(run.outcome, { kind: 'stopped', by: 'SIGTERM', forced: ['gateway'] });
  t.same(run.machine.times('cleaned', 'gateway').length, 1);
});

t.test('B12 a budget of nothing: everything is asked and killed at once', async (t) => {
  const run = await up({ hub: ignoresTerm, gateway: ignoresTerm }, { stopTimeoutMs: 0 });
  run.stop();
  await run.toTheEnd();
  t.equal(run.clock.now(), 1_000);
  t.equal(run.code, 1);
});

t.test('B11 the crash of one: the other is asked in the same moment, and has a budget of its own', async (t) => {
  const run = await up({ gateway: takes(8_000), hub: { ends: { afterMs: 2_000, exit: { code: 3 } } } });
  await run.toTheEnd();
  t.same(run.machine.signals, ['gateway SIGTERM@2121']);
  t.same(run.machine.times('exit', 'gateway'), ['gateway@10121']);
  t.equal(run.code, 3);
});

t.test('B11 the crash of the first: its siblings are asked before its output is drained', async (t) => {
  const run = await up({ gateway: { ends: { afterMs: 2_000, exit: { code: 3 } }, cleanUpMs: 1_000 } });
  await run.toTheEnd();
  t.same(run.machine.signals, ['hub SIGTERM@2100']);
  t.equal(run.clock.now(), 3_100, 'but the run ends only when it is');
});

t.test('B12 the last output of one that had to be killed is drained inside the budget', async (t) => {
  const run = await up({ hub: { ...ignoresTerm, cleanUpMs: 1_000 }, gateway: { ...ignoresTerm, cleanUpMs: 1_000 } });
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.times('kill', 'gateway'), ['gateway@9750']);
  t.equal(run.clock.now(), 10_000, 'what is left of 9 s, and not a second');
});

t.test('B11 two crashes: the code of the first', async (t) => {
  const run = await up({ gateway: { reactions: { SIGTERM: { afterMs: 100, exit: { code: 9 } } } } });
  run.machine.living('hub').end({ code: 3 });
  await settle();
  run.machine.living('gateway').end({ code: 4 });
  t.equal((await run.toTheEnd()).code, 3);
});

t.test('a crash while stopping changes nothing: it was asked for', async (t) => {
  const run = await up({ hub: takes(500) });
  run.stop();
  await run.clock.advance(100);
  run.machine.living('gateway').end({ code: 9 });
  await run.toTheEnd();
  t.equal(run.code, 0);
});

t.test('a stop asked for before anything began: nothing is started, 0', async (t) => {
  const run = start(mainJob());
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.deeds, []);
  t.equal(run.code, 0);
  t.same(run.pathOf('hub'), ['stop>stopped']);
});

t.test('B55 a stop asked for before anything began is known at once', async (t) => {
  const observer = { transition: () => {}, warn: () => {}, waiting: () => {} };
  const supervisor = new Supervisor(makePlan(mainJob()), new FakeMachine(new FakeClock()), observer, {
    stopTimeoutMs: 9_000,
    drainDelayMs: 0,
  });
  const running = supervisor.run({ stop: AbortSignal.abort('SIGINT'), kill: new AbortController().signal });
  t.same(supervisor.ending, { reason: 'stopped by SIGINT', isFailure: false });
  t.same(await running, { kind: 'stopped', by: 'SIGINT', forced: [] });
});

t.test('B58 readiness drops at once, the first TERM follows after the drain delay, in the one budget', async (t) => {
  const run = await up({ hub: ignoresTerm }, { drainDelayMs: 3_000 });
  run.stop();
  await run.clock.advance(0);
  t.match(run.health(), { status: 'stopping', ready: false, live: true });
  await run.clock.advance(2_999);
  t.same(run.machine.signals, []);
  await run.toTheEnd();
  t.same(run.machine.signals, ['hub SIGTERM@4000', 'hub SIGKILL@8250', 'gateway SIGTERM@8250']);
});

t.test('B58 a second signal cuts the drain', async (t) => {
  const run = await up({}, { drainDelayMs: 3_000 });
  run.stop();
  await run.clock.advance(1_000);
  run.kill();
  await run.toTheEnd();
  t.equal(run.clock.now(), 2_000);
  t.equal(run.code, 143);
});

t.test('B58 nothing is started while it drains', async (t) => {
  const run = start(mainJob(), { migrations: migrating }, { drainDelayMs: 3_000 });
  await run.clock.advance(110);
  run.stop();
  await run.clock.advance(1_000);
  t.equal(run.stateOf('gateway'), 'ready', 'what was started goes on');
  await run.toTheEnd();
  t.same(run.machine.times('spawn'), ['migrations@0', 'gateway@100']);
});

t.test('B58 a service that is lost while it drains ends the drain; the stop was asked for: 0', async (t) => {
  const run = await up({}, { drainDelayMs: 3_000 });
  run.stop();
  await run.clock.advance(1_000);
  run.machine.living('hub').end({ code: 5 });
  await run.toTheEnd();
  t.same(run.machine.signals, ['gateway SIGTERM@2000']);
  t.equal(run.code, 0);
});

t.test('B58 a lost service is not drained for', async (t) => {
  const run = await up({}, { drainDelayMs: 3_000 });
  run.machine.living('hub').end({ code: 5 });
  await run.toTheEnd();
  t.same(run.machine.signals, ['gateway SIGTERM@1000']);
});

t.test('B12 a grace that began before the stop leaves its share to those that come later', async (t) => {
  const liveness = {
    probe: answering(7300).probe,
    timing: { intervalMs: 500, timeoutMs: 100, failureThreshold: 1, successThreshold: 1 },
  };
  const run = await up(
    { hub: { ...ignoresTerm, answers: (ageMs: number) => (ageMs > 2_000 ? 'silence' : { ok: true }) } },
    {},
    { hub: { liveness, essential: false, stopGraceMs: 60_000 } },
  );
  await run.clock.advance(4_000);
  t.equal(run.stateOf('hub'), 'stopping');
  run.stop();
  await run.toTheEnd();
  const gateway = run.machine.signals.filter((signal) => signal.startsWith('gateway'));
  t.equal(gateway.length, 1, 'the gateway gets its TERM and the time to end by it');
  t.same(run.machine.times('kill'), ['hub@12250'], 'the stop shortens the grace of the hub, it does not end it');
  t.ok(run.clock.now() <= 5_000 + 9_000 + 2_000);
});

t.test('B12 a grace that began before the stop is not lengthened by it', async (t) => {
  const timing = { intervalMs: 500, timeoutMs: 100, failureThreshold: 1, successThreshold: 1 };
  const liveness = { probe: { kind: 'exec', command: ['true'] }, timing } as const;
  const run = start([service('hub', { liveness, essential: false, stopGraceMs: 2_000 })], {
    hub: { ...ignoresTerm, answers: (ageMs: number) => (ageMs > 2_000 ? 'silence' : { ok: true }) },
  });
  await run.clock.advance(3_000);
  t.same(run.machine.signals, ['hub SIGTERM@2103']);
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.times('kill'), ['hub@4103']);
});

t.test('B12 a hub that hangs in the kernel holds nobody up beyond the budget', async (t) => {
  const run = await up({ hub: { ...ignoresTerm, diesAfterMs: Infinity } });
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.signals, [
    'hub SIGTERM@1000',
    'hub SIGKILL@8250',
    'gateway SIGTERM@10000',
    'gateway SIGKILL@10000',
  ]);
  const { pid, exit } = run.supervisor.views.find(({ name }) => name === 'hub') ?? {};
  t.same({ pid, exit }, { pid: undefined, exit: { signal: 'SIGKILL' } }, 'it is left behind');
});

t.test('B58 the drain delay is no part of the budget of a lost service', async (t) => {
  const specs = [service('db'), service('gateway'), service('hub', { dependsOn: { gateway: 'ready' } })];
  const hangs = { ...ignoresTerm, diesAfterMs: Infinity };
  const run = start(specs, { hub: hangs }, { stopTimeoutMs: 1_000, drainDelayMs: 3_000 });
  await run.clock.advance(1_000);
  run.machine.living('db').end({ code: 3 });
  await run.toTheEnd();
  t.same(
    run.machine.signals.filter((signal) => signal.startsWith('gateway')),
    ['gateway SIGTERM@2000', 'gateway SIGKILL@2000'],
  );
});

t.test('B12 without a drain delay the first stop signal waits for no timer', async (t) => {
  const run = await up();
  run.stop();
  await settle();
  t.same(run.machine.signals, ['hub SIGTERM@1000']);
  t.same(run.supervisor.ending, { reason: 'stopped by SIGTERM', isFailure: false });
});

t.test('B12 a plan with very many ways through it stops as promptly as any other', async (t) => {
  const layers = Array.from({ length: 25 }, (_, layer) => {
    const dependsOn = layer === 0 ? {} : { [`a${layer - 1}`]: 'started', [`b${layer - 1}`]: 'started' };
    return ['a', 'b'].map((name) => service(`${name}${layer}`, { dependsOn } as Partial<ServiceSpec>));
  });
  const run = start(layers.flat());
  await run.clock.advance(100);
  run.stop();
  await run.toTheEnd();
  t.equal(run.code, 0);
  t.equal(run.machine.times('spawn').length, 50);
});

t.test('B12 of those that stop later side by side the one that needs most has its reserve', async (t) => {
  const later = [service('redis', { stopGraceMs: 100 }), service('gateway')];
  for (const [first, second] of [later, later.toReversed()]) {
    if (!first || !second) continue;
    const hub = service('hub', { dependsOn: { [first.name]: 'ready', [second.name]: 'ready' } });
    const run = start([first, second, hub], { hub: ignoresTerm, gateway: takes(1_400) });
    await run.clock.advance(100);
    run.stop();
    await run.toTheEnd();
    t.match(run.outcome, { kind: 'stopped', forced: ['hub'] }, `${first.name}, then ${second.name}`);
  }
});

t.test('B55 the reason of the end is known from its beginning on', async (t) => {
  const run = await up({ gateway: takes(1_000) });
  t.equal(run.supervisor.ending, undefined);
  run.machine.living('hub').end({ signal: 'SIGKILL' });
  await settle();
  t.same(run.supervisor.ending, { reason: '"hub" ended by itself: SIGKILL', isFailure: true });
  t.match(run.health(), { status: 'stopping', live: false });
});

t.test('signals are forwarded to the running services that ask for them', async (t) => {
  const run = start(
    [
      service('one', { forwardSignals: ['SIGHUP', 'SIGUSR1'] }),
      service('all', { forwardSignals: 'all' }),
      service('none'),
      oneshot('done', { forwardSignals: 'all', essential: false }),
    ],
    { done: { ends: { afterMs: 10, exit: { code: 0 } } } },
  );
  t.same(run.supervisor.forward('SIGUSR1'), ['one', 'all', 'done'], 'kept for those that take everything');
  await run.clock.advance(100);
  t.same(run.supervisor.forward('SIGHUP'), ['one', 'all', 'done']);
  t.same(run.machine.signals, ['all SIGUSR1@0', 'done SIGUSR1@0', 'one SIGHUP@100', 'all SIGHUP@100']);
  t.same(run.supervisor.forward('SIGWINCH'), ['all', 'done']);
});

t.test('every transition is told, with how long the state before it lasted', async (t) => {
  const run = await up();
  t.match(run.transitions.at(-1), {
    service: 'hub',
    from: 'starting',
    to: 'ready',
    event: 'probe-succeeded',
    elapsedMs: 21,
  });
});

t.test('an error in the machine is a bug: run rejects with it and waits for no timer', async (t) => {
  const clock = new FakeClock();
  class Broken extends FakeMachine {
    override launch(): Promise<never> {
      return Promise.reject(new Error('a bug'));
    }
  }
  const observer = { transition: () => {}, warn: () => {}, waiting: () => {} };
  const supervisor = new Supervisor(makePlan([service('a')]), new Broken(clock), observer, {
    stopTimeoutMs: 1,
    drainDelayMs: 0,
  });
  const live = new AbortController().signal;
  await t.rejects(supervisor.run({ stop: live, kill: live }), { message: 'a bug' });
  t.equal(clock.pendingTimers, 0);
});

t.test('at the end no timer, no listener and no wait is left', async (t) => {
  const run = await up({ hub: ignoresTerm, gateway: { ends: { afterMs: 5_000, exit: { code: 1 } } } });
  await run.toTheEnd();
  t.equal(run.clock.pendingTimers, 0);
  t.equal(run.machine.waits, 0);
  for (const signal of [run.requests.stop, run.requests.kill]) t.same(getEventListeners(signal, 'abort'), []);
  for (const process of run.machine.processes) t.equal(process.waiters, 0);
});

t.test('a hundred restarts leave nothing behind on the long-lived signals', async (t) => {
  const spec = service('a', { restart: restarting('always', { baseDelayMs: 0, maxRestarts: 1_000 }) });
  const run = start([spec], { a: { ends: { afterMs: 10, exit: { code: 1 } } } });
  await run.clock.advance(15);
  const before = getEventListeners(run.requests.stop, 'abort').length;
  await run.clock.advance(1_000);
  t.ok(run.machine.processes.length > 90);
  t.equal(getEventListeners(run.requests.stop, 'abort').length, before);
});
