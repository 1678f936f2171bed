/** What is said of a row of measured values. Medians, because a busy machine makes a few runs slow and none fast. */

export interface Summary {
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
  /** The 99th percentile; with fewer than a hundred values it is the maximum. */
  readonly p99: number;
  readonly runs: number;
}

/** @throws RangeError if there are no values */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError('cannot summarize no values');
  const sorted = values.toSorted((one, other) => one - other);
  return {
    median: quantile(sorted, 0.5),
    minimum: quantile(sorted, 0),
    maximum: quantile(sorted, 1),
    p99: sorted.length < 100 ? quantile(sorted, 1) : quantile(sorted, 0.99),
    runs: sorted.length,
  };
}

/** Of sorted values, by linear interpolation between the two nearest (Hyndman and Fan's type 7, as R and NumPy do it). */
function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position % 1);
}
