/** What a measure is: its goal, and the figures of everybody in it. */
import type { Bench } from '../bench.ts';
import type { Outcome } from '../interleave.ts';

export interface Measure {
  /** As in `npm run bench -- NAME`. */
  readonly name: string;
  /** `P1` and so on: the row of the table of goals. */
  readonly id: string;
  readonly title: string;
  readonly columns: readonly Column[];
  run(bench: Bench): Promise<Row[]>;
}

/** One figure of a measure. */
export interface Column {
  /** The name that rows use. */
  readonly figure: string;
  readonly title: string;
  readonly unit: string;
  /** Lower is better, unless this says otherwise. */
  readonly isHigherBetter?: true;
  /** What tandem has to reach; absent: told, not judged. */
  readonly goal?: Goal;
}

/** At most (at least, where higher is better) `limit`: of the figure itself, or of its ratio to a baseline's median in the same run. */
export interface Goal {
  readonly limit: number;
  /** The row that is the baseline, as in `node empty.cjs`. */
  readonly over?: string;
  /** Which value is judged. Default: the median. */
  readonly of?: 'median' | 'p99' | 'maximum';
}

/** A peer, a baseline or a form of tandem. */
export interface Row {
  readonly name: string;
  readonly outcome: Outcome | { readonly cannot: string };
  /** Judged against the goals. */
  readonly isOurs?: boolean;
}
