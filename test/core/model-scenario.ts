/** Random plans, random manners and random events: the arbitraries of the model test. */
import fc from 'fast-check';
import type { Exit, Listening, ProbeResult } from '../../src/core/ports.ts';
import type { DependencyCondition, ServiceSpec, SignalName } from '../../src/core/spec.ts';
import type { StopPolicy } from '../../src/core/supervisor.ts';
import type { Ending, Manners } from '../support/fake-machine.ts';
import { answering, service } from './harness.ts';

/** What happens from outside, `afterMs` after the event before. */
export interface Happens {
  readonly afterMs: number;
  readonly what:
    | { readonly kind: 'stop' | 'kill'; readonly by: SignalName }
    | { readonly kind: 'exit'; readonly service: number; readonly exit: Exit }
    | { readonly kind: 'take-port'; readonly service: number };
}

export interface Scenario {
  readonly specs: readonly ServiceSpec[];
  readonly scripts: Readonly<Record<string, readonly Manners[]>>;
  readonly policy: StopPolicy;
  readonly events: readonly Happens[];
}

export const nameOf = (index: number): string => `s${index}`;
export const portOf = (index: number): number => 4_000 + index;

const ms = (max: number) => fc.oneof(fc.constantFrom(0, 1, 5), fc.integer({ min: 0, max }));

const exit: fc.Arbitrary<Exit> = fc.oneof(
  fc.record({ code: fc.oneof(fc.constantFrom(0, 1, 143), fc.integer({ min: 0, max: 255 })) }),
  fc.record({ signal: fc.constantFrom<SignalName>('SIGKILL', 'SIGTERM', 'SIGSEGV', 'SIGINT', 'SIGHUP') }),
);

const ending: fc.Arbitrary<Ending> = fc.record({ afterMs: ms(15_000), exit });

/** Well or ill, turning at each of these ages. */
const turns = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 4 });

function answersBy(turningAgesMs: readonly number[]): NonNullable<Manners['answers']> {
  return (ageMs): ProbeResult | 'silence' => {
    const turned = turningAgesMs.filter((turn) => turn <= ageMs).length;
    if (turned % 2 === 0) return { ok: true };
    return turned === 1 ? { ok: false, reason: 'ill' } : 'silence';
  };
}

const owner: fc.Arbitrary<Listening> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Listening>({ owner: 'ours' }) },
  { weight: 1, arbitrary: fc.constant<Listening>({ owner: 'foreign', holder: { pid: 9 } }) },
  { weight: 1, arbitrary: fc.constant<Listening>({ owner: 'unknown', holder: { uid: 9 } }) },
);

const hangs = { weight: 1, arbitrary: fc.constant(Infinity) };

/** Mostly good manners, each bad one now and then. */
const manners: fc.Arbitrary<Manners> = fc
  .record({
    launchFailure: now(12, fc.record({ code: fc.constantFrom(126, 127), message: fc.constant('not found') })),
    lookMs: now(12, fc.oneof({ weight: 6, arbitrary: ms(300) }, hangs)),
    launchMs: now(6, fc.oneof({ weight: 6, arbitrary: ms(3_000) }, hangs)),
    ends: now(2, ending),
    reactions: now(
      2,
      fc.oneof(ending, fc.constant('ignores' as const)).map((SIGTERM) => ({ SIGTERM })),
    ),
    diesAfterMs: now(15, fc.constant(Infinity)),
    listens: now(2, fc.record({ afterMs: fc.oneof(ms(3_000), ms(30_000)), as: owner })),
    answers: now(1, turns.map(answersBy)),
    answerMs: now(4, ms(1_000)),
    cleanUpMs: now(6, ms(1_000)),
  })
  .map(withoutUndefined);

/** A value once in `rarity + 1` times, else `undefined`. */
function now<T>(rarity: number, value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: rarity, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Defined<T>;
}

const timing = fc.record({
  intervalMs: fc.integer({ min: 400, max: 5_000 }),
  timeoutMs: fc.integer({ min: 1, max: 400 }),
  failureThreshold: fc.integer({ min: 1, max: 3 }),
  successThreshold: fc.integer({ min: 1, max: 2 }),
});

const restart = fc.record({
  condition: fc.constantFrom('no', 'no', 'on-failure', 'always'),
  baseDelayMs: fc.integer({ min: 1, max: 2_000 }),
  maxDelayMs: fc.integer({ min: 1, max: 5_000 }),
  resetAfterMs: fc.integer({ min: 1, max: 10_000 }),
  maxRestarts: fc.integer({ min: 0, max: 4 }),
  // Not too short: a service that dies at once would fill the history with thousands of lives.
  windowMs: fc.integer({ min: 1_000, max: 60_000 }),
});

function readinessOf(index: number) {
  return fc
    .record({
      timing,
      startTimeoutMs: fc.integer({ min: 1, max: 20_000 }),
      hasPort: fc.boolean(),
      hasProbe: fc.boolean(),
    })
    .map(({ hasPort, hasProbe, ...times }) => {
      const { port, probe } = answering(portOf(index));
      return { ...times, ...(hasPort && port && { port }), ...(hasProbe && probe && { probe }) };
    });
}

function serviceAt(index: number): fc.Arbitrary<ServiceSpec> {
  const liveness = timing.map((one) => ({ probe: { kind: 'exec', command: ['true'] } as const, timing: one }));
  return fc
    .record({
      type: fc.constantFrom('service' as const, 'service' as const, 'oneshot' as const),
      essential: fc.constantFrom(true, true, false),
      restart,
      readiness: now(1, readinessOf(index)),
      liveness: now(4, liveness),
      stopGraceMs: now(2, ms(10_000)),
      skip: now(9, fc.constant('not wanted')),
    })
    .map((some) => service(nameOf(index), withoutUndefined(some)));
}

/** For each earlier service a draw: which condition, or none. */
const draws = fc.array(fc.nat(11), { minLength: 8, maxLength: 8 });
const conditions: readonly DependencyCondition[] = ['ready', 'started', 'completed', 'ended'];

function withDependencies(spec: ServiceSpec, earlier: readonly ServiceSpec[], drawn: readonly number[]): ServiceSpec {
  const dependsOn = earlier.flatMap((other, index): [string, DependencyCondition][] => {
    const condition = conditions[drawn[index] ?? 11];
    if (!condition) return [];
    return [[other.name, condition === 'completed' && other.type === 'service' ? 'ready' : condition]];
  });
  return { ...spec, dependsOn: Object.fromEntries(dependsOn) };
}

const specs: fc.Arbitrary<ServiceSpec[]> = fc.integer({ min: 1, max: 8 }).chain((count) => {
  const indexes = Array.from({ length: count }, (_, index) => index);
  return fc.tuple(fc.tuple(...indexes.map(serviceAt)), fc.tuple(...indexes.map(() => draws))).map(([bare, drawn]) => {
    return bare.map((spec, index) => withDependencies(spec, bare.slice(0, index), drawn[index] ?? []));
  });
});

const signalName = fc.constantFrom<SignalName>('SIGTERM', 'SIGINT');

function eventsFor(count: number): fc.Arbitrary<Happens[]> {
  const index = fc.nat(count - 1);
  const what: fc.Arbitrary<Happens['what']> = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('stop' as const), by: signalName }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), by: signalName }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('exit' as const), service: index, exit }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('take-port' as const), service: index }) },
  );
  return fc.array(fc.record({ afterMs: fc.oneof(ms(50), ms(5_000)), what }), { maxLength: 8 });
}

const policy: fc.Arbitrary<StopPolicy> = fc
  .tuple(fc.oneof(fc.constant(9_000), fc.integer({ min: 0, max: 12_000 })), fc.constantFrom(0, 0, 0.1, 0.5))
  .map(([stopTimeoutMs, share]) => ({ stopTimeoutMs, drainDelayMs: Math.floor(stopTimeoutMs * share) }));

export const scenario: fc.Arbitrary<Scenario> = specs.chain((plan) => {
  const lives = fc.array(manners, { minLength: 1, maxLength: 3 });
  return fc
    .tuple(fc.tuple(...plan.map(() => lives)), policy, eventsFor(plan.length))
    .map(([all, stopPolicy, events]) => ({
      specs: plan,
      scripts: Object.fromEntries(plan.map(({ name }, index) => [name, all[index] ?? []])),
      policy: stopPolicy,
      events,
    }));
});
