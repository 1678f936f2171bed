/** Whether tandem reaches a goal. */
import type { Column, Goal } from './measures/measure.ts';
import type { Line } from './result.ts';

export interface Verdict {
  /** Whose figure it is. */
  readonly name: string;
  readonly column: string;
  readonly figure: string;
  readonly unit: string;
  /** Which value is judged. */
  readonly of: NonNullable<Goal['of']>;
  /** The figure, or its ratio to the baseline. */
  readonly reached: number;
  readonly limit: number;
  readonly over?: string;
  readonly isHigherBetter: boolean;
  readonly isMet: boolean;
}

/** One verdict for every line of tandem's that has the figure; none without a goal or without the baseline. */
export function judge({ figure, title, unit, goal, isHigherBetter }: Column, lines: readonly Line[]): Verdict[] {
  if (!goal) return [];
  const { limit, over, of = 'median' } = goal;
  const base = over === undefined ? 1 : lines.find(({ name }) => name === over)?.figures[figure]?.median;
  if (base === undefined) return [];
  return lines.flatMap(({ name, isOurs, figures: { [figure]: summary } }): Verdict[] => {
    if (!isOurs || !summary) return [];
    const reached = summary[of] / base;
    const isMet = isHigherBetter ? reached >= limit : reached <= limit;
    return [
      {
        name,
        column: title,
        figure,
        unit,
        of,
        reached,
        limit,
        ...(over && { over }),
        isHigherBetter: isHigherBetter ?? false,
        isMet,
      },
    ];
  });
}
