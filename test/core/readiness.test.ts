import t from 'tap';
import type { ProbeResult } from '../../src/core/ports.ts';
import { becomeReady, type Inquiry, lastingQuestion, watch } from '../../src/core/readiness.ts';
import type { ProbeSpec, ServiceSpec } from '../../src/core/spec.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeMachine, type FakeProcess, type Manners } from '../support/fake-machine.ts';
import { answering, service } from './harness.ts';

interface Scene {
  readonly clock: FakeClock;
  readonly machine: FakeMachine;
  readonly process: FakeProcess;
  readonly inquiry: Inquiry;
  readonly heard: ProbeResult[];
  readonly scope: AbortController;
}

async function scene(spec: ServiceSpec, manners: Manners): Promise<Scene> {
  const clock = new FakeClock();
  const machine = new FakeMachine(clock, { [spec.name]: manners });
  const heard: ProbeResult[] = [];
  await machine.launch(spec, new AbortController().signal);
  const inquiry = { spec, machine, heard: (result: ProbeResult) => void heard.push(result) };
  return { clock, machine, process: machine.living(spec.name), inquiry, heard, scope: new AbortController() };
}

const no: ProbeResult = { ok: false, reason: 'HTTP 503' };
const yes: ProbeResult = { ok: true };

t.test('pauses between tries at start are close together at first, then wider', async (t) => {
  const { clock, machine, process, inquiry, scope } = await scene(service('a', { readiness: answering(1) }), {
    listens: { afterMs: 0, as: { owner: 'ours' } },
    answerMs: 0,
    answers: () => no,
  });
  const waiting = becomeReady(inquiry, process, scope.signal);
  await clock.advance(2_000);
  const times = machine.questions.map(({ at }) => at);
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  t.equal(pauses[0], 10);
  t.ok(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0)));
  t.equal(pauses.at(-1), 250);
  scope.abort();
  await waiting;
  t.equal(clock.pendingTimers, 0);
});

t.test('a start interval keeps the pauses between tries until the first success even', async (t) => {
  const readiness = answering(1);
  const { clock, machine, process, inquiry, scope } = await scene(
    service('a', { readiness: { ...readiness, timing: { ...readiness.timing, startIntervalMs: 700 } } }),
    { listens: { afterMs: 0, as: { owner: 'ours' } }, answerMs: 0, answers: () => no },
  );
  const waiting = becomeReady(inquiry, process, scope.signal);
  await clock.advance(2_500);
  t.same(
    machine.questions.map(({ at }) => at),
    [0, 700, 1_400, 2_100],
  );
  scope.abort();
  await waiting;
});

t.test('the start probe is asked until it succeeds once, then the lasting probe', async (t) => {
  const startProbe: ProbeSpec = { kind: 'mcp', url: 'http://127.0.0.1:1/mcp' };
  const { clock, machine, process, inquiry, heard, scope } = await scene(
    service('a', { readiness: answering(1, { startProbe }) }),
    { answers: (ageMs, { kind }) => (kind === 'mcp' && ageMs < 25 ? no : yes) },
  );
  const waiting = becomeReady(inquiry, process, scope.signal);
  await clock.advance(1_000);
  t.same(await waiting, { owner: 'ours' });
  t.same(
    machine.questions.map(({ probe }) => probe.kind),
    ['mcp', 'mcp', 'http'],
  );
  t.same(heard, [no, yes, yes], 'every answer is told');
});

t.test('a port alone has nothing to settle: who listens is ready', async (t) => {
  const { probe: _, ...portOnly } = answering(1, { settleMs: 500 });
  const { clock, process, inquiry, machine, scope } = await scene(service('a', { readiness: portOnly }), {});
  const waiting = becomeReady(inquiry, process, scope.signal);
  await clock.advance(20);
  t.same(await waiting, { owner: 'ours' });
  t.same([machine.questions.length, clock.pendingTimers, clock.now()], [0, 0, 20]);
});

t.test('a service without readiness is ready in the same turn', async (t) => {
  const { process, inquiry, machine, scope } = await scene(service('a'), {});
  t.equal(await becomeReady(inquiry, process, scope.signal), undefined);
  t.same(machine.questions, []);
});

const waits: readonly (readonly [title: string, manners: Manners])[] = [
  ['for the port', { listens: { afterMs: Infinity, as: { owner: 'ours' } } }],
  ['for an answer', { answers: () => 'silence' }],
  ['between two tries', { answers: () => no, answerMs: 0 }],
];

for (const [title, manners] of waits) {
  t.test(
    `an abort while it waits ${title} ends the wait in the same turn, and nothing more is asked or told`,
    async (t) => {
      const { clock, machine, process, inquiry, heard, scope } = await scene(
        service('a', { readiness: answering(1) }),
        manners,
      );
      let isOver = false;
      const waiting = becomeReady(inquiry, process, scope.signal).then(() => {
        isOver = true;
      });
      await clock.advance(100);
      const before = [heard.length, machine.questions.length];
      t.notOk(isOver);
      scope.abort();
      await waiting;
      await clock.advance(10_000);
      t.same([heard.length, machine.questions.length], before);
      t.equal(clock.pendingTimers, 0);
    },
  );
}

t.test('the lasting question: the probe, or the port itself, or none', async (t) => {
  const { probe: _, ...portOnly } = answering(4444);
  t.match(lastingQuestion(service('a', { readiness: answering(4444) })), { probe: { kind: 'http' } });
  t.match(lastingQuestion(service('a', { readiness: portOnly })), { probe: { kind: 'tcp', address: { port: 4444 } } });
  const { port: __, ...timeOnly } = portOnly;
  t.equal(lastingQuestion(service('a', { readiness: timeOnly })), undefined);
  t.equal(lastingQuestion(service('a')), undefined);
});

const timing = { intervalMs: 100, timeoutMs: 50, failureThreshold: 3, successThreshold: 2 };
const question = { probe: { kind: 'tcp', address: { host: '127.0.0.1', port: 1 } }, timing } as const;

/** What `watch` turns to, by a row of answers: `+` well, `-` not. */
async function turnsOf(answers: string): Promise<string[]> {
  let asked = 0;
  const { clock, inquiry, scope } = await scene(service('a'), {
    answerMs: 0,
    answers: () => (answers[asked++] === '+' ? yes : no),
  });
  const turns: string[] = [];
  const watching = watch(inquiry, question, ({ ok }) => void turns.push(`${asked}${ok ? '+' : '-'}`), scope.signal);
  await clock.advance(timing.intervalMs * answers.length);
  scope.abort();
  await watching;
  return turns;
}

for (const [answers, turns] of [
  ['++++', []],
  ['--', []],
  ['---', ['3-']],
  ['--+---', ['6-']],
  ['-----', ['3-']],
  ['---+', ['3-']],
  ['---++', ['3-', '5+']],
  ['---+-++', ['3-', '7+']],
  ['---++---', ['3-', '5+', '8-']],
] as const) {
  t.test(`B61 thresholds 3 and 2 x ${answers}: ${turns.join(' ') || 'no turn'}`, async (t) => {
    t.same(await turnsOf(answers), turns);
  });
}

t.test('B61 one try at a time: the interval runs from the end of one to the start of the next', async (t) => {
  const { clock, machine, inquiry, heard, scope } = await scene(service('a'), { answers: () => 'silence' });
  const watching = watch(inquiry, question, () => {}, scope.signal);
  await clock.advance(500);
  t.same(
    machine.questions.map(({ at }) => at),
    [100, 250, 400],
  );
  t.equal(machine.waits, 0, 'none is under way at 500');
  t.equal(heard.length, 3);
  scope.abort();
  await watching;
});

for (const [when, abortAtMs, questions] of [
  ['between two tries', 220, 1],
  ['during a try', 120, 1],
] as const) {
  t.test(`B61 a watch that is aborted ${when} asks, tells and turns no more`, async (t) => {
    const { clock, machine, inquiry, heard, scope } = await scene(service('a'), { answerMs: 50, answers: () => no });
    const turns: ProbeResult[] = [];
    const strict = { ...question, timing: { ...timing, failureThreshold: 1 } };
    const watching = watch(inquiry, strict, (result) => void turns.push(result), scope.signal);
    await clock.advance(abortAtMs);
    const before = [heard.length, turns.length];
    scope.abort();
    await watching;
    t.equal(machine.questions.length, questions);
    t.same([heard.length, turns.length], before);
  });
}

t.test('a watch with nothing to ask waits for its abort', async (t) => {
  const { clock, inquiry, scope } = await scene(service('a'), {});
  let isOver = false;
  const watching = watch(inquiry, undefined, () => {}, scope.signal).then(() => {
    isOver = true;
  });
  await clock.advance(100_000);
  t.notOk(isOver);
  scope.abort();
  await watching;
});
