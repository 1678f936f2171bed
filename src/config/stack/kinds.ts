/**
 * The kinds of values in a tandem.yaml: from what is written to a checked value. Each says in words what it accepts, and that
 * is the error message. Scalars arrive as texts (see `located.ts`); numbers and booleans are in the schemas for editors.
 * A schema is made when it is first asked for: of all that a file may hold, most hold little, and a start waits for it.
 */
import { constants } from 'node:os';
import * as z from 'zod/mini';
import type { Address, SignalName } from '../../core/spec.ts';
import { durationSyntax, parseDurationMs } from '../duration.ts';
import { nearest } from '../nearest.ts';
import { splitWords } from '../words.ts';

/** Any kind: gives its schema. */
export type Kind<T = unknown> = () => z.ZodMiniType<T, unknown>;

/** What a value of the kind means. */
export type Meaning<K extends Kind> = z.output<ReturnType<K>>;

/** Makes the schema when it is first asked for, and no second one. */
export function kindOf<T>(make: () => z.ZodMiniType<T, unknown>): Kind<T> {
  let schema: z.ZodMiniType<T, unknown> | undefined;
  return () => {
    schema ??= make();
    return schema;
  };
}

/** Why there is no value: what is accepted instead. */
export class Refusal {
  readonly accepted: string;

  constructor(accepted: string) {
    this.accepted = accepted;
  }
}

/** A kind that is written as `input` and means what `parse` makes of it. */
export function kind<I, T>(input: Kind<I>, parse: (value: I) => T | Refusal): Kind<T> {
  const refine = (value: I, context: z.core.ParsePayload): T => {
    const parsed = parse(value);
    if (!(parsed instanceof Refusal)) return parsed;
    context.issues.push({ code: 'custom', message: parsed.accepted, input: value });
    return z.NEVER;
  };
  return kindOf(() => z.pipe(input(), z.transform(refine)) as unknown as z.ZodMiniType<T, unknown>);
}

const scalar = (accepted: string) => kindOf(() => z.union([z.string(), z.number()], { error: accepted }));

/** A text that is not empty. */
export function text(accepted: string): Kind<string> {
  return kind(anyText(accepted), (value) => (value === '' ? new Refusal(accepted) : value));
}

/** A text, empty or not. */
export function anyText(accepted: string): Kind<string> {
  return kindOf(() => z.string({ error: accepted }));
}

/** One of the words; the nearest one is suggested. */
export function oneOf<const W extends string>(...words: readonly W[]): Kind<W> {
  const accepted = words.join(', ');
  const one = kindOf(() => z.enum(words as unknown as readonly [W, ...W[]], { error: accepted }));
  return kind(one, (word) => word as W);
}

/** The words of a kind made by `oneOf`, for a suggestion. */
export function suggestion(value: string, accepted: string): string | undefined {
  const words = accepted.split(/[\s,;]+/).filter((word) => /^[a-z_-]{3,}$/.test(word));
  return nearest(value, words);
}

const truths: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', 'no', 'off'].map((word) => [word, false] as const),
]);

/** The words of YAML 1.1 are understood, too: they may come out of a variable. */
export const bool: Kind<boolean> = kind(
  kindOf(() => z.union([z.boolean(), z.string()], { error: 'true or false' })),
  (value) => truths.get(String(value).toLowerCase()) ?? new Refusal('true or false'),
);

export function wholeNumber(least: number, most: number): Kind<number> {
  const accepted = `a whole number, ${least} to ${most}`;
  return kind(scalar(accepted), (value) => {
    const number = /^\d{1,15}$/.test(String(value)) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : new Refusal(accepted);
  });
}

export const port: Kind<number> = wholeNumber(1, 65_535);

/** In milliseconds. */
export const duration: Kind<number> = kind(
  scalar(durationSyntax),
  (value) => parseDurationMs(String(value)) ?? new Refusal(durationSyntax),
);

const positiveSyntax = `more than 0: ${durationSyntax}`;

/** In milliseconds, not 0. */
export const positiveDuration: Kind<number> = kind(
  scalar(positiveSyntax),
  (value) => parseDurationMs(String(value)) || new Refusal(positiveSyntax),
);

const wordsSyntax = 'a command line, split as a shell splits words, or a list of words';

/** A command line: one text without a shell's expansion, or the words. */
export const words: Kind<readonly string[]> = kind(
  kindOf(() => z.union([z.string(), list(anyText('a text'), wordsSyntax)()], { error: wordsSyntax })),
  (value) => {
    if (typeof value !== 'string') return value;
    const split = splitWords(value);
    return 'problem' in split ? new Refusal(`${wordsSyntax}; ${split.problem}`) : split.words;
  },
);

/** A list of one kind. */
export function list<T>(item: Kind<T>, accepted: string): Kind<readonly T[]> {
  return kindOf(() => z.array(item(), { error: accepted }) as unknown as z.ZodMiniType<readonly T[], unknown>);
}

/** One, or a list of such; always a list for the reader. */
export function oneOrList<T>(item: Kind<T>, accepted: string): Kind<readonly T[]> {
  return kind(either([item, list(item, accepted)], accepted), (value) => (Array.isArray(value) ? value : [value as T]));
}

/** One of several forms. */
export function either<const K extends readonly [Kind, Kind, ...Kind[]]>(
  kinds: K,
  accepted: string,
): Kind<Meaning<K[number]>> {
  const schemas = () => kinds.map((one) => one()) as unknown as readonly z.ZodMiniType<Meaning<K[number]>, unknown>[];
  return kindOf(() => z.union(schemas(), { error: accepted }));
}

/** What another kind means, in another shape. */
export function mapped<I, T>(from: Kind<I>, convert: (value: I) => T): Kind<T> {
  return kind(from, convert);
}

/** Any names, all values of one kind. */
export function record<T>(value: Kind<T>, accepted: string): Kind<Readonly<Record<string, T>>> {
  return kindOf(() => z.record(z.string(), value(), { error: accepted }));
}

const variablesSyntax = 'a map of NAME: value, or a list of NAME=value';
const value = kindOf(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null()], { error: 'a text, a number, true, false, or nothing' }),
);

/** Variables by name; `null`: taken from tandem's own environment. */
export const variables: Kind<Readonly<Record<string, string | null>>> = kind(
  either([record(value, variablesSyntax), list(anyText('NAME=value, or NAME'), variablesSyntax)], variablesSyntax),
  (given) => {
    const entries = Array.isArray(given)
      ? given.map((line: string): [string, string | null] => {
          const at = line.indexOf('=');
          return at < 0 ? [line, null] : [line.slice(0, at), line.slice(at + 1)];
        })
      : Object.entries(given).map(([name, one]): [string, string | null] => [name, one === null ? null : String(one)]);
    return entries.some(([name]) => name === '' || name.includes('='))
      ? new Refusal(`${variablesSyntax}; each with a name`)
      : Object.fromEntries(entries);
  },
);

const signalNames = Object.keys(constants.signals);
const signalSyntax = 'a signal like SIGTERM, TERM or 15';

/** By its name with or without SIG, or by its number; in Node's spelling. */
export const signal: Kind<SignalName> = kind(scalar(signalSyntax), (given) => {
  const word = String(given).toUpperCase();
  const byNumber = Object.entries(constants.signals).find(([, number]) => String(number) === word)?.[0];
  const name = byNumber ?? signalNames.find((known) => known === word || known === `SIG${word}`);
  return name === undefined ? new Refusal(signalSyntax) : (name as SignalName);
});

const addressSyntax = 'a port, or HOST:PORT';

/** Where something listens: a port of this machine, or host and port. */
export const address: Kind<Address> = kind(scalar(addressSyntax), (given) => {
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]+)\]|([^:\s/]+)):)?(\d{1,5})$/.exec(String(given)) ?? [];
  const number = Number(digits);
  if (number < 1 || number > 65_535 || digits === '') return new Refusal(addressSyntax);
  return { host: bracketed ?? plain ?? 'localhost', port: number };
});

const urlOrPathSyntax = 'an http or https URL, or a path that begins with / (with ready.port)';

/** What is asked over HTTP. */
export const urlOrPath: Kind<string> = kind(anyText(urlOrPathSyntax), (given) => {
  const isPath = /^\/[\x21-\x7e]*$/.test(given);
  return isPath || (/^https?:\/\/[^\s]+$/.test(given) && URL.canParse(given)) ? given : new Refusal(urlOrPathSyntax);
});

const modeSyntax = 'permissions like 0750';

/** Permission bits, written in octal. */
export const mode: Kind<number> = kind(scalar(modeSyntax), (given) =>
  /^(0o?)?[0-7]{3,4}$/.test(String(given))
    ? Number.parseInt(String(given).replace('o', ''), 8)
    : new Refusal(modeSyntax),
);

/** What the body of an answer is compared with. */
export const jsonPattern: Kind<unknown> = kindOf(() => z.unknown());
