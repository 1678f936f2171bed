/**
 * When an ended service is started again. Pure: a policy and numbers in, a delay or a verdict out.
 *
 * The delay is exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): evenly
 * spread between nothing and the capped exponential, so that services that fell together do not rise together.
 */
import type { Failure } from './outcome.ts';
import type { Exit } from './ports.ts';
import type { RestartPolicy } from './spec.ts';

/** True if this ending is one after which the policy starts the service again. */
export function wantsRestart(policy: RestartPolicy, failure: Failure): boolean {
  switch (policy.condition) {
    case 'no':
      return false;
    case 'always':
      return true;
    case 'on-failure':
      return failure.cause !== 'exit' || !isClean(failure.exit);
  }
}

/** True for exit code 0. */
export function isClean(exit: Exit): boolean {
  return 'code' in exit && exit.code === 0;
}

/** Enough for any delay; more would end in Infinity, and 0 times that is no number. */
const mostDoublings = 52;

/**
 * Milliseconds to wait before restart number `attempt` (1 is the first).
 * @param random a number in [0, 1)
 */
export function nextDelayMs(policy: RestartPolicy, attempt: number, random: number): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.min(attempt - 1, mostDoublings));
  return Math.round(random * ceiling);
}

/** What a service's restarts look like so far. */
export interface RestartHistory {
  /** Restarts since the last healthy period. */
  readonly attempts: number;
  /** When each restart within the window happened. */
  readonly times: readonly number[];
}

export const noHistory: RestartHistory = { attempts: 0, times: [] };

/**
 * The history with one more restart at `now`, or `undefined` if the window holds no more.
 * @param readyForMs how long, in one piece, the ended life was ready; such a healthy period forgets the attempts
 */
export function recordRestart(
  policy: RestartPolicy,
  history: RestartHistory,
  now: number,
  readyForMs: number,
): RestartHistory | undefined {
  const times = history.times.filter((time) => now - time < policy.windowMs);
  if (times.length >= policy.maxRestarts) return undefined;
  const attempts = readyForMs >= policy.resetAfterMs ? 1 : history.attempts + 1;
  return { attempts, times: [...times, now] };
}
