/** Runs of the model, as many as wanted, and what is said when one fails. */
import fc from 'fast-check';
import { Broken, play } from './play.ts';
import { type Scenario, scenario } from './scenario.ts';

export interface Exploration {
  readonly runs: number;
  /** Default: another one each time. */
  readonly seed?: number | undefined;
  /** Where a run that failed is found again at once, as it was told then. */
  readonly path?: string | undefined;
  /** A failure is not made smaller, which may take minutes. Default false. */
  readonly isQuick?: boolean;
}

/** The first run that broke a promise. */
export interface Find {
  readonly seed: number;
  readonly path: string;
  /** Which run it was, from 1. */
  readonly at: number;
  readonly promise: string;
  /** What is wrong, and the whole history. */
  readonly message: string;
  readonly scene: Scenario;
}

/** Resolves with what was found, or with nothing. */
export async function explore({ runs, seed, path, isQuick = false }: Exploration): Promise<Find | undefined> {
  const result = await fc.check(fc.asyncProperty(scenario, play), {
    numRuns: runs,
    endOnFailure: isQuick,
    ...(seed !== undefined && { seed }),
    ...(path !== undefined && { path }),
  });
  if (!result.failed) return undefined;
  const { errorInstance: error, counterexample } = result;
  return {
    seed: result.seed,
    path: result.counterexamplePath ?? '',
    at: Number(result.counterexamplePath?.split(':')[0] ?? 0) + 1,
    promise: error instanceof Broken ? error.promise : 'it runs',
    message:
      error instanceof Error
        ? `${error.stack?.startsWith(error.message) ? '' : error.message}\n${error.stack}`
        : `${error}`,
    scene: counterexample?.[0] as Scenario,
  };
}
