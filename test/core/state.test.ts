/** The table: whole, and alive. */
import t from 'tap';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { type Event, isTerminal, nextState, type State, transitions } from '../../src/core/state.ts';
import type { Manners, Script } from '../support/fake-machine.ts';
import { answering, oneshot, type Run, restarting, service, start } from './harness.ts';

const states = Object.keys(transitions) as State[];
const cells = states.flatMap((from) => Object.entries(transitions[from]).map(([event, to]) => ({ from, event, to })));
const events = [...new Set(cells.map(({ event }) => event))] as Event[];

for (const from of states) {
  for (const event of events) {
    const cell = cells.find((one) => one.from === from && one.event === event);
    if (cell) t.equal(nextState(from, event), cell.to, `${from} x ${event}: ${cell.to}`);
    else
      t.throws(
        () => nextState(from, event),
        { message: new RegExp(`"${from}".*"${event}"`) },
        `${from} x ${event}: refused`,
      );
  }
}

t.same(states.filter(isTerminal), ['stopped', 'failed', 'completed', 'skipped'], 'four states are terminal');

t.test('every state can be reached from pending, and from each a terminal one can', async (t) => {
  const reach = (from: State, seen = new Set<State>()): Set<State> => {
    if (seen.has(from)) return seen;
    seen.add(from);
    for (const to of Object.values(transitions[from])) reach(to, seen);
    return seen;
  };
  t.same([...reach('pending')].sort(), [...states].sort());
  for (const state of states) t.ok([...reach(state)].some(isTerminal), state);
});

/** How each transition comes about: what to run, and what happens to it. */
interface Scene {
  readonly spec: Partial<ServiceSpec>;
  readonly script?: Script;
  readonly happens?: (run: Run) => unknown;
}

const restart = restarting('on-failure', { baseDelayMs: 20_000, maxRestarts: 1 });
const onFailure = { restart: restarting('on-failure'), essential: false };
const readiness = answering(1, { startTimeoutMs: 5_000 });
const stop = (run: Run) => run.stop();
const end = (code: number) => (run: Run) => run.machine.living('a').end({ code });
const ill = { ok: false, reason: 'ill' } as const;
const fallsIll: Manners = { answers: (ageMs) => (ageMs > 500 ? ill : { ok: true }) };
const notYet = { listens: { afterMs: 3_600_000, as: { owner: 'ours' } } } as const;
const quick = { intervalMs: 100, timeoutMs: 50, failureThreshold: 2, successThreshold: 1 };
const unready = { readiness: answering(1, { timing: quick }) };
const liveness = { probe: { kind: 'exec', command: ['true'] }, timing: { ...quick, intervalMs: 1_000 } } as const;
const recovers: Manners = { answers: (ageMs) => (ageMs > 500 && ageMs < 1_500 ? ill : { ok: true }) };
/** Is given up only after it was unready for a while. */
const illThenLost: Manners = {
  answers: (ageMs, { kind }) => (ageMs > (kind === 'exec' ? 3_000 : 500) ? ill : { ok: true }),
};

const scenes: Record<string, Scene> = {
  'pending skip skipped': { spec: { skip: 'not wanted' } },
  'pending dependencies-met starting': { spec: {} },
  'pending dependency-failed stopped': { spec: { dependsOn: { broken: 'ready' } } },
  'pending stop stopped': { spec: { dependsOn: { slow: 'ready' } }, happens: stop },
  'starting not-launched failed': { spec: {}, script: { launchFailure: { code: 127, message: 'not found' } } },
  'starting probe-succeeded ready': { spec: {} },
  'starting answered completed': { spec: { type: 'oneshot', isExternal: true, readiness } },
  'starting start-timeout stopping': { spec: { readiness }, script: notYet },
  'starting port-taken stopping': {
    spec: { readiness },
    script: { listens: { afterMs: 1, as: { owner: 'foreign', holder: { pid: 1 } } } },
  },
  'starting exit-completed completed': { spec: { type: 'oneshot' }, happens: end(0) },
  'starting exit-restart backoff': { spec: { readiness, restart }, script: notYet, happens: end(1) },
  'starting exit-failed failed': { spec: { readiness }, script: notYet, happens: end(1) },
  'starting stop stopping': { spec: { readiness }, script: notYet, happens: stop },
  'ready probe-failed unready': { spec: unready, script: fallsIll },
  'ready liveness-lost stopping': { spec: { liveness }, script: fallsIll },
  'ready exit-completed completed': { spec: onFailure, happens: end(0) },
  'ready exit-restart backoff': { spec: { restart }, happens: end(1) },
  'ready exit-failed failed': { spec: {}, happens: end(1) },
  'ready stop stopping': { spec: {}, happens: stop },
  'unready probe-succeeded ready': { spec: unready, script: recovers },
  'unready liveness-lost stopping': { spec: { ...unready, liveness }, script: illThenLost },
  'unready exit-completed completed': { spec: { ...unready, ...onFailure }, script: fallsIll, happens: end(0) },
  'unready exit-restart backoff': { spec: { ...unready, restart }, script: fallsIll, happens: end(1) },
  'unready exit-failed failed': { spec: unready, script: fallsIll, happens: end(1) },
  'unready stop stopping': { spec: unready, script: fallsIll, happens: stop },
  'stopping grace-elapsed stopping': { spec: {}, script: { reactions: { SIGTERM: 'ignores' } }, happens: stop },
  'stopping exit-restart backoff': { spec: { liveness, restart }, script: fallsIll },
  'stopping exit-failed failed': { spec: { liveness }, script: fallsIll },
  'stopping exit-stopped stopped': { spec: {}, happens: stop },
  'backoff delay-elapsed starting': { spec: { restart }, happens: end(1) },
  'backoff stop stopped': {
    spec: { restart },
    happens: async (run) => {
      end(1)(run);
      await run.clock.advance(1);
      run.stop();
    },
  },
};

t.same(
  Object.keys(scenes).sort(),
  cells.map(({ from, event, to }) => `${from} ${event} ${to}`).sort(),
  'each transition of the table has its scene',
);

for (const [title, { spec, script = {}, happens }] of Object.entries(scenes)) {
  t.test(`it happens: ${title}`, async (t) => {
    const others = [oneshot('broken', { essential: false }), oneshot('slow', { essential: false })];
    const run = start([...others, service('a', spec)], {
      a: script,
      broken: { launchFailure: { code: 127, message: 'not found' } },
    });
    await run.clock.advance(2_000);
    await happens?.(run);
    await run.clock.advance(30_000);
    const seen = run.transitions
      .filter((one) => one.service === 'a')
      .map(({ from, event, to }) => `${from} ${event} ${to}`);
    t.ok(seen.includes(title), seen.join(', '));
  });
}
