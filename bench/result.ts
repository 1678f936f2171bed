/** What came of a measure: everybody's figures summed up, and which goals are reached. Kept as JSON and as a chart. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Machine, machine, now } from './bench.ts';
import { chartOf } from './chart.ts';
import { judge, type Verdict } from './judge.ts';
import type { Column, Measure, Row } from './measures/measure.ts';
import { type Summary, summarize } from './statistics.ts';

export const resultsDirectory = join(import.meta.dirname, 'results');

export interface Result {
  readonly name: string;
  /** `P1` and so on. */
  readonly id: string;
  readonly title: string;
  readonly machine: Machine;
  /** A whole life of a Node that does nothing, on that machine, right before: by it times of two machines are compared. */
  readonly nodeMs: number;
  /** By peer. */
  readonly versions: Readonly<Record<string, string>>;
  readonly columns: readonly Column[];
  readonly lines: readonly Line[];
  readonly verdicts: readonly Verdict[];
}

/** A row's figures, summed up. */
export interface Line {
  readonly name: string;
  readonly isOurs: boolean;
  readonly figures: Readonly<Record<string, Summary>>;
  /** Why there are no figures. */
  readonly remark?: string;
}

export async function resultOf(measure: Measure, bench: Bench): Promise<Result> {
  const { name, id, title, columns } = measure;
  const nodeMs = lifeOfNodeMs();
  const rows = await measure.run(bench);
  const lines = [...rows.map(lineOf), ...[...bench.absent].map(([peer, remark]) => missing(peer, remark))];
  const versions = Object.fromEntries([...bench.versions].sort());
  const verdicts = columns.flatMap((column) => judge(column, lines));
  return { name, id, title, machine, nodeMs, versions, columns, lines, verdicts };
}

/** Writes bench/results/NAME.json and NAME.svg. */
export function keep(result: Result): void {
  const path = join(resultsDirectory, result.name);
  mkdirSync(resultsDirectory, { recursive: true });
  writeFileSync(`${path}.json`, `${JSON.stringify(result, inFourFigures, 1)}\n`);
  writeFileSync(`${path}.svg`, chartOf(result));
}

/** The median of eleven. */
export function lifeOfNodeMs(): number {
  const lives = Array.from({ length: 11 }, () => {
    const startedAt = now();
    spawnSync(process.execPath, ['-e', '0'], { env: {} });
    return now() - startedAt;
  });
  return summarize(lives).median;
}

function lineOf({ name, outcome, isOurs = false }: Row): Line {
  if ('cannot' in outcome) return { ...missing(name, outcome.cannot), isOurs };
  if ('failure' in outcome) return { ...missing(name, `failed: ${outcome.failure}`), isOurs };
  const figures = Object.entries(outcome.values).map(([figure, values]) => [figure, summarize(values)]);
  return { name, isOurs, figures: Object.fromEntries(figures) };
}

const missing = (name: string, remark: string): Line => ({ name, isOurs: false, figures: {}, remark });

/** More than a noisy machine can tell, and no more noise in the diff. */
function inFourFigures(_key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value;
  return Number(value.toPrecision(4));
}
