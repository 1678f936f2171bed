/**
 * Variables in values, as Compose has them: `$NAME`, `${NAME}`, and `${NAME:-default}`, `${NAME:?message}`, `${NAME:+other}` with
 * and without the colon, which also counts an empty variable as unset. Defaults may hold variables; `$$` is a `$`.
 */

import { looksSecret } from '../mask.ts';
import type { Located, Path } from './located.ts';

/** The value of a variable; `undefined` where it is not set. */
export type Lookup = (name: string) => string | undefined;

/** A text with its variables replaced. */
export interface Interpolated {
  readonly text: string;
  /** Every variable that was asked for. */
  readonly names: readonly string[];
  /** Variables without value and without default, for which nothing was put in. */
  readonly unset: readonly string[];
  readonly problems: readonly string[];
}

type Operator = '' | '-' | ':-' | '?' | ':?' | '+' | ':+';
type Part = string | { readonly name: string; readonly operator: Operator; readonly word: readonly Part[] };

const reference = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(:?[-?+]|\}))/y;

/** What a `$` may begin, for messages. */
const accepted = `\${NAME}, \${NAME:-default}, \${NAME:?message}, or $$ for a $ itself`;

/** @example interpolate('${HOST:-localhost}:$PORT', lookup).text // 'localhost:80' */
export function interpolate(text: string, lookup: Lookup): Interpolated {
  if (!text.includes('$')) return { text, names: [], unset: [], problems: [] };
  const parsed = parseParts(text, 0, 0);
  if ('problem' in parsed) return { text, names: [], unset: [], problems: [parsed.problem] };
  const names: string[] = [];
  const unset: string[] = [];
  const problems: string[] = [];
  const expand = (part: Part): string => {
    if (typeof part === 'string') return part;
    const { name, operator, word } = part;
    const value = lookup(name);
    const isThere = value !== undefined && (value !== '' || !operator.startsWith(':'));
    const otherwise = () => word.map(expand).join('');
    names.push(name);
    if (operator.endsWith('+')) return isThere ? otherwise() : '';
    if (isThere) return value;
    if (operator.endsWith('-')) return otherwise();
    if (operator === '') unset.push(name);
    else problems.push(missing(name, value, otherwise()));
    return '';
  };
  return { text: parsed.parts.map(expand).join(''), names, unset, problems };
}

function missing(name: string, value: string | undefined, message: string): string {
  const state = value === undefined ? 'is not set' : 'is empty';
  return `the variable ${name} ${state}${message === '' ? '' : `: ${message}`}; accepted: a value for ${name} in the environment or in .env`;
}

type Parsed = { readonly parts: readonly Part[]; readonly end: number } | { readonly problem: string };

/** Defaults in defaults; nobody writes more. */
const mostDepth = 50;

/** @param depth how many references it is inside of: it ends with the brace that closes the innermost, else with the text */
function parseParts(text: string, from: number, depth: number): Parsed {
  const isInside = depth > 0;
  if (depth > mostDepth) return { problem: `defaults nested too deeply; accepted: at most ${mostDepth} levels` };
  const parts: Part[] = [];
  for (let at = from; at < text.length; ) {
    const character = text.charAt(at);
    if (isInside && character === '}') return { parts, end: at + 1 };
    if (character !== '$') {
      const next = text.slice(at).search(isInside ? /[$}]/ : /\$/);
      const end = next < 0 ? text.length : at + next;
      parts.push(text.slice(at, end));
      at = end;
      continue;
    }
    reference.lastIndex = at;
    const [whole, dollar, plain, braced, rest] = reference.exec(text) ?? [];
    if (whole === undefined) return { problem: `a "$" that begins no variable; accepted: ${accepted}` };
    at += whole.length;
    if (dollar) parts.push('$');
    else if (plain) parts.push({ name: plain, operator: '', word: [] });
    else if (braced && rest === '}') parts.push({ name: braced, operator: '', word: [] });
    else if (braced) {
      const word = parseParts(text, at, depth + 1);
      if ('problem' in word) return word;
      parts.push({ name: braced, operator: rest as Operator, word: word.parts });
      at = word.end;
    }
  }
  return isInside ? { problem: `a "\${" that is never closed; accepted: ${accepted}` } : { parts, end: text.length };
}

/** What is told about the variables of a tree. */
export interface Told {
  readonly problem: (path: Path, message: string) => void;
  readonly unset: (path: Path, name: string) => void;
}

/** The tree with the variables of all its texts replaced; keys stay as they are. A shared part is told of once. */
export function interpolateTree(root: Located, path: Path, lookup: Lookup, told: Told): Located {
  const done = new Map<Located, Located>();
  const convert = (part: Located, here: Path): Located => {
    const known = done.get(part);
    if (known) return known;
    const converted = convertNew(part, here);
    done.set(part, converted);
    return converted;
  };
  const convertNew = (part: Located, here: Path): Located => {
    if (part.kind === 'list')
      return { ...part, items: part.items.map((item, index) => convert(item, [...here, index])) };
    if (part.kind === 'map') {
      const entries = [...part.entries].map(([name, { at, value }]) => {
        return [name, { at, value: convert(value, [...here, name]) }] as const;
      });
      return { ...part, entries: new Map(entries) };
    }
    if (typeof part.value !== 'string' || !part.value.includes('$')) return part;
    const { text, names, unset, problems } = interpolate(part.value, lookup);
    for (const problem of problems) told.problem(here, problem);
    for (const name of unset) told.unset(here, name);
    return { ...part, value: text, text, ...(names.some(looksSecret) && { isSecret: true }) };
  };
  return convert(root, path);
}
