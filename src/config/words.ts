/**
 * A command line in one variable becomes words as a POSIX shell would split it, and back. Quotes and backslashes mean
 * what they mean there; nothing is expanded and no shell is run, so `$`, `;`, `|`, `*` and `#` are ordinary characters.
 */

import { visible } from '../core/visible.ts';

/** The words, or why there are none. */
export type Words = { readonly words: readonly string[] } | { readonly problem: string };

/** Inside double quotes a backslash escapes these only; before another character it stands for itself. */
const escapableInDoubleQuotes = /["\\$`]/;

const plainWord = /^[\w@%+=:,./-]+$/;

/**
 * Splits at blanks, tabs and newlines outside quotes.
 * @example splitWords(`uvicorn 'my app':app --host "::1"`) // { words: ['uvicorn', 'my app:app', '--host', '::1'] }
 */
export function splitWords(text: string): Words {
  const words: string[] = [];
  // undefined between words: an empty pair of quotes is a word, too
  let word: string | undefined;
  let at = 0;
  while (at < text.length) {
    const character = text.charAt(at);
    if (/[ \t\n]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      at += 1;
      continue;
    }
    const piece = readPiece(text, at);
    if ('problem' in piece) return piece;
    if (piece.text !== undefined) word = (word ?? '') + piece.text;
    at = piece.end;
  }
  if (word !== undefined) words.push(word);
  return { words };
}

/** Part of a word: one character, one escape or one quoted run. A backslash before a newline is no part of any word. */
type Piece = { readonly text: string | undefined; readonly end: number };

function readPiece(text: string, at: number): Piece | { readonly problem: string } {
  const character = text.charAt(at);
  if (character === "'") return readSingleQuoted(text, at);
  if (character === '"') return readDoubleQuoted(text, at);
  if (character !== '\\') return { text: character, end: at + 1 };
  if (at + 1 === text.length) return { problem: 'it ends with a backslash that escapes nothing' };
  const escaped = text.charAt(at + 1);
  return { text: escaped === '\n' ? undefined : escaped, end: at + 2 };
}

function readSingleQuoted(text: string, at: number): Piece | { readonly problem: string } {
  const end = text.indexOf("'", at + 1);
  if (end < 0) return { problem: `the single quote at character ${at + 1} is never closed` };
  return { text: text.slice(at + 1, end), end: end + 1 };
}

function readDoubleQuoted(text: string, at: number): Piece | { readonly problem: string } {
  let content = '';
  for (let next = at + 1; next < text.length; next += 1) {
    const character = text.charAt(next);
    if (character === '"') return { text: content, end: next + 1 };
    const following = text.charAt(next + 1);
    if (character === '\\' && following === '\n') {
      next += 1;
    } else if (character === '\\' && escapableInDoubleQuotes.test(following)) {
      content += following;
      next += 1;
    } else {
      content += character;
    }
  }
  return { problem: `the double quote at character ${at + 1} is never closed` };
}

/** One word, quoted where a shell or `splitWords` would read it otherwise. */
export function quoteWord(word: string): string {
  return plainWord.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * The same for people: with what a terminal would obey or not show in it, in a form that bash and zsh read, and POSIX since
 * 2024.
 * @example showWord('a\u001b[2J') // "$'a\\U0000001b[2J'"
 */
export function showWord(word: string): string {
  if (visible(word) === word) return quoteWord(word);
  return `$'${Array.from(word.replace(/[\\']/g, '\\$&'), escapedForShell).join('')}'`;
}

function escapedForShell(character: string): string {
  const shown = visible(character);
  if (shown === character || shown.length === 2) return shown;
  return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;
}

/** A command line that can be pasted into a shell. */
export function joinWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}
