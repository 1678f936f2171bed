/** A bar chart of a measure's first figure: a bar a row, its whisker from minimum to maximum. */
import type { Result } from './result.ts';
import { short } from './table.ts';

const [width, labels, bar, gap] = [760, 220, 18, 8];

export function chartOf({ title, columns, lines }: Result): string {
  const [column] = columns;
  const rows = lines.flatMap(({ name, isOurs, figures }) => {
    const summary = column && figures[column.figure];
    return summary ? [{ name, isOurs, ...summary }] : [];
  });
  const most = Math.max(...rows.map(({ maximum }) => maximum), Number.MIN_VALUE);
  const x = (value: number) => (labels + (value / most) * (width - labels - 70)).toFixed(1);
  const bars = rows.map(({ name, isOurs, median, minimum, maximum }, index) => {
    const y = 34 + index * (bar + gap);
    const middle = y + bar / 2;
    return [
      `<text x="${labels - 8}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${labels}" y="${y}" width="${(Number(x(median)) - labels).toFixed(1)}" height="${bar}" fill="${isOurs ? '#2f6f9f' : '#b9c4cc'}"/>`,
      `<path d="M${x(minimum)} ${middle}H${x(maximum)}" stroke="#333"/>`,
      `<text x="${Number(x(maximum)) + 6}" y="${middle + 4}">${short(median)}</text>`,
    ].join('');
  });
  const height = 44 + rows.length * (bar + gap);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="8" y="18" font-size="14">${escaped(`${title}, ${column?.unit ?? ''}`)}</text>`,
    ...bars,
    '</svg>\n',
  ].join('\n');
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
