/** When an ended service is started again, told a second time, from what could be seen. It imports nothing. */

/** One ending that nobody asked for. */
export interface Ended {
  readonly condition: 'no' | 'on-failure' | 'always';
  /** By itself with 0. */
  readonly isClean: boolean;
  /** When it was started again before. */
  readonly restartsAt: readonly number[];
  readonly at: number;
  readonly windowMs: number;
  readonly maxRestarts: number;
}

export function isRestarted({ condition, isClean, restartsAt, at, windowMs, maxRestarts }: Ended): boolean {
  if (condition === 'no' || (condition === 'on-failure' && isClean)) return false;
  return restartsAt.filter((other) => other > at - windowMs).length < maxRestarts;
}

/** How long it is waited: full jitter under a ceiling that doubles. `attempt` is 1 after a healthy period. */
export function restartDelayMs(baseMs: number, mostMs: number, attempt: number, randomness: number): number {
  let ceilingMs = baseMs;
  for (let doubling = 1; doubling < attempt && ceilingMs < mostMs; doubling += 1) ceilingMs += ceilingMs;
  return Math.round(Math.min(ceilingMs, mostMs) * randomness);
}
