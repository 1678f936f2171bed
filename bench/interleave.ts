/**
 * Runs of several cases, in turns: whatever slows the machine down for a while meets all of them. Every case has one
 * run before that is not counted, so that none is the one that reads its files for the first time.
 */

/** One run's figures by their names. */
export type Figures = Readonly<Record<string, number>>;

export interface Case {
  readonly name: string;
  run(): Promise<Figures>;
}

/** The figures of a case, each a row of values; or why there are none. */
export type Outcome = { readonly values: Readonly<Record<string, readonly number[]>> } | { readonly failure: string };

/**
 * Each round begins with another case, so that none is always the one behind a heavy neighbour.
 * @param told called after each round with its number
 */
export async function interleave(
  cases: readonly Case[],
  rounds: number,
  told: (round: number) => void = () => {},
): Promise<Map<string, Outcome>> {
  const rows = new Map(cases.map(({ name }) => [name, new Map<string, number[]>()]));
  const failures = new Map<string, string>();
  for (let round = 0; round <= rounds; round++) {
    for (const one of rotated(cases, round)) {
      if (failures.has(one.name)) continue;
      const figures = await one.run().catch((error: Error) => void failures.set(one.name, error.message));
      if (figures && round > 0) add(rows.get(one.name), figures);
    }
    told(round);
  }
  return new Map(
    cases.map(({ name }): [string, Outcome] => {
      const failure = failures.get(name);
      return [name, failure === undefined ? { values: Object.fromEntries(rows.get(name) ?? []) } : { failure }];
    }),
  );
}

function rotated<T>(all: readonly T[], by: number): readonly T[] {
  const first = by % Math.max(all.length, 1);
  return [...all.slice(first), ...all.slice(0, first)];
}

function add(rows: Map<string, number[]> | undefined, figures: Figures): void {
  for (const [name, value] of Object.entries(figures)) {
    const row = rows?.get(name);
    if (row) row.push(value);
    else rows?.set(name, [value]);
  }
}
