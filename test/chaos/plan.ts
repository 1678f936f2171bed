/** What happens in a round, decided by the seed and its number alone. */
import type { Fault } from './fault.ts';
import { Random, randomOfRound } from './random.ts';
import type { RunOptions } from './run.ts';

export interface Plan {
  readonly round: number;
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly options: RunOptions;
  /** When each happens, counted from the start or from the moment when all is up. */
  readonly delaysMs: readonly number[];
  /** The chance that each has. */
  readonly randoms: readonly Random[];
}

/** What there is to choose from. */
export interface Repertoire {
  readonly fast: readonly Fault[];
  readonly slow: readonly Fault[];
}

/** First each fault has a round of its own, then chance decides. */
export function planRound(seed: number, round: number, { fast, slow }: Repertoire): Plan {
  const random = randomOfRound(seed, round);
  const only = [...fast, ...slow][round];
  const faults: readonly [Fault, ...Fault[]] = only ? [only] : chooseFaults(random, fast, slow);
  const [first] = faults;
  const form = random.oneOf(first.forms.filter((each) => faults.every(({ forms }) => forms.includes(each))));
  const mode = random.oneOf(['raw', 'prefix', 'json'] as const);
  const env = { TANDEM_DRAIN_DELAY: random.oneOf(['0', '0', '200ms']) };
  const parts = [
    { form, mode, env, scripts: scriptsOf(random) },
    ...faults.map(({ options }) => options?.(random) ?? {}),
  ];
  return {
    ...{ round, seed, faults },
    options: merge(parts as [RunOptions, ...Partial<RunOptions>[]]),
    delaysMs: faults.map((fault) => random.between(0, latestMs(fault))),
    randoms: faults.map(() => new Random(random.between(0, 2 ** 30))),
  };
}

function latestMs({ when, runs, forms }: Fault): number {
  if (when !== 'any time') return when === 'up' ? 200 : 0;
  if (runs === 'matrix') return 6_000;
  return forms.includes('container') ? 1_500 : 600;
}

/** One, and now and then another beside it. */
function chooseFaults(random: Random, fast: readonly Fault[], slow: readonly Fault[]): readonly [Fault, ...Fault[]] {
  const isSlow = random.chance(0.18);
  const first = random.oneOf((isSlow && slow.length > 0) || fast.length === 0 ? slow : fast);
  if (!first.mixes || random.chance(0.4)) return [first];
  const others = fast.filter((fault) => fault.mixes && fault !== first);
  return others.length > 0 ? [first, random.oneOf(others)] : [first];
}

function scriptsOf(random: Random): RunOptions['scripts'] {
  const service = () => ({
    listenAfterMs: random.between(0, 60),
    answerAfterMs: random.between(0, 150),
    workers: random.between(0, 2),
    stopsAfterMs: random.oneOf([0, 0, 100]),
  });
  const migrations = random.chance(0.4) && { migrations: { endsAfterMs: random.between(0, 80) } };
  return { ...migrations, gateway: service(), hub: service() };
}

/** Later ones win, but for what each can add to. */
function merge([first, ...others]: readonly [RunOptions, ...Partial<RunOptions>[]]): RunOptions {
  const parts = [first, ...others];
  return Object.assign({}, ...parts, {
    env: Object.assign({}, ...parts.map(({ env }) => env)),
    scripts: Object.assign({}, ...parts.map(({ scripts }) => scripts)),
  });
}
