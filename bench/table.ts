/** Results in words: a table a measure, and the goals of all. */
import type { Verdict } from './judge.ts';
import type { Column } from './measures/measure.ts';
import type { Line, Result } from './result.ts';

/** One line a row: median, and minimum to maximum in brackets. The goals come below. */
export function tableOf({ id, title, columns, lines, verdicts }: Result): string {
  const head = ['', ...columns.map((column) => `${column.title} (${column.unit})`)];
  const body = lines.map((line) => [line.name, ...columns.map((column) => cellOf(line, column))]);
  const text = aligned([head, ...body]).map((row, index) => {
    const remark = lines[index - 1]?.remark;
    return (remark === undefined ? row : `${row}  ${remark}`).trimEnd();
  });
  return ['', `${id} ${title}`, ...text, ...verdicts.map((verdict) => `  ${goalOf(verdict)}`), ''].join('\n');
}

/** Every goal that was judged, met or not. */
export function tellGoals(verdicts: readonly (Verdict & { readonly id: string })[]): string {
  if (verdicts.length === 0) return '';
  const met = verdicts.filter(({ isMet }) => isMet).length;
  const lines = verdicts.map((verdict) => `${verdict.id.padEnd(4)}${goalOf(verdict)}`);
  return ['', `Goals: ${met} of ${verdicts.length} met`, ...lines, ''].join('\n');
}

/** As in `listen to exec <= 3 ms: tandem 2.40: met`. */
export function goalOf(verdict: Verdict): string {
  const { name, column, reached, isMet } = verdict;
  return `${column} ${limitOf(verdict)}: ${name} ${short(reached)}: ${isMet ? 'met' : 'NOT MET'}`;
}

/** As in `<= 1.6 x node empty.cjs`. */
export function limitOf({ limit, unit, over, isHigherBetter }: Verdict): string {
  const sign = isHigherBetter ? '>=' : '<=';
  return over === undefined ? `${sign} ${short(limit)} ${unit}`.trimEnd() : `${sign} ${limit} x ${over}`;
}

export function cellOf({ figures }: Line, { figure, goal }: Column): string {
  const summary = figures[figure];
  if (!summary) return '-';
  if (goal?.of === 'p99') return short(summary.p99);
  const { median, minimum, maximum } = summary;
  return `${short(median)} [${short(minimum)}-${short(maximum)}]`;
}

/** Three figures are more than a noisy machine can tell. */
export function short(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1_000) return String(value);
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** The first column to the left, the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, index) => Math.max(...rows.map((cells) => cells[index]?.length ?? 0))) ?? [];
  return rows.map((cells) =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  '),
  );
}
