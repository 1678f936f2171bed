/** Whether a goal that was met once is missed now, by more than machines and moments differ. */
import type { Verdict } from './judge.ts';
import type { Result } from './result.ts';
import { goalOf, short } from './table.ts';

/** In the way of raw output there is no tandem; what differs from run to run is the pipe. */
const noise = new Set(['raw']);

/** What a goal may be missed by. */
const margin = 0.25;

/** A figure of tandem's as the machine of the kept results would show it, for a figure in milliseconds. */
function onMachineOf(kept: Result, { reached, over, unit }: Verdict, nodeMs: number): number {
  return unit === 'ms' && over === undefined ? (reached * kept.nodeMs) / nodeMs : reached;
}

/** True if the goal is missed by more than noise. */
function isLost({ limit, isHigherBetter }: Verdict, reached: number): boolean {
  return isHigherBetter ? reached < limit / (1 + margin) : reached > limit * (1 + margin);
}

/** What there is to lose: medians that were met. */
export const guardedIn = ({ verdicts }: Result): readonly Verdict[] =>
  // Extremes are the machine's as much as tandem's: a few rounds can say nothing of them.
  verdicts.filter(({ isMet, of, figure }) => isMet && of === 'median' && !noise.has(figure));

/** Of this measure, the verdicts that were once met and are lost now. */
export function lostOf(kept: Result, now: Result): string[] {
  return guardedIn(kept).flatMap((before) => {
    const after = now.verdicts.find(({ name, column }) => name === before.name && column === before.column);
    if (!after) return [`${goalOf(before)} once; there is no figure now`];
    const reached = onMachineOf(kept, after, now.nodeMs);
    return isLost(after, reached) ? [`${goalOf(before)} once; now ${short(reached)}`] : [];
  });
}
