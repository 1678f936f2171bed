/**
 * The stop budget: how one bound on the whole stop is shared by services that stop one after the other.
 *
 * Each takes what it needs, so the first may use all but a reserve for those that come after it: a service that has
 * not been asked yet must not be killed because an earlier one was slow.
 */

/** What a later service keeps for itself where nothing else is said; most end within milliseconds. */
export const reserveMs = 1_500;

/** The own limits (`stopGraceMs`) of services that stop one after the other. */
export type Limits = readonly (number | undefined)[];

/** What a row of services wants to keep for itself. */
export function needMs(limits: Limits): number {
  return limits.reduce<number>((sum, limit) => sum + (limit ?? reserveMs), 0);
}

/**
 * The grace for one service, in milliseconds. Where there is not enough for all, shares are max-min fair: nobody has more
 * than it needs, what one leaves goes to the others, and the rest is shared evenly.
 * @param remainingMs what is left of the budget
 * @param ownLimitMs the service's own `stopGraceMs`, if it has one
 * @param laterLimitsMs the same of those that stop after it, in a row
 */
export function graceMs(remainingMs: number, ownLimitMs: number | undefined, laterLimitsMs: Limits): number {
  const laterNeedsMs = laterLimitsMs.map((limit) => limit ?? reserveMs).sort((one, other) => one - other);
  let [leftMs, sharers] = [remainingMs, laterNeedsMs.length + 1];
  for (const eachMs of laterNeedsMs) {
    if (eachMs > leftMs / sharers) break;
    leftMs -= eachMs;
    sharers -= 1;
  }
  return Math.max(0, Math.min(ownLimitMs ?? Infinity, leftMs / sharers));
}
