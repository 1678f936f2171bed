import t from 'tap';
import { type ComponentReport, healthReport, type OverallStatus, type ServiceView } from '../../src/core/health.ts';
import { type State, transitions } from '../../src/core/state.ts';

function view(name: string, state: State, more: Partial<ServiceView> = {}): ServiceView {
  return {
    name,
    state,
    reason: 'because',
    since: 1_000,
    essential: true,
    type: 'service',
    restarts: 0,
    forced: false,
    ...more,
  };
}

function report(views: readonly ServiceView[], ending?: { reason: string; isFailure: boolean }) {
  return healthReport({ views, ending, now: 3_500, startedAt: 500, version: '1.2.3' });
}

/** What one service in this state makes of the component and of the whole. */
const cells: Record<State, readonly [ComponentReport['status'], OverallStatus]> = {
  pending: ['pending', 'starting'],
  starting: ['starting', 'starting'],
  ready: ['healthy', 'healthy'],
  unready: ['unhealthy', 'unhealthy'],
  stopping: ['stopping', 'unhealthy'],
  backoff: ['unhealthy', 'unhealthy'],
  stopped: ['stopped', 'unhealthy'],
  failed: ['unhealthy', 'unhealthy'],
  completed: ['completed', 'healthy'],
  skipped: ['skipped', 'healthy'],
};

for (const state of Object.keys(transitions) as State[]) {
  const { status, ready, live, components } = report([view('hub', state), view('gateway', 'ready')]);
  const [component, overall] = cells[state];
  t.equal(components['hub']?.status, component, `B14 hub ${state}: component ${component}`);
  t.equal(status, overall, `B14 hub ${state}: ${overall}`);
  t.equal(ready, overall === 'healthy', `hub ${state}: ready ${overall === 'healthy'}`);
  t.ok(live, `hub ${state}: live`);
}

t.test('the worst word of all wins: unhealthy, then starting, then healthy', async (t) => {
  t.equal(report([view('a', 'ready'), view('b', 'starting'), view('c', 'unready')]).status, 'unhealthy');
  t.equal(report([view('a', 'ready'), view('b', 'starting'), view('c', 'completed')]).status, 'starting');
  t.equal(report([view('a', 'ready'), view('b', 'skipped'), view('c', 'completed')]).status, 'healthy');
});

t.test('what is not essential counts like any other, until it has failed: then it is passed over', async (t) => {
  const cache = (state: State) => report([view('hub', 'ready'), view('cache', state, { essential: false })]);
  for (const state of Object.keys(transitions) as State[]) {
    const passedOver = state === 'failed';
    t.equal(cache(state).status, passedOver ? 'healthy' : cells[state][1], state);
    t.equal(cache(state).components['cache']?.status, passedOver ? 'skipped' : cells[state][0], state);
  }
});

t.test('B10 while migrations run the report says starting', async (t) => {
  const { status, ready } = report([view('migrations', 'starting', { type: 'oneshot' }), view('hub', 'pending')]);
  t.same({ status, ready }, { status: 'starting', ready: false });
});

t.test('B55 from the decision to end on it says stopping and why; live only if the end was asked for', async (t) => {
  const views = [view('hub', 'ready')];
  t.match(report(views, { reason: 'stopped by SIGTERM', isFailure: false }), {
    status: 'stopping',
    ready: false,
    live: true,
    reason: 'stopped by SIGTERM',
  });
  t.match(report(views, { reason: '"hub" ended', isFailure: true }), { status: 'stopping', ready: false, live: false });
  t.notOk('reason' in report(views), 'no reason before');
});

t.test('a component says what is known of it, in seconds', async (t) => {
  const full = view('hub', 'unready', {
    pid: 17,
    restarts: 2,
    exit: { code: 3 },
    probe: { ok: false, reason: 'HTTP 503', at: 3_000.4 },
  });
  t.same(report([full]).components['hub'], {
    status: 'unhealthy',
    state: 'unready',
    reason: 'because',
    since_seconds: 2.5,
    restarts: 2,
    pid: 17,
    exit: { code: 3 },
    probe: { ok: false, reason: 'HTTP 503', seconds_ago: 0.5 },
  });
  t.same(Object.keys(report([view('hub', 'pending')]).components['hub'] ?? {}), [
    'status',
    'state',
    'reason',
    'since_seconds',
    'restarts',
  ]);
});

t.test('the report carries version and uptime, and is a pure reading', async (t) => {
  const views = Object.freeze([Object.freeze(view('hub', 'ready'))]);
  t.match(report(views), { version: '1.2.3', uptime_seconds: 3 });
  t.same(report(views), report(views));
});
