/** Finds the word that was probably meant. */

/**
 * The candidate with the fewest edits, if they are few enough for a typing error. An edit is a letter that is missing, too
 * many or another one, or two neighbours that changed places (Damerau-Levenshtein, optimal string alignment).
 * @example nearest('helth', ['run', 'health']) // 'health'
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  // of a single letter nothing would be left
  const mostEdits = Math.min(word.length - 1, Math.max(1, Math.floor(word.length / 3)));
  const [best] = candidates
    .map((candidate) => ({ candidate, edits: editDistance(word, candidate) }))
    .filter(({ edits }) => edits <= mostEdits)
    .sort((a, b) => a.edits - b.edits);
  return best?.candidate;
}

/** Three rows of the table at a time. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line += 1) {
    const next = [line];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (from[line - 1] === to[column - 1] ? 0 : 1);
      const isSwapped = from[line - 1] === to[column - 2] && from[line - 2] === to[column - 1];
      const swapped = isSwapped && line > 1 && column > 1 ? (before[column - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
