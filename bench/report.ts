/** What is shown of a measure: a table on stdout, and its data and a chart as files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, machine } from './bench.ts';
import { chartOf } from './chart.ts';
import { judge, type Verdict } from './judge.ts';
import type { Column, Measure, Row } from './measures/measure.ts';
import { type Summary, summarize } from './statistics.ts';

const results = join(import.meta.dirname, 'results');

/** A row's figures, summed up. */
export interface Line {
  readonly name: string;
  readonly isOurs: boolean;
  readonly figures: Readonly<Record<string, Summary>>;
  /** Why there are no figures. */
  readonly remark?: string;
}

/** Prints the table and writes bench/results/NAME.json and NAME.svg. */
export function report(measure: Measure, rows: readonly Row[], bench: Bench): void {
  const lines = [...rows.map(lineOf), ...[...bench.absent].map(([name, remark]) => missing(name, remark))];
  const verdicts = measure.columns.flatMap((column) => judge(column, lines));
  process.stdout.write(tableOf(measure, lines, verdicts));
  mkdirSync(results, { recursive: true });
  const data = {
    id: measure.id,
    title: measure.title,
    machine,
    versions: Object.fromEntries(bench.versions),
    columns: measure.columns,
    lines,
    verdicts,
  };
  writeFileSync(join(results, `${measure.name}.json`), `${JSON.stringify(data, undefined, 2)}\n`);
  writeFileSync(join(results, `${measure.name}.svg`), chartOf(measure, lines));
}

function lineOf({ name, outcome, isOurs = false }: Row): Line {
  if ('cannot' in outcome) return { ...missing(name, outcome.cannot), isOurs };
  if ('failure' in outcome) return { ...missing(name, `failed: ${outcome.failure}`), isOurs };
  const figures = Object.entries(outcome.values).map(([figure, values]) => [figure, summarize(values)]);
  return { name, isOurs, figures: Object.fromEntries(figures) };
}

const missing = (name: string, remark: string): Line => ({ name, isOurs: false, figures: {}, remark });

/** One line a row: median, and minimum to maximum in brackets. */
export function tableOf({ id, title, columns }: Measure, lines: readonly Line[], verdicts: readonly Verdict[]): string {
  const head = ['', ...columns.map((column) => `${column.title} (${column.unit})`)];
  const body = lines.map((line) => [line.name, ...columns.map((column) => cellOf(line, column))]);
  const widths = head.map((_, index) => Math.max(...[head, ...body].map((cells) => cells[index]?.length ?? 0)));
  const text = [head, ...body].map((cells, row) => {
    const padded = cells.map((cell, index) =>
      index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0),
    );
    const remark = row > 0 ? lines[row - 1]?.remark : undefined;
    return `${padded.join('  ')}${remark === undefined ? '' : `  ${remark}`}`.trimEnd();
  });
  return [`\n${id} ${title}`, ...text, ...verdicts.map(tell), ''].join('\n');
}

function cellOf({ figures }: Line, { figure, goal }: Column): string {
  const summary = figures[figure];
  if (!summary) return '-';
  if (goal?.of === 'p99') return short(summary.p99);
  const { median, minimum, maximum } = summary;
  return `${short(median)} [${short(minimum)}-${short(maximum)}]`;
}

/** Three figures are more than a noisy machine can tell. */
const short = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

function tell({ name, column, reached, limit, over, isMet, isHigherBetter }: Verdict): string {
  const sign = isHigherBetter ? '>=' : '<=';
  const unit = over === undefined ? '' : ` x ${over}`;
  return `  goal ${column}: ${sign} ${limit}${unit}; ${name}: ${short(reached)}: ${isMet ? 'met' : 'NOT MET'}`;
}
