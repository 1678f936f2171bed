/** Values of the fleet's configuration. Most are the stack's, about which an editor is told more here. */
import { isAbsolute, normalize } from 'node:path';
import { longestDurationMs } from '../../config/duration.ts';
import * as stack from '../../config/stack/kinds.ts';
import { type Kind, kind, Refusal, record, text } from '../../config/stack/kinds.ts';
import type { Mount } from '../engine.ts';
import { matching, named, shaped } from './shapes.ts';

const unitBytes: Readonly<Record<string, number>> = { b: 1, k: 1_024, m: 1_024 ** 2, g: 1_024 ** 3 };
/** Docker refuses less. */
const leastMemoryBytes = 6 * 1_024 ** 2;
const memorySyntax = 'bytes, or a number with k, m or g, as in 256m; at least 6m';
const memoryPattern = /^(\d{1,15}(?:\.\d{1,3})?)\s?([bkmgBKMG])?[bB]?$/;

/** The text of a pattern, as JSON Schema has it. */
type Pattern = Pick<RegExp, 'source'>;

const orNumber = (pattern: Pattern, number: object) => () => ({
  anyOf: [
    { type: 'string', pattern: pattern.source },
    { type: 'number', ...number },
  ],
});

const notZero = ({ source }: Pattern): Pattern => ({ source: `^(?=.*[1-9])${source.slice(1)}` });

/** In bytes, written as for `docker run --memory`. */
export const memory: Kind<number> = shaped(
  kind(text(memorySyntax), (given) => {
    const [, digits = '', unit = 'b'] = memoryPattern.exec(given) ?? [];
    const bytes = Math.floor(Number(digits) * (unitBytes[unit.toLowerCase()] ?? 1));
    return digits !== '' && bytes >= leastMemoryBytes && bytes < 2 ** 50 ? bytes : new Refusal(memorySyntax);
  }),
  orNumber(/^(?:\d{7,15}[bB]?|\d{1,15}(?:\.\d{1,3})?\s?[kmgKMG][bB]?)$/, {
    minimum: leastMemoryBytes,
    exclusiveMaximum: 2 ** 50,
  }),
);

const cpusSyntax = 'a number of processors, 0.01 to 1024, as in 0.25';
const cpusPattern = /^\d{1,4}(\.\d{1,9})?$/;

/** In billionths of a processor. */
export const cpus: Kind<number> = shaped(
  kind(text(cpusSyntax), (given) => {
    const number = cpusPattern.test(given) ? Number(given) : Number.NaN;
    return number >= 0.01 && number <= 1_024 ? Math.round(number * 1e9) : new Refusal(cpusSyntax);
  }),
  orNumber(notZero(cpusPattern), { minimum: 0.01, maximum: 1_024 }),
);

const digits = /^\d{1,15}$/;

export function wholeNumber(minimum: number, maximum: number): Kind<number> {
  return shaped(stack.wholeNumber(minimum, maximum), () => ({
    anyOf: [
      { type: 'integer', minimum, maximum },
      { type: 'string', pattern: (minimum > 0 ? notZero(digits) : digits).source },
    ],
  }));
}

export const port = wholeNumber(1, 65_535);

const time = /^\s*(?:\d+(?:\.\d+)?|(?:\d+(?:\.\d+)?(?:ms|s|m|h))+)\s*$/;

/** In milliseconds. */
export const duration = shaped(stack.duration, orNumber(time, { minimum: 0, maximum: longestDurationMs / 1_000 }));
/** In milliseconds, not 0. */
export const positiveDuration = shaped(
  stack.positiveDuration,
  orNumber(notZero(time), { exclusiveMinimum: 0, maximum: longestDurationMs / 1_000 }),
);

const inAnyCase = (word: string) => word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
const truth = `^(?:${['true', 'false', 'yes', 'no', 'on', 'off'].map(inAnyCase).join('|')})$`;

export const bool = shaped(stack.bool, () => ({ anyOf: [{ type: 'boolean' }, { type: 'string', pattern: truth }] }));

const pathSyntax = 'an absolute path';

const slashless = (path: string) => normalize(path).replace(/(?<=.)\/$/, '');

/** Without `..` in it and without a slash at its end. */
export const absolutePath: Kind<string> = shaped(
  kind(text(pathSyntax), (given) => (isAbsolute(given) ? slashless(given) : new Refusal(pathSyntax))),
  () => ({ type: 'string', pattern: '^/' }),
);

const volumesSyntax = 'a map of "/path/on/the/host": "/path/in/the/container", or with ":ro" behind it';
const sourcePattern = /^\/[^:]*$/;
const targetPattern = /^(\/[^:]*)(?::(ro|rw))?$/;

/** Bind mounts: the engine's host on the left. A colon in a path would be another field to the engine. */
export const volumes: Kind<readonly Mount[]> = shaped(
  kind(record(text(volumesSyntax), volumesSyntax), (given) => {
    const mounts = Object.entries(given).map(([source, written]): Mount | undefined => {
      const [, target, mode] = targetPattern.exec(written) ?? [];
      if (target === undefined || !sourcePattern.test(source)) return undefined;
      return { source: slashless(source), target, isReadOnly: mode === 'ro' };
    });
    const fit = mounts.filter((mount) => mount !== undefined);
    return fit.length === mounts.length ? fit : new Refusal(volumesSyntax);
  }),
  () => ({
    type: 'object',
    propertyNames: { pattern: sourcePattern.source },
    additionalProperties: { type: 'string', pattern: targetPattern.source },
  }),
);

/** What Docker takes for a part of a name: it becomes the container's name and a part of a URL. */
export const serverName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

export const image = matching(
  'an image as in mcp-servers/filesystem:1.2 or registry.example/name@sha256:…',
  /^[a-zA-Z0-9][\w.:/@-]{0,254}$/,
);

export const imagePrefix = matching(
  'a prefix as in mcp-servers or registry.example:5000/mcp',
  /^[a-z0-9](?:[a-z0-9_.:/-]{0,180}[a-z0-9])?$/,
);

/** By some names engines mean no network of their own, but the host's or somebody else's. */
export const networkName = matching(
  'a name of letters, digits, "_", "." and "-" (host, none, bridge, default, private, pasta and slirp4netns mean other things)',
  /^(?!(?:host|none|bridge|default|private|pasta|slirp4netns)$)[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/,
);

export const fleetName = matching(
  'a name of letters, digits, "_", "." and "-", at most 128',
  /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/,
);

export const urlPath = matching('a path as in /mcp', /^\/[\x21-\x7e]*$/);

const userSyntax = 'a user as in 1000, 1000:1000 or node';
const userPattern = /^[a-zA-Z0-9_][\w.-]{0,62}(?::[a-zA-Z0-9_][\w.-]{0,62})?$/;

export const user = shaped(matching(userSyntax, userPattern), () => ({
  anyOf: [
    { type: 'string', pattern: userPattern.source },
    { type: 'integer', minimum: 0 },
  ],
}));

/** Files by the variable that their text becomes. */
export const secrets = named(/^[^=\0]+$/, absolutePath, 'a map of NAME: /path/of/a/file');
