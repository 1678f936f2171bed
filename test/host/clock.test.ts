import { getEventListeners } from 'node:events';
import t from 'tap';
import { systemClock } from '../../src/host/clock.ts';

const timersNow = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

t.test('sleep ends after its time, not before', async (t) => {
  const since = systemClock.now();
  await systemClock.sleep(20, new AbortController().signal);
  t.ok(systemClock.now() - since >= 19);
});

t.test('sleep ends at once when aborted, and leaves neither timer nor listener', async (t) => {
  const scope = new AbortController();
  const timers = timersNow();
  const sleeps = [60_000, Number.POSITIVE_INFINITY].map((ms) => systemClock.sleep(ms, scope.signal));
  t.equal(timersNow(), timers + 2);
  scope.abort();
  await Promise.all(sleeps);
  t.equal(timersNow(), timers);
  t.equal(getEventListeners(scope.signal, 'abort').length, 0);
});

t.test('sleep leaves no listener when its time is over', async (t) => {
  const scope = new AbortController();
  await systemClock.sleep(1, scope.signal);
  t.equal(getEventListeners(scope.signal, 'abort').length, 0);
});

t.test('sleep with an aborted signal does not wait', async (t) => {
  const timers = timersNow();
  await systemClock.sleep(60_000, AbortSignal.abort());
  t.equal(timersNow(), timers);
});

for (const ms of [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY]) {
  t.test(`sleep of ${ms} ms does not end at once, as a timer of Node would`, async (t) => {
    const scope = new AbortController();
    let isOver = false;
    const sleep = systemClock.sleep(ms, scope.signal).then(() => {
      isOver = true;
    });
    await systemClock.sleep(20, new AbortController().signal);
    t.notOk(isOver);
    scope.abort();
    await sleep;
  });
}

t.test('sleep until a moment that has passed is over soon, and nothing that Node would warn of', async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  t.teardown(() => process.off('warning', note));
  await systemClock.sleep(-5, new AbortController().signal);
  t.same(warnings, []);
});
