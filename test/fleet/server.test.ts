/** One server on the fake clock: when its container runs, and what its clients are told. */
import { setMaxListeners } from 'node:events';
import { type Test, test } from 'tap';
import { EngineError } from '../../src/fleet/engine.ts';
import type { Change } from '../../src/fleet/life.ts';
import { Schedule } from '../../src/fleet/schedule.ts';
import { ClosedError, type Lease, Server, type ServerRules } from '../../src/fleet/server.ts';
import { LimitError, Slots } from '../../src/fleet/slots.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { FakeWorkshop } from './fake-workshop.ts';

const never = new AbortController().signal;
setMaxListeners(0, never);
const minute = 60_000;

const rules: ServerRules = {
  name: 'memory',
  strategy: 'on-demand',
  idleTimeoutMs: 5 * minute,
  startTimeoutMs: minute,
  retry: { condition: 'always', baseDelayMs: 1_000, maxDelayMs: minute, maxRestarts: 1, windowMs: 1, resetAfterMs: 1 },
};

/** Servers in one world, running until the test is over. */
function world(t: Test, most = 20) {
  const clock = new FakeClock();
  const self = { clock, isLost: false };
  const slots = new Slots(most);
  const scope = new AbortController();
  const changes: Change[] = [];
  const add = (more: Partial<ServerRules> = {}) => {
    const workshop = new FakeWorkshop(self);
    const changed = (change: Change) => changes.push(change);
    const server = new Server(
      { ...rules, ...more },
      { clock, slots, workshop, random: () => 1, wallMs: () => clock.now(), changed },
    );
    const running = server.run(scope.signal);
    t.teardown(async () => {
      scope.abort();
      await clock.advance(minute);
      await running;
    });
    return { server, workshop };
  };
  return { self, clock, slots, scope, changes, add };
}

/** What came of a promise, as far as it is settled. */
function watch<T>(promise: Promise<T>): { value?: T; error?: Error } {
  const outcome: { value?: T; error?: Error } = {};
  promise.then(
    (value) => Object.assign(outcome, { value }),
    (error) => Object.assign(outcome, { error }),
  );
  return outcome;
}

test('B43 the first request starts the container, many at once start it once, idle time ends it', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add();
  await clock.advance(minute);
  t.equal(server.view.state, 'absent', 'nobody asked');
  const leases = Array.from({ length: 50 }, () => watch(server.acquire(never)));
  await clock.advance(workshop.startMs);
  t.ok(leases.every(({ value }) => value));
  t.equal(workshop.starts, 1);
  for (const { value } of leases) value?.release();
  await clock.advance(rules.idleTimeoutMs - 1);
  t.equal(server.view.state, 'running');
  await clock.advance(1 + workshop.stopMs);
  t.equal(server.view.state, 'absent');
  t.equal(workshop.seen, undefined, 'it is taken away');
});

test('B43 idle counts what is open, never the last request', async (t) => {
  const { clock, add } = world(t);
  const { server } = add();
  const stream = watch(server.acquire(never));
  await clock.advance(10 * rules.idleTimeoutMs);
  t.equal(server.view.state, 'running');
  stream.value?.release();
  stream.value?.release();
  await clock.advance(2 * rules.idleTimeoutMs);
  t.equal(server.view.state, 'absent');
});

test('B43 who waits for a start that fails is told why, and the next one tries again', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add();
  workshop.trouble = new EngineError('no-such-image', 'no such image');
  const [one, two] = [watch(server.acquire(never)), watch(server.acquire(never))];
  await clock.advance(minute);
  t.match(one.error, { trouble: 'no-such-image' });
  t.match(two.error, { trouble: 'no-such-image' });
  t.equal(workshop.starts, 1, 'nobody asked again');
  t.equal(server.view.state, 'failed');
  t.equal(workshop.seen, undefined, 'nothing is left');
  workshop.trouble = undefined;
  const three = watch(server.acquire(never));
  await clock.advance(workshop.startMs);
  t.ok(three.value);
  t.equal(server.view.error, undefined);
});

test('B43 a start that takes too long is given up, and cleaned up', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add();
  workshop.startMs = 10 * minute;
  const lease = watch(server.acquire(never));
  await clock.advance(rules.startTimeoutMs + workshop.stopMs);
  t.match(lease.error, { trouble: 'timeout' });
  t.equal(workshop.seen, undefined);
});

test('B45 a start that nobody waits for any more is called off and cleaned up', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add();
  const client = new AbortController();
  const lease = watch(server.acquire(client.signal));
  await clock.advance(100);
  client.abort();
  await clock.advance(workshop.stopMs);
  t.ok(lease.error);
  t.equal(server.view.state, 'absent');
  t.equal(workshop.seen, undefined);
});

test('B41 one that answers and ends again and again is started less and less often, until it stays', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add({ strategy: 'always-on', retry: { ...rules.retry, resetAfterMs: minute } });
  await clock.advance(workshop.startMs);
  const delays: number[] = [];
  for (const stayMs of [10, 10, 10, 2 * minute, 10]) {
    await clock.advance(stayMs);
    workshop.crash();
    await clock.advance(0);
    const endedMs = clock.now();
    while (server.view.state !== 'starting') await clock.advance(100);
    delays.push(Math.round((clock.now() - endedMs) / 1_000));
    await clock.advance(workshop.startMs + 100);
  }
  t.same(delays, [1, 2, 4, 1, 2]);
});

test('B41 always-on and pre-warmed run from the start and again after an end, with backoff', async (t) => {
  for (const strategy of ['always-on', 'pre-warmed'] as const) {
    const { clock, add } = world(t);
    const { server, workshop } = add({ strategy });
    await clock.advance(workshop.startMs);
    t.equal(server.view.state, 'running');
    const lease = watch(server.acquire(never));
    await settle();
    workshop.crash();
    await settle();
    t.equal(lease.value?.lost.aborted, true, 'its clients hear of it');
    t.equal(server.view.error, 'it ended with 137');
    await clock.advance(rules.retry.baseDelayMs + workshop.startMs);
    t.equal(server.view.state, 'running');
    t.equal(workshop.starts, 2);
  }
});

test('B41 a scheduled server runs in its windows, lets nobody in outside, and ends under nobody', async (t) => {
  const { clock, add } = world(t);
  // The fake clock begins at the epoch: midnight, UTC.
  const schedule = new Schedule([{ cron: '0 8 * * *', durationMs: 10 * 60 * minute, timezone: 'UTC' }]);
  const { server, workshop } = add({ strategy: 'scheduled', schedule });
  await clock.advance(60 * minute);
  t.match(watch(server.acquire(never)), {});
  await t.rejects(server.acquire(never), ClosedError);
  await clock.advance(7 * 60 * minute + workshop.startMs);
  t.equal(server.view.state, 'running');
  const lease = watch(server.acquire(never));
  await clock.advance(11 * 60 * minute);
  t.equal(server.view.state, 'running', 'somebody is still served');
  await t.rejects(server.acquire(never), ClosedError);
  lease.value?.release();
  await clock.advance(workshop.stopMs);
  t.equal(server.view.state, 'absent');
});

test('a stop by name ends it under its clients, holds it down, and keeps or takes away the container', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add({ strategy: 'always-on' });
  await clock.advance(workshop.startMs);
  const lease = watch(server.acquire(never));
  const stopped = watch(server.stop({ remove: false }, never));
  await clock.advance(workshop.stopMs);
  t.ok('value' in stopped);
  t.equal(lease.value?.lost.aborted, true);
  t.equal(server.view.state, 'stopped');
  await clock.advance(60 * minute);
  t.equal(server.view.state, 'stopped', 'also one that is always on');
  await t.rejects(server.acquire(never), ClosedError);
  const removed = watch(server.stop({ remove: true }, never));
  await clock.advance(workshop.stopMs);
  t.ok('value' in removed);
  t.equal(workshop.seen, undefined);
  const started = watch(server.start({ connect: true }, never));
  await clock.advance(workshop.startMs);
  t.ok('value' in started);
});

test('B41 pre-warmed: it runs, and is spoken to when the first client comes', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add({ strategy: 'pre-warmed' });
  workshop.answerMs = 50;
  await clock.advance(minute);
  t.match(server.view, { state: 'running', isConnected: false });
  const lease = watch(server.acquire(never));
  await clock.advance(49);
  t.notOk(lease.value);
  await clock.advance(1);
  t.ok(lease.value);
  t.match(server.view, { state: 'running', isConnected: true });
  t.equal(workshop.starts, 1);
});

test('B41 always on: it is spoken to without a client', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add({ strategy: 'always-on' });
  await clock.advance(workshop.startMs);
  t.match(server.view, { state: 'running', isConnected: true });
});

test('B42 started by name without connecting: done when it runs, and not before', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add();
  workshop.answerMs = 50;
  const started = watch(server.start({ connect: false }, never));
  await clock.advance(workshop.startMs - 1);
  t.notOk('value' in started);
  await clock.advance(1);
  t.ok('value' in started);
  t.match(server.view, { state: 'running', isConnected: false });
  await clock.advance(minute);
  t.match(server.view, { state: 'running', isConnected: false });
  const connected = watch(server.start({ connect: true }, never));
  await clock.advance(50);
  t.ok('value' in connected);
  t.match(server.view, { isConnected: true });
  const other = add();
  other.workshop.trouble = new EngineError('no-such-image', 'no image');
  const failed = watch(other.server.start({ connect: false }, never));
  await clock.advance(workshop.startMs + workshop.stopMs);
  t.match(failed.error?.message, 'no image', 'nothing is claimed');
});

test('B42 a start by name is not called off by an idle time that is shorter', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add({ idleTimeoutMs: 100 });
  const started = watch(server.start({ connect: false }, never));
  await clock.advance(workshop.startMs);
  t.ok('value' in started);
  t.match(server.view, { state: 'running', isConnected: false });
  await clock.advance(100 + workshop.stopMs);
  t.match(server.view, { state: 'absent', open: 0 }, 'and its idle time is counted from then on');
});

test('B43 who asks before the end of a server is seen waits for the next one, and hears nothing of the end', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add();
  const first = watch(server.acquire(never));
  await clock.advance(workshop.startMs);
  t.ok(first.value);
  workshop.hush();
  const second = watch(server.acquire(never));
  await clock.advance(minute);
  t.equal(first.value?.lost.aborted, true);
  t.equal(second.error, undefined);
  t.ok(second.value);
  t.equal(workshop.starts, 2);
});

test('B42 what runs and does not answer has failed, for all who wait, and its log stays', async (t) => {
  const { clock, add, slots } = world(t, 1);
  const { server, workshop } = add();
  workshop.mute = new EngineError('refused', 'it speaks no MCP');
  const leases = [watch(server.acquire(never)), watch(server.acquire(never))];
  await clock.advance(workshop.startMs + workshop.stopMs);
  for (const { error } of leases) t.match(error?.message, 'it speaks no MCP');
  t.equal(workshop.seen?.isRunning, false);
  t.equal(slots.taken, 0);
  workshop.mute = undefined;
  workshop.answerMs = 2 * minute;
  const late = watch(server.acquire(never));
  await clock.advance(minute + workshop.stopMs);
  t.match(late.error, { trouble: 'timeout' }, 'the time for the start is one, for running and answering');
  t.equal(workshop.seen?.isRunning, false);
});

test('B42 what has failed is taken away by name at once, not after the wait for its next start', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add();
  workshop.mute = new EngineError('refused', 'it speaks no MCP');
  watch(server.acquire(never));
  await clock.advance(workshop.startMs + workshop.stopMs);
  t.match(server.view, { state: 'failed' });
  const stopped = watch(server.stop({ remove: true }, never));
  await clock.advance(workshop.stopMs);
  t.ok('value' in stopped);
  t.equal(workshop.seen, undefined);
  t.match(server.view, { state: 'absent' });
});

test('B43 what runs and is heard no more is started anew for whoever comes next, and keeps its place', async (t) => {
  const { clock, add, slots } = world(t, 1);
  const { server, workshop } = add();
  const first = watch(server.acquire(never));
  await clock.advance(workshop.startMs);
  workshop.hush();
  await clock.advance(0);
  t.ok(first.value?.lost.aborted);
  t.match(server.view, { state: 'failed', error: 'it is heard no more' });
  t.equal(slots.taken, 1, 'it runs still');
  const second = watch(server.acquire(never));
  await clock.advance(workshop.startMs);
  t.ok('value' in second);
  t.equal(workshop.starts, 2);
});

test('B43 a client that goes while it is connected leaves it running for its idle time', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add({ strategy: 'pre-warmed' });
  workshop.answerMs = minute / 2;
  await clock.advance(workshop.startMs);
  const hangUp = new AbortController();
  const lease = watch(server.acquire(hangUp.signal));
  await clock.advance(1_000);
  hangUp.abort();
  await clock.advance(minute);
  t.ok(lease.error);
  t.match(server.view, { state: 'running', isConnected: false, open: 0 });
});

test('B42 over the limit the longest idle one yields; if all are in use it is refused', async (t) => {
  const { clock, add } = world(t, 2);
  const [one, two, three] = [add({ name: 'one' }), add({ name: 'two' }), add({ name: 'three' })];
  const leases: (Lease | undefined)[] = [];
  for (const { server } of [one, two]) {
    const lease = watch(server.acquire(never));
    await clock.advance(1_000);
    leases.push(lease.value);
  }
  t.match(await three.server.acquire(never).catch((error) => error), LimitError);
  leases[1]?.release();
  await clock.advance(1_000);
  leases[0]?.release();
  await clock.advance(1_000);
  const third = watch(three.server.acquire(never));
  await clock.advance(1_000);
  t.ok(third.value);
  t.equal(two.server.view.state, 'absent', 'idle for longest');
  t.equal(one.server.view.state, 'running');
});

test('B45 the engine goes away: who is served is served on, others are told; it comes back, and all is as before', async (t) => {
  const { self, clock, add } = world(t);
  const { server, workshop } = add();
  const lease = watch(server.acquire(never));
  await clock.advance(1_000);
  self.isLost = true;
  server.poke();
  await settle();
  t.equal(server.view.state, 'unknown');
  t.equal(lease.value?.lost.aborted, false);
  t.ok(await server.acquire(never));
  self.isLost = false;
  server.poke();
  await settle();
  t.equal(server.view.state, 'running');
  t.equal(workshop.starts, 1);
  const other = add({ name: 'other' });
  await settle();
  self.isLost = true;
  t.match(await other.server.acquire(never).catch((error) => error), { trouble: 'unreachable' });
  t.match(await other.server.stop({ remove: true }, never).catch((error) => error), { trouble: 'unreachable' });
});

test('B45 a stop that was answered with a failure does not happen when the engine is back', async (t) => {
  const { self, clock, add } = world(t);
  const { server, workshop } = add({ strategy: 'always-on' });
  await clock.advance(1_000);
  self.isLost = true;
  server.poke();
  await settle();
  t.match(await server.stop({ remove: true }, never).catch((error) => error), { trouble: 'unreachable' });
  self.isLost = false;
  server.poke();
  await clock.advance(1_000);
  t.equal(server.view.state, 'running');
  t.equal(workshop.starts, 1);
});

test('B42 an engine that is gone comes before what failed while it was there', async (t) => {
  const { self, clock, add } = world(t);
  const { server, workshop } = add();
  workshop.trouble = new EngineError('refused', 'it ended with 1');
  const failed = watch(server.acquire(never));
  await clock.advance(1_000);
  t.match(failed.error, { trouble: 'refused' });
  self.isLost = true;
  server.poke();
  await settle();
  t.match(await server.acquire(never).catch((error) => error), { trouble: 'unreachable' });
});

test('B45 what is heard no more serves nobody: not while the engine is gone, nor after', async (t) => {
  const { self, clock, add } = world(t);
  const { server, workshop } = add();
  const lease = watch(server.acquire(never));
  await clock.advance(1_000);
  self.isLost = true;
  workshop.hush();
  await settle();
  t.equal(lease.value?.lost.aborted, true);
  t.match(await server.acquire(never).catch((error) => error), { trouble: 'unreachable' });
  self.isLost = false;
  server.poke();
  await clock.advance(1_000);
  const other = watch(server.acquire(never));
  await clock.advance(1_000);
  t.ok(other.value);
  t.equal(workshop.starts, 2);
});

test('B45 what runs when the fleet comes is adopted if it is wanted, and else taken away', async (t) => {
  const { clock, add } = world(t);
  const [wanted, unwanted] = [add({ strategy: 'always-on' }), add()];
  wanted.workshop.appear(true);
  unwanted.workshop.appear(true);
  unwanted.server.poke();
  await clock.advance(1_000);
  t.equal(wanted.server.view.state, 'running');
  t.equal(wanted.workshop.seen?.id, '1', 'the same one');
  t.equal(unwanted.workshop.seen, undefined);
});

test('B45 an end that nobody told of is seen at the next look', async (t) => {
  const { clock, add } = world(t);
  const { server, workshop } = add({ strategy: 'always-on' });
  await clock.advance(1_000);
  workshop.crash(false);
  await clock.advance(minute);
  t.equal(server.view.state, 'running');
  server.poke();
  await clock.advance(rules.retry.baseDelayMs + workshop.startMs);
  t.equal(workshop.starts, 2);
});
