/**
 * The kinds of values that a variable can have: from text to a checked value. Each says in words what it accepts, and
 * that is the whole error message. Without zod: a text has no shape for it to check, and a start would wait for it.
 */
import { isIPv6 } from 'node:net';
import type { ProbeSpec } from '../core/spec.ts';
import { dependencyUrlSyntax, parseDependencyUrl, splitUrls, uniqueNames } from './dependency-url.ts';
import { durationSyntax, parseDurationMs } from './duration.ts';
import { mostFiles, parseFileLimit } from './file-limit.ts';
import { isVariableName, splitList, splitPaths } from './lists.ts';
import { splitWords } from './words.ts';

/** Why there is no value: what is accepted instead. */
export class Refusal {
  readonly accepted: string;

  constructor(accepted: string) {
    this.accepted = accepted;
  }
}

/** From a text to its value, or to a refusal if it has none. */
export type Kind<T = unknown> = (text: string) => T | Refusal;

/** The values of a kind. */
export type Meaning<K extends Kind> = Exclude<ReturnType<K>, Refusal>;

/** Says what the values are, where the compiler would see more in the function. */
function kind<T>(parse: Kind<T>): Kind<T> {
  return parse;
}

/** One of the words, in any case. */
export function oneOf<const W extends string>(...words: readonly W[]) {
  const refusal = new Refusal(words.join(', '));
  return kind<W>((text) => words.find((word) => word === text.toLowerCase()) ?? refusal);
}

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number) {
  return kind<number>((text) => parseWhole(text, least, most) ?? new Refusal(`a whole number, ${least} to ${most}`));
}

export const fileLimit = kind<number>(
  (text) => parseFileLimit(text) ?? new Refusal(`a whole number, 1 to ${mostFiles}`),
);

export const port = kind<number>((text) => parsePort(text) ?? new Refusal('a port, 1 to 65535'));

/** Empty: none. */
export const portOrNone = kind<number | undefined>((text) =>
  text === '' ? undefined : (parsePort(text) ?? new Refusal('a port, 1 to 65535, or empty for none')),
);

/** In milliseconds. */
export const duration = kind<number>((text) => parseDurationMs(text) ?? new Refusal(durationSyntax));

/** A duration that is not 0; in milliseconds. */
export const positiveDuration = kind<number>(
  (text) => parseDurationMs(text) || new Refusal(`more than 0: ${durationSyntax}`),
);

const flagWords: ReadonlyMap<string, boolean> = new Map([
  ...['1', 'true', 'yes', 'on'].map((word) => [word, true] as const),
  ...['0', 'false', 'no', 'off'].map((word) => [word, false] as const),
]);

export const flag = kind<boolean>(
  (text) => flagWords.get(text.toLowerCase()) ?? new Refusal('1, true, yes, on or 0, false, no, off'),
);

const memoryUnits: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Memory as Docker writes it; in bytes. */
export const memory = kind<number>((text) => {
  const [, digits, unit = 'b'] = /^(\d+)([bkmg]?)$/i.exec(text) ?? [];
  const bytes = Number(digits) * (memoryUnits[unit.toLowerCase() || 'b'] ?? 1);
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : new Refusal('bytes, or a size like 512k, 256m, 1g');
});

/** The words of a command line, at least one. */
export const command = kind<readonly [string, ...string[]]>((text) => {
  const split = splitWords(text);
  if ('problem' in split) return new Refusal(`words as a shell splits them; ${split.problem}`);
  const [program, ...rest] = split.words;
  return program ? [program, ...rest] : new Refusal('a command and its arguments, as a shell splits them');
});

/** A literal address or a name; IPv6 with or without brackets, kept without. */
export const host = kind<string>((text) => {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  // Node's test for IPv6 takes 2.7 ms when it is first used: only what has a colon is worth it.
  const isHost = bare.includes(':') ? isIPv6(bare) : /^[A-Za-z0-9._-]+$/.test(text);
  return isHost ? bare : new Refusal('an address or a host name, without port');
});

/** What is asked over HTTP; empty: nothing. */
export const httpPath = kind<string>((text) =>
  text === '' || /^\/[\x21-\x7e]*$/.test(text) ? text : new Refusal('a path that begins with /, or empty for none'),
);

export const httpUrl = kind<string>((text) =>
  /^https?:\/\/[^\s]+$/.test(text) && URL.canParse(text) ? text : new Refusal('an http or https URL'),
);

/** External dependencies, each with a name of its own; one that is written twice counts once. */
export const dependencies = kind<readonly { readonly name: string; readonly probe: ProbeSpec }[]>((text) => {
  const parsed = [...new Set(splitUrls(text))].map(parseDependencyUrl);
  const problems = parsed.flatMap((one, index) => ('problem' in one ? [`number ${index + 1}: ${one.problem}`] : []));
  if (problems.length > 0) return new Refusal(`${dependencyUrlSyntax} (${problems.join('; ')})`);
  const found = parsed.flatMap((one) => ('problem' in one ? [] : [one]));
  const names = uniqueNames(found.map(({ name }) => name));
  return found.map(({ probe }, index) => ({ name: names[index] ?? '', probe }));
});

export const path = kind<string>((text) => (text.includes('\0') ? new Refusal('a path') : text));

export const absolutePath = kind<string>((text) => (text.startsWith('/') ? text : new Refusal('an absolute path')));

/** Names of variables, apart by blanks or commas; some with a `-` before them. */
export const variableList = kind<readonly string[]>((text) => {
  const names = splitList(text);
  const areNames = names.every((name) => isVariableName(name.replace(/^-/, '')));
  return areNames ? names : new Refusal('names of variables, with commas');
});

/** Names of variables, apart by blanks or commas. */
export const variableNames = kind<readonly string[]>((text) =>
  splitList(text).every(isVariableName)
    ? splitList(text)
    : new Refusal('names of variables, with commas or blanks between'),
);

/** Paths or commands, apart by blanks or commas. */
export const pathList = kind<readonly string[]>((text) => {
  const paths = splitPaths(text);
  return 'problem' in paths ? new Refusal(`paths, with commas or blanks between; ${paths.problem}`) : paths.words;
});

/** A user as `docker run --user` takes it. */
export const user = kind<string>((text) =>
  /^[\w.-]+(:[\w.-]+)?$/.test(text) ? text : new Refusal('a user as name or uid, or with a group as user:group'),
);

/** Names of profiles, apart by blanks or commas. */
export const profileList = kind<readonly string[]>(splitList);

/** A Python module and the application in it. */
export const appModule = kind<string>((text) =>
  /^[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*(\(\))?)?$/.test(text) ? text : new Refusal('module:application'),
);

/** Anything that is not empty. */
export const text = kind<string>((given) => given);

function parseWhole(text: string, least: number, most: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : undefined;
}

function parsePort(text: string): number | undefined {
  return parseWhole(text, 1, 65_535);
}
