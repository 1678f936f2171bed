/** Text that somebody else wrote, made fit for a terminal and for a line of a log, with nothing lost. */

/** What moves a cursor, ends a line, turns text around or cannot be seen; of lone surrogates nobody knows what they become. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const unseenInLines = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * One line, with every character that is not seen as it is in the escapes of JSON.
 * @example visible('a\u001b[2J') // 'a\\u001b[2J'
 */
export function visible(text: string): string {
  return text.replace(unseen, escaped);
}

/** The same for a text of several lines. In JSON only strings hold such characters, so it stays the same value. */
export function visibleLines(text: string): string {
  return text.replace(unseenInLines, escaped);
}

/** Whether `visibleLines` would change the text. */
export function hasUnseen(text: string): boolean {
  return text.search(unseenInLines) >= 0;
}

const short: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\t', '\\t'],
]);

function escaped(character: string): string {
  const units = character.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return short.get(character) ?? units.join('');
}
