/** Sessions on the fake clock: for how long each keeps its server. */
import { type Test, test } from 'tap';
import type { Lease } from '../../src/fleet/server.ts';
import { Sessions } from '../../src/fleet/sessions.ts';
import type { McpUpstream } from '../../src/fleet/transport/upstream.ts';
import { FakeClock } from '../support/fake-clock.ts';

const minute = 60_000;

function world(t: Test) {
  const clock = new FakeClock();
  const sessions = new Sessions(clock, 30 * minute);
  const scope = new AbortController();
  const running = sessions.run(scope.signal);
  t.teardown(async () => {
    scope.abort();
    await running;
  });
  return { clock, sessions };
}

/** A run of a server, and how many hold it. */
function service() {
  const lost = new AbortController();
  const forgotten: string[] = [];
  const upstream: McpUpstream = {
    endpoint: 'fake',
    isConnected: true,
    isLost: false,
    connect: async () => {},
    close: () => {},
    handle: async () => {},
    forget: (id) => void forgotten.push(id),
  };
  const self = { holders: 0, forgotten, end: () => lost.abort(), lease };
  function lease(): Lease<McpUpstream> {
    self.holders += 1;
    let isOver = false;
    const release = () => {
      if (!isOver) self.holders -= 1;
      isOver = true;
    };
    return { upstream, lost: lost.signal, release, again: lease };
  }
  return self;
}

test('B43 a session keeps its server until it is ended', async (t) => {
  const { sessions } = world(t);
  const one = service();
  sessions.begin('memory', 'id', one.lease());
  t.equal(one.holders, 1);
  sessions.finish('memory', 'id');
  sessions.finish('memory', 'id');
  t.equal(one.holders, 0);
  t.equal(sessions.enter('memory', 'id'), undefined);
});

test('B43 a session is over when nothing is heard of it, counted from the end of what was open', async (t) => {
  const { clock, sessions } = world(t);
  const one = service();
  sessions.begin('memory', 'id', one.lease());
  const stream = sessions.enter('memory', 'id');
  await clock.advance(100 * minute);
  t.equal(one.holders, 2);
  stream?.release();
  stream?.release();
  await clock.advance(29 * minute);
  t.equal(one.holders, 1);
  await clock.advance(2 * minute);
  t.equal(one.holders, 0);
  t.same(one.forgotten, ['id'], 'its server is told');
});

test('B43 a session is over with its server, also when that was gone before it began', async (t) => {
  const { sessions } = world(t);
  const one = service();
  sessions.begin('memory', 'first', one.lease());
  one.end();
  sessions.begin('memory', 'second', one.lease());
  t.equal(sessions.count(), 0);
  t.equal(one.holders, 0);
});

test('B43 a session is of one server', async (t) => {
  const { sessions } = world(t);
  sessions.begin('memory', 'id', service().lease());
  t.equal(sessions.enter('filesystem', 'id'), undefined);
  t.ok(sessions.enter('memory', 'id'));
});

test('B43 sessions of two servers with one id are two, and an id that is given once more ends the first', async (t) => {
  const { sessions } = world(t);
  const [one, other] = [service(), service()];
  sessions.begin('memory', 'id', one.lease());
  sessions.begin('filesystem', 'id', other.lease());
  t.equal(sessions.count(), 2);
  sessions.begin('memory', 'id', one.lease());
  t.same([one.holders, other.holders], [1, 1]);
  sessions.finish('memory', 'id');
  t.same([one.holders, other.holders], [0, 1]);
});
