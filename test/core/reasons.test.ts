/** A state is a word plus a reason: what an operator reads in `tandem status`, in the log and in the health report. */
import t from 'tap';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { defaultTiming } from '../../src/core/spec.ts';
import type { Script } from '../support/fake-machine.ts';
import { answering, oneshot, type Run, restarting, service, start } from './harness.ts';

interface Life {
  readonly spec: Partial<ServiceSpec>;
  readonly script?: Script;
  /** At 3 s. */
  readonly happens?: (run: Run) => unknown;
  readonly reasons: readonly string[];
}

const no = { ok: false, reason: 'HTTP 503' } as const;
const stop = (run: Run) => run.stop();
const quick = { intervalMs: 100, timeoutMs: 50, failureThreshold: 2, successThreshold: 1 };
const probe = { kind: 'exec', command: ['true'] } as const;
const dies = { ends: { afterMs: 1_000, exit: { code: 3 } } } as const;
const external = (startTimeoutMs: number): Partial<ServiceSpec> => {
  return { type: 'oneshot', isExternal: true, readiness: { probe, timing: defaultTiming, startTimeoutMs } };
};

const lives: Readonly<Record<string, Life>> = {
  'skipped: what the configuration says': { spec: { skip: 'GATEWAY_SKIP_START=1' }, reasons: ['GATEWAY_SKIP_START=1'] },
  'without readiness': {
    spec: {},
    happens: stop,
    reasons: ['nothing to wait for', 'spawned', 'requested', 'SIGTERM'],
  },
  'with a dependency and a probe': {
    spec: { dependsOn: { quick: 'completed' }, readiness: answering(1) },
    happens: stop,
    reasons: ['dependencies met', 'answers', 'requested', 'SIGTERM'],
  },
  'unready for a while': {
    spec: { readiness: answering(1, { timing: quick }) },
    script: { answers: (ageMs) => (ageMs > 500 && ageMs < 1_500 ? no : { ok: true }) },
    reasons: ['nothing to wait for', 'answers', 'HTTP 503', 'answers again'],
  },
  'liveness lost': {
    spec: { liveness: { probe, timing: quick } },
    script: { answers: (ageMs) => (ageMs > 500 ? no : { ok: true }) },
    reasons: ['nothing to wait for', 'spawned', 'is unhealthy: HTTP 503', 'is unhealthy: HTTP 503'],
  },
  'restarted, then at its limit': {
    spec: { restart: restarting('always', { baseDelayMs: 0, maxRestarts: 1 }) },
    script: dies,
    reasons: ['nothing to wait for', 'spawned', 'exit 3', 'restart 1', 'spawned', 'exit 3'],
  },
  'stopped while it waits for its restart': {
    spec: { restart: restarting('always', { baseDelayMs: 20_000, maxDelayMs: 20_000 }) },
    script: dies,
    happens: stop,
    reasons: ['nothing to wait for', 'spawned', 'exit 3', 'stopped before it was restarted'],
  },
  'stopped while it waits for another': {
    spec: { dependsOn: { slow: 'completed' } },
    happens: stop,
    reasons: ['stopped before it was started'],
  },
  'stopped while its port is looked at': {
    spec: { readiness: answering(1) },
    script: { lookMs: Infinity },
    happens: stop,
    reasons: ['nothing to wait for', 'stopped before it was spawned', 'never spawned'],
  },
  'asked in vain': {
    spec: { stopGraceMs: 700 },
    script: { reactions: { SIGTERM: 'ignores' } },
    happens: stop,
    reasons: ['nothing to wait for', 'spawned', 'requested', 'killed after 700 ms', 'SIGKILL'],
  },
  'hanging in the kernel': {
    spec: { stopGraceMs: 700 },
    script: { reactions: { SIGTERM: 'ignores' }, diesAfterMs: Infinity },
    happens: stop,
    reasons: ['nothing to wait for', 'spawned', 'requested', 'killed after 700 ms', 'SIGKILL'],
  },
  'too late': {
    spec: { readiness: answering(1, { startTimeoutMs: 1_500 }) },
    script: { answers: () => no },
    reasons: ['nothing to wait for', ...Array(2).fill('is not ready within 1.5 s: HTTP 503')],
  },
  'not to be launched': {
    spec: {},
    script: { launchFailure: { code: 127, message: 'no such file' } },
    reasons: ['nothing to wait for', 'no such file'],
  },
  'run by somebody else': { spec: external(9_000), reasons: ['nothing to wait for', 'answers'] },
  'run by somebody else, silent': {
    spec: external(1_500),
    script: { answers: () => no },
    reasons: ['nothing to wait for', ...Array(2).fill('is not ready within 1.5 s: HTTP 503')],
  },
  'run by somebody else, stopped': {
    spec: external(9_000),
    script: { answers: () => no },
    happens: stop,
    reasons: ['nothing to wait for', 'stopped before it answered', 'never spawned'],
  },
};

for (const [title, { spec, script = {}, happens, reasons }] of Object.entries(lives)) {
  t.test(`B55 why it is in each of its states: ${title}`, async (t) => {
    const others = [oneshot('quick', { essential: false }), oneshot('slow', { essential: false })];
    const scripts = { a: script, quick: { ends: { afterMs: 10, exit: { code: 0 } } } };
    const run = start([...others, service('a', { essential: false, ...spec })], scripts);
    await run.clock.advance(0);
    await run.clock.advance(3_000);
    happens?.(run);
    await run.clock.advance(15_000);
    const told = run.transitions.filter((one) => one.service === 'a');
    t.same(
      told.map(({ reason }) => reason),
      reasons,
    );
    t.equal(run.supervisor.views.at(-1)?.reason, reasons.at(-1), 'the view has the last');
  });
}

t.test('B55 before anything happens it is not started yet', async (t) => {
  t.equal(start([service('a')]).health().components['a']?.reason, 'not started yet');
});
