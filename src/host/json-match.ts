/** Partial matching of a JSON body against a pattern, with a word on the first place where they differ. */
import type { JsonPattern } from '../core/spec.ts';

const longestValue = 60;

/**
 * Where a value does not match a pattern: objects match if every named key does, an array if each element of the pattern
 * finds a match among the value's, anything else if it is equal.
 * @returns `undefined` if it matches
 * @example mismatch({ state: 'ready' }, { state: 'starting' }) // 'state is "starting", not "ready"'
 */
export function mismatch(pattern: JsonPattern, value: unknown, path = ''): string | undefined {
  if (isList(pattern)) return mismatchOfList(pattern, value, path);
  if (typeof pattern === 'object' && pattern !== null) return mismatchOfObject(pattern, value, path);
  return pattern === value ? undefined : differs(path, value, show(pattern));
}

function mismatchOfList(pattern: readonly JsonPattern[], value: unknown, path: string): string | undefined {
  if (!Array.isArray(value)) return differs(path, value, 'an array');
  const missing = pattern.find((wanted) => value.every((element) => mismatch(wanted, element) !== undefined));
  return missing === undefined ? undefined : `${path || 'body'} has no element like ${show(missing)}`;
}

function mismatchOfObject(
  pattern: { readonly [key: string]: JsonPattern },
  value: unknown,
  path: string,
): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return differs(path, value, 'an object');
  for (const [key, wanted] of Object.entries(pattern)) {
    const place = path ? `${path}.${key}` : key;
    if (!Object.hasOwn(value, key)) return `${place} is missing`;
    const found = mismatch(wanted, (value as Record<string, unknown>)[key], place);
    if (found !== undefined) return found;
  }
  return undefined;
}

const differs = (path: string, value: unknown, wanted: string) => `${path || 'body'} is ${show(value)}, not ${wanted}`;

function show(value: unknown): string {
  if (Array.isArray(value) && value.length > 3) return 'an array';
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
}

// Array.isArray does not narrow readonly arrays.
const isList = (pattern: JsonPattern): pattern is readonly JsonPattern[] => Array.isArray(pattern);
