/**
 * The bounds that are kept on any YAML before a parser is let at it: 100,000 open brackets would take all of its memory, and a
 * thousand levels its stack, of which Node dies.
 */

/** The most that a file may have. */
export const mostYamlBytes = 1024 * 1024;

/** Nobody writes as many, and a parser's recursion bears them. */
export const mostYamlLevels = 100;

/** What the lexer puts before the text of a scalar, and the other marks that stand for no character. */
const scalarMark = '\x1f';
const marks = new Set([scalarMark, '\x02', '\x18']);

const indicators = new Set(['-', '?', ':']);

/**
 * The first line, from 1, that is nested deeper than `mostYamlLevels`; `undefined` if there is none. Levels are brackets, and the
 * columns at which lines and the indicators in them begin.
 * @param tokens of the `yaml` library's lexer, which itself needs no depth
 */
export function tooDeepAt(tokens: Iterable<string>): number | undefined {
  const columns: number[] = [];
  let [open, line, column] = [0, 1, 0];
  let isScalar = false;
  let isFirst = true;
  for (const token of tokens) {
    const isBlank = !isScalar && (token.trim() === '' || token.startsWith('#') || token === '\x02');
    const begins = !isBlank && (isFirst || indicators.has(token));
    if (begins && open === 0 && !isScalar) {
      while ((columns.at(-1) ?? -1) >= column) columns.pop();
      columns.push(column);
    }
    if (!isScalar && (token === '[' || token === '{')) open += 1;
    if (!isScalar && (token === ']' || token === '}')) open = Math.max(0, open - 1);
    if (open + columns.length > mostYamlLevels) return line;
    isFirst = isFirst && isBlank;
    isScalar = token === scalarMark;
    if (marks.has(token)) continue;
    const breaks = token.split('\n').length - 1;
    line += breaks;
    column = breaks === 0 ? column + token.length : token.length - token.lastIndexOf('\n') - 1;
    if (breaks > 0) isFirst = true;
  }
  return undefined;
}
