/** Lists in one variable. */
import { splitWords, type Words } from './words.ts';

/** Names, apart by blanks or commas. */
export function splitList(text: string): string[] {
  return text.split(/[\s,]+/).filter((name) => name !== '');
}

/** Paths, apart by blanks or commas; one that has such in itself is quoted as for a shell. */
export function splitPaths(text: string): Words {
  return splitWords(text.replace(/("[^"]*"|'[^']*')|[,\s]+/g, (_, quoted: string | undefined) => quoted ?? ' '));
}

export function isVariableName(text: string): boolean {
  return /^[A-Za-z_]\w*$/.test(text);
}
