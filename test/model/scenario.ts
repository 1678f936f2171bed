/** Random plans, random manners and random events: the arbitraries of the model. */
import fc from 'fast-check';
import type { ExternalSpec } from '../../src/core/external.ts';
import type { Exit, Listening } from '../../src/core/ports.ts';
import type {
  DependencyCondition,
  ProbeSpec,
  ProbeTiming,
  ReadinessSpec,
  ServiceSpec,
  SignalName,
} from '../../src/core/spec.ts';
import type { StopPolicy } from '../../src/core/supervisor.ts';
import { answering, service } from '../core/harness.ts';
import type { Answer, Ending, Manners } from '../support/fake-machine.ts';

/** What happens from outside, `afterMs` after the event before. Services go by their index. */
export interface Happens {
  readonly afterMs: number;
  readonly what:
    | { readonly kind: 'stop' | 'kill' | 'forward'; readonly by: SignalName }
    | { readonly kind: 'exit'; readonly service: number; readonly exit: Exit }
    | { readonly kind: 'take-port'; readonly service: number }
    /** From now on probes of the service hear this. */
    | { readonly kind: 'answer'; readonly service: number; readonly answer: Answer }
    /** tandem sleeps for so long, and then everything is due at once. */
    | { readonly kind: 'jump'; readonly ms: number; readonly first: 'sleeps' | 'world' | undefined };
}

/** What somebody got wrong in a plan, in whichever order. */
export type Flaw =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'twice' | 'unknown' | 'never-completed' | 'cycle'; readonly service: number };

export interface Scenario {
  /** What the run is made of: services, and what somebody else runs and is waited for first. */
  readonly given: { readonly specs: readonly ServiceSpec[]; readonly externals: readonly ExternalSpec[] };
  /** What has to become of it. */
  readonly specs: readonly ServiceSpec[];
  readonly scripts: Readonly<Record<string, readonly Manners[]>>;
  readonly policy: StopPolicy;
  /** What jitter draws, in [0, 1). */
  readonly randomness: number;
  /** How many turns of promises an aborted wait takes to settle. */
  readonly lagTurns: number;
  /** The end is asked for before anything begins. */
  readonly isStoppedFirst: boolean;
  readonly events: readonly Happens[];
  /** Mostly none. */
  readonly flaws: readonly Flaw[];
}

const portOf = (index: number): number => 4_000 + index;

/** Round ones are frequent, so that much happens in the same moment. */
const ms = (max: number, min = 0) => {
  const round = [0, 1, 5, 100, 500, 1_000, 2_000, 5_000, 10_000].filter((one) => one >= min && one <= max);
  return fc.oneof(fc.constantFrom(min, ...round), fc.integer({ min, max }));
};

const exit: fc.Arbitrary<Exit> = fc.oneof(
  fc.record({ code: fc.oneof(fc.constantFrom(0, 1, 143), fc.integer({ min: 0, max: 255 })) }),
  fc.record({ signal: fc.constantFrom<SignalName>('SIGKILL', 'SIGTERM', 'SIGSEGV', 'SIGINT', 'SIGHUP') }),
);

const ending: fc.Arbitrary<Ending> = fc.record({ afterMs: ms(15_000), exit });

/** Bodies and what they say, by construction. */
export const wellBodies: readonly unknown[] = [
  { status: 'ok', components: { db: true, cache: { status: 'UP' } } },
  { status: ' Healthy ' },
  { components: [{ name: 'db', status: 'pass' }] },
  { db: 'postgres', status: 'completed' },
  { components: { migrations: 'skipped' } },
  'fine',
  null,
];
export const illBodies: readonly unknown[] = [
  { status: 'degraded' },
  { status: 'ok', components: { db: false } },
  { status: 'ok', components: { a: true, b: { status: 'down' } } },
  { status: 'healthy', db: 'unreachable' },
  { components: [{ name: 'db', status: 'failed' }] },
  { status: false },
];

const well: Answer = { ok: true };
const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(well) },
  { weight: 2, arbitrary: fc.constant<Answer>({ ok: false, reason: 'ill' }) },
  { weight: 1, arbitrary: fc.constant<Answer>('silence') },
  { weight: 1, arbitrary: fc.constantFrom(...wellBodies, ...illBodies).map((body) => ({ body })) },
);

/** One answer from each of these ages on; well before the first. */
const turning: fc.Arbitrary<NonNullable<Manners['answers']>> = fc
  .array(fc.tuple(fc.oneof(ms(500), ms(10_000)), answer), { maxLength: 6 })
  .map((turns) => turns.sort(([a], [b]) => a - b))
  .map((turns) => (ageMs) => turns.findLast(([fromMs]) => fromMs <= ageMs)?.[1] ?? well);

/** Well and something else by turns. */
const flapping: fc.Arbitrary<NonNullable<Manners['answers']>> = fc.tuple(ms(5_000, 100), answer).map(
  ([periodMs, other]) =>
    (ageMs) =>
      Math.floor(ageMs / periodMs) % 2 === 0 ? well : other,
);

/** Well from some age on. */
const waking: fc.Arbitrary<NonNullable<Manners['answers']>> = fc.tuple(ms(10_000), answer).map(
  ([fromMs, other]) =>
    (ageMs) =>
      ageMs < fromMs ? other : well,
);

const answersByAge = fc.oneof(turning, flapping, waking);

const owner: fc.Arbitrary<Listening> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Listening>({ owner: 'ours' }) },
  { weight: 1, arbitrary: fc.constant<Listening>({ owner: 'foreign', holder: { pid: 9 } }) },
  { weight: 1, arbitrary: fc.constant<Listening>({ owner: 'unknown', holder: { uid: 9 } }) },
);

const hangs = { weight: 1, arbitrary: fc.constant(Infinity) };
const reaction = fc.oneof(ending, fc.constant('ignores' as const));

const toEach = (all: Ending | 'ignores') => ({ SIGTERM: all, SIGINT: all, SIGQUIT: all });
const deaf = toEach('ignores');

/** Mostly good manners, each bad one now and then. */
const manners: fc.Arbitrary<Manners> = fc
  .record({
    launchFailure: now(20, fc.record({ code: fc.constantFrom(126, 127), message: fc.constant('not found') })),
    lookMs: now(12, fc.oneof({ weight: 6, arbitrary: ms(300) }, hangs)),
    launchMs: now(6, fc.oneof({ weight: 6, arbitrary: ms(3_000) }, hangs)),
    ends: now(2, ending),
    reactions: now(2, reaction.map(toEach)),
    listens: now(2, fc.record({ afterMs: fc.oneof(ms(3_000), ms(30_000)), as: owner })),
    answers: often(answersByAge),
    answerMs: now(4, ms(1_000)),
    cleanUpMs: now(6, ms(1_000)),
    stubborn: now(
      5,
      fc.record({ reactions: fc.constant(deaf), diesAfterMs: fc.oneof(fc.constant(Infinity), ms(3_000)) }),
    ),
  })
  .map(({ stubborn, ...rest }) => withoutUndefined({ ...rest, ...stubborn }));

/** A value once in `rarity + 1` times, else `undefined`. */
function now<T>(rarity: number, value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: rarity, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

/** A value more often than not. */
function often<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 3, arbitrary: value });
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Defined<T>;
}

const timing: fc.Arbitrary<ProbeTiming> = fc
  .record({
    intervalMs: fc.oneof(ms(1_500, 400), ms(5_000, 400)),
    timeoutMs: ms(400, 1),
    failureThreshold: fc.constantFrom(1, 1, 2, 3),
    successThreshold: fc.integer({ min: 1, max: 2 }),
    startIntervalMs: now(3, ms(1_000, 1)),
  })
  .map((all) => withoutUndefined(all) as ProbeTiming);

const restart = fc.record({
  condition: fc.constantFrom('no', 'on-failure', 'always', 'always'),
  baseDelayMs: ms(2_000),
  maxDelayMs: ms(5_000),
  resetAfterMs: ms(10_000, 1),
  maxRestarts: fc.integer({ min: 0, max: 6 }),
  // Not too short: a service that dies at once would fill the history with thousands of lives.
  windowMs: fc.oneof(ms(60_000, 1_000), ms(5_000, 1_000)),
});

function readinessOf(index: number): fc.Arbitrary<ReadinessSpec> {
  return fc
    .record({
      timing,
      startTimeoutMs: ms(20_000, 1),
      settleMs: now(1, ms(2_000)),
      hasPort: fc.boolean(),
      hasStartProbe: now(2, fc.constant(true)),
      hasProbe: fc.boolean(),
    })
    .map(({ hasPort, hasStartProbe, hasProbe, ...times }) => {
      const { port, probe } = answering(portOf(index));
      return {
        ...(withoutUndefined(times) as Pick<ReadinessSpec, 'timing' | 'startTimeoutMs' | 'settleMs'>),
        ...(hasPort && port && { port }),
        ...(hasStartProbe && { startProbe: { kind: 'exec', command: ['first'] } as ProbeSpec }),
        ...(hasProbe && probe && { probe }),
      };
    });
}

/** Names that are also words of JavaScript, or look like numbers, are names. */
const oddNames = ['constructor', '__proto__', '7', '03', 'a-b', '_'];

function serviceAt(index: number): fc.Arbitrary<ServiceSpec> {
  const liveness = timing.map((one) => ({ probe: { kind: 'exec', command: ['alive'] } as const, timing: one }));
  return fc
    .record({
      name: now(15, fc.constantFrom(...oddNames)),
      type: fc.constantFrom('service' as const, 'service' as const, 'oneshot' as const),
      essential: fc.boolean(),
      restart,
      readiness: often(readinessOf(index)),
      liveness: now(2, liveness),
      stopSignal: now(4, fc.constantFrom<SignalName>('SIGINT', 'SIGQUIT')),
      stopGraceMs: now(2, ms(10_000)),
      forwardSignals: now(4, fc.constantFrom('all' as const, ['SIGHUP'] as const, ['SIGTERM', 'SIGUSR1'] as const)),
      skip: now(9, fc.constant('not wanted')),
      mayBeExternal: now(4, fc.constant(true)),
    })
    .map(({ name, mayBeExternal, ...some }) => {
      const isExternal = mayBeExternal && some.type === 'oneshot' && some.readiness?.probe;
      const spec = service(name ?? `s${index}`, withoutUndefined(some));
      return isExternal ? { ...spec, isExternal: true } : spec;
    });
}

/** For each earlier service a draw: which condition, or none. The more there are, the rarer. */
function drawsFor(count: number): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(Math.max(11, count * 2)), { minLength: count, maxLength: count });
}

const conditions: readonly DependencyCondition[] = ['ready', 'ready', 'started', 'completed', 'ended'];

function withDependencies(spec: ServiceSpec, earlier: readonly ServiceSpec[], drawn: readonly number[]): ServiceSpec {
  const dependsOn = earlier.flatMap((other, index): [string, DependencyCondition][] => {
    const condition = conditions[drawn[index] ?? conditions.length];
    if (!condition) return [];
    return [[other.name, condition === 'completed' && other.type === 'service' ? 'ready' : condition]];
  });
  return { ...spec, dependsOn: Object.fromEntries(dependsOn) };
}

const external = (index: number) => ({
  name: `outside-${index}`,
  probe: { kind: 'http', url: `http://outside-${index}/health` } as const,
});

/** In any order: it is the plan's affair to find one. */
const given: fc.Arbitrary<Scenario['given']> = fc
  .oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 4 }) },
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }) },
    { weight: 1, arbitrary: fc.integer({ min: 9, max: 30 }) },
  )
  .chain((count) => {
    const indexes = Array.from({ length: count }, (_, index) => index);
    const bare = fc
      .tuple(...indexes.map(serviceAt))
      .map((all) =>
        all.map((spec, index) =>
          all.findIndex(({ name }) => name === spec.name) === index ? spec : { ...spec, name: `s${index}` },
        ),
      );
    return fc
      .record({
        bare,
        drawn: fc.tuple(...indexes.map(() => drawsFor(count))),
        timeoutsMs: now(4, fc.array(fc.oneof(ms(20_000, 1), ms(20_000, 5_000)), { minLength: 1, maxLength: 3 })),
        order: now(1, fc.shuffledSubarray(indexes, { minLength: count, maxLength: count })),
      })
      .map(({ bare, drawn, timeoutsMs = [], order = indexes }) => {
        const all = bare.map((spec, index) => withDependencies(spec, bare.slice(0, index), drawn[index] ?? []));
        return {
          specs: order.flatMap((index) => all[index] ?? []),
          externals: timeoutsMs.map((timeoutMs, index) => ({ ...external(index), timeoutMs })),
        };
      });
  });

/** All of them in one plan, told a second time: every service needs all that is outside. */
function together({ specs, externals }: Scenario['given']): ServiceSpec[] {
  const outside = externals.map(({ name, probe, timeoutMs }) => {
    const timing = { intervalMs: 10_000, timeoutMs: 3_000, failureThreshold: 3, successThreshold: 1 };
    const readiness = { probe, timing, startTimeoutMs: timeoutMs };
    return service(name, { type: 'oneshot', isExternal: true, readiness });
  });
  const needs = outside.map(({ name }): [string, DependencyCondition] => [name, 'completed']);
  const inside = specs.map((spec) => {
    const dependsOn = Object.fromEntries([...needs, ...Object.entries(spec.dependsOn)]);
    return spec.isExternal ? spec : { ...spec, dependsOn };
  });
  return [...outside, ...inside];
}

const signalName = fc.constantFrom<SignalName>('SIGTERM', 'SIGINT');

function eventsFor(count: number): fc.Arbitrary<Happens[]> {
  const index = fc.nat(count - 1);
  const forwarded = fc.constantFrom<SignalName>('SIGHUP', 'SIGUSR1', 'SIGTERM', 'SIGWINCH');
  const what: fc.Arbitrary<Happens['what']> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('stop' as const), by: signalName }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill' as const), by: signalName }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('forward' as const), by: forwarded }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('exit' as const), service: index, exit }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('answer' as const), service: index, answer }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('take-port' as const), service: index }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('jump' as const),
        ms: fc.oneof(ms(2_000), ms(100_000)),
        first: fc.constantFrom('sleeps' as const, 'world' as const, undefined),
      }),
    },
  );
  return fc.array(fc.record({ afterMs: fc.oneof(ms(50), ms(5_000)), what }), { maxLength: 10 });
}

const policy: fc.Arbitrary<StopPolicy> = fc
  .tuple(fc.oneof(fc.constant(9_000), fc.integer({ min: 0, max: 12_000 })), fc.constantFrom(0, 0, 0.1, 0.5))
  .map(([stopTimeoutMs, share]) => ({ stopTimeoutMs, drainDelayMs: Math.floor(stopTimeoutMs * share) }));

function flawsFor(count: number): fc.Arbitrary<readonly Flaw[]> {
  const some = fc.array(
    fc.record({
      kind: fc.constantFrom('twice' as const, 'unknown' as const, 'never-completed' as const, 'cycle' as const),
      service: fc.nat(count - 1),
    }),
    { minLength: 1, maxLength: 3 },
  );
  return fc.oneof(
    { weight: 40, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: some },
    { weight: 1, arbitrary: fc.constant([{ kind: 'nothing' as const }]) },
  );
}

export const scenario: fc.Arbitrary<Scenario> = given.chain((plan) => {
  const specs = together(plan);
  const lives = fc.array(manners, { minLength: 1, maxLength: 3 });
  return fc
    .record({
      all: fc.tuple(...specs.map(() => lives)),
      policy,
      lagTurns: fc.constantFrom(0, 0, 3, 30),
      randomness: fc.constantFrom(0, 0.25, 0.5, 0.999),
      isStoppedFirst: now(30, fc.constant(true)).map(Boolean),
      events: eventsFor(specs.length),
      flaws: flawsFor(specs.length),
      areAllDeaf: now(5, fc.constant(true)),
    })
    .map(({ all, areAllDeaf, ...rest }) => {
      const lives = areAllDeaf ? all.map((some) => some.map((one) => ({ ...one, reactions: deaf }))) : all;
      const scripts = Object.fromEntries(specs.map(({ name }, index) => [name, lives[index] ?? []]));
      return { given: plan, specs, scripts, ...rest };
    });
});
