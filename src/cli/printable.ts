/** Docker keeps 4096 bytes of a check's output. */
const maxLineLength = 1_000;

/** One line of bounded length without control characters: a foreign service wrote parts of it. */
export function printable(text: string): string {
  // What is ASCII needs no tables of Unicode, which it takes time to load.
  const line = /^[ -~]*$/.test(text) ? text : text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return line.length <= maxLineLength ? line : `${line.slice(0, maxLineLength - 1)}…`;
}
