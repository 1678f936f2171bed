import { getEventListeners } from 'node:events';
import t from 'tap';
import { aborted, Cell, forever, race } from '../../src/core/scope.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

const listenersOn = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

t.test('race names the arm that settles first and hands over its value', async (t) => {
  const clock = new FakeClock();
  const racing = race({
    late: (signal) => clock.sleep(20, signal),
    early: async (signal) => {
      await clock.sleep(10, signal);
      return 'value';
    },
  });
  await clock.advance(10);
  t.same(await racing, { arm: 'early', value: 'value' });
  t.equal(clock.pendingTimers, 0, 'the loser sleeps no more');
});

t.test('race: among arms that are settled already the first named wins', async (t) => {
  t.equal((await race({ a: async () => 1, b: async () => 2 })).arm, 'a');
  t.equal((await race({ never: forever, b: async () => 2, c: async () => 3 })).arm, 'b');
});

t.test('race returns only when the aborted losers have settled', async (t) => {
  const clock = new FakeClock();
  let hasTidied = false;
  let isOver = false;
  const racing = race({
    winner: (signal) => clock.sleep(10, signal),
    loser: async (signal) => {
      await forever(signal);
      await clock.sleep(5, new AbortController().signal);
      hasTidied = true;
    },
  }).then(() => {
    isOver = true;
  });
  await clock.advance(14);
  t.notOk(isOver, 'the loser is still tidying up');
  await clock.advance(1);
  await racing;
  t.ok(hasTidied);
});

t.test('race throws what the first arm threw, and aborts the others', async (t) => {
  let wasAborted = false;
  const racing = race({
    other: async (signal) => {
      await forever(signal);
      wasAborted = true;
    },
    bad: async () => {
      throw new Error('first');
    },
  });
  await t.rejects(racing, { message: 'first' });
  t.ok(wasAborted);
});

t.test('race throws what a loser throws while it is aborted', async (t) => {
  const racing = race({
    winner: async () => 'won',
    loser: async (signal) => {
      await forever(signal);
      throw new Error('in the loser');
    },
  });
  await t.rejects(racing, { message: 'in the loser' });
});

t.test('race: an arm that throws without a promise is an arm that threw', async (t) => {
  const racing = race({
    bad: () => {
      throw new Error('at once');
    },
    other: forever,
  });
  await t.rejects(racing, { message: 'at once' });
});

t.test('race waits for the losers also when the winner threw', async (t) => {
  const clock = new FakeClock();
  let hasTidied = false;
  let whenOver: boolean | undefined;
  const racing = race({
    bad: async () => {
      throw new Error('first');
    },
    slow: async (signal) => {
      await forever(signal);
      await clock.sleep(5, new AbortController().signal);
      hasTidied = true;
    },
  }).catch(() => {
    whenOver = hasTidied;
  });
  await clock.advance(5);
  await racing;
  t.equal(whenOver, true, 'nothing outlives its block');
});

t.test('race: of two errors the first to be thrown is the one that is thrown', async (t) => {
  const racing = race({
    second: async (signal) => {
      await forever(signal);
      throw new Error('second');
    },
    first: async () => {
      throw new Error('first');
    },
  });
  await t.rejects(racing, { message: 'first' });
});

t.test('aborted resolves with its target or with its scope, and leaves no listener on either', async (t) => {
  for (const which of ['target', 'scope'] as const) {
    const controllers = { target: new AbortController(), scope: new AbortController() };
    const waiting = aborted(controllers.target.signal, controllers.scope.signal);
    t.equal(listenersOn(controllers.target.signal), 1);
    controllers[which].abort();
    await waiting;
    t.equal(listenersOn(controllers.target.signal), 0, `${which}: none on the target`);
    t.equal(listenersOn(controllers.scope.signal), 0, `${which}: none on the scope`);
  }
});

t.test('aborted and forever resolve at once when it has happened already', async (t) => {
  const live = new AbortController().signal;
  await aborted(AbortSignal.abort(), live);
  await aborted(live, AbortSignal.abort());
  await forever(AbortSignal.abort());
  t.equal(listenersOn(live), 0);
});

t.test('Cell: until resolves when the claim holds, now or later, or when the scope is aborted', async (t) => {
  const cell = new Cell(1);
  const scope = new AbortController();
  await cell.until((value) => value === 1, scope.signal);
  let isThree = false;
  const three = cell
    .until((value) => value === 3, scope.signal)
    .then(() => {
      isThree = true;
    });
  cell.value = 2;
  await settle();
  t.notOk(isThree);
  cell.value = 3;
  await three;
  t.equal(cell.value, 3);
  t.equal(listenersOn(scope.signal), 0, 'nothing is left on the scope');

  const never = cell.until((value) => value === 4, scope.signal);
  t.equal(listenersOn(scope.signal), 1);
  scope.abort();
  await never;
  t.equal(listenersOn(scope.signal), 0);
  await cell.until(() => false, scope.signal);
});

t.test('Cell: a value that holds only for a moment wakes its waiter all the same', async (t) => {
  const cell = new Cell('before');
  const waiting = cell.until((value) => value === 'for a moment', new AbortController().signal);
  cell.value = 'for a moment';
  cell.value = 'after';
  await waiting;
  t.equal(cell.value, 'after');
});
