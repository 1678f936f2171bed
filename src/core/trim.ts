/**
 * Cutting a character off the ends of a text. A pattern like `x+$` takes time by the square of the text: it is tried anew
 * from each x.
 */

/** @example trimEnd('http://h//', '/') // 'http://h' */
export function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return text.slice(0, end);
}

/** @example trim('--a-b-', '-') // 'a-b' */
export function trim(text: string, character: string): string {
  let start = 0;
  while (text[start] === character) start++;
  return trimEnd(text.slice(start), character);
}
