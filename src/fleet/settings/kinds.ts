/** Values that only the fleet's configuration has. */
import { isAbsolute, normalize } from 'node:path';
import { type Kind, kind, Refusal, record, text } from '../../config/stack/kinds.ts';
import type { Mount } from '../engine.ts';

const unitBytes: Readonly<Record<string, number>> = { b: 1, k: 1_024, m: 1_024 ** 2, g: 1_024 ** 3 };
/** Docker refuses less. */
const leastMemoryBytes = 6 * 1_024 ** 2;
const memorySyntax = 'bytes, or a number with k, m or g, as in 256m; at least 6m';

/** In bytes, written as for `docker run --memory`. */
export const memory: Kind<number> = kind(text(memorySyntax), (given) => {
  const [, digits = '', unit = 'b'] = /^(\d{1,15}(?:\.\d{1,3})?)\s?([bkmg])?b?$/i.exec(given) ?? [];
  const bytes = Math.floor(Number(digits) * (unitBytes[unit.toLowerCase()] ?? 1));
  return digits !== '' && bytes >= leastMemoryBytes && bytes < 2 ** 50 ? bytes : new Refusal(memorySyntax);
});

const cpusSyntax = 'a number of processors, 0.01 to 1024, as in 0.25';

/** In billionths of a processor. */
export const cpus: Kind<number> = kind(text(cpusSyntax), (given) => {
  const number = /^\d{1,4}(\.\d{1,9})?$/.test(given) ? Number(given) : Number.NaN;
  return number >= 0.01 && number <= 1_024 ? Math.round(number * 1e9) : new Refusal(cpusSyntax);
});

const pathSyntax = 'an absolute path';

/** Without `..` in it and without a slash at its end. */
export const absolutePath: Kind<string> = kind(text(pathSyntax), (given) => {
  const path = normalize(given).replace(/(?<=.)\/$/, '');
  return isAbsolute(given) && !given.includes('\0') ? path : new Refusal(pathSyntax);
});

const volumesSyntax = 'a map of "/path/on/the/host": "/path/in/the/container", or with ":ro" behind it';

/** Bind mounts: the engine's host on the left. */
export const volumes: Kind<readonly Mount[]> = kind(record(text(volumesSyntax), volumesSyntax), (given) => {
  const mounts = Object.entries(given).map(([source, written]): Mount => {
    const [, target = '', mode] = /^(.*?)(?::(ro|rw))?$/s.exec(written) ?? [];
    return { source: normalize(source).replace(/(?<=.)\/$/, ''), target, isReadOnly: mode === 'ro' };
  });
  const isFit = mounts.every(({ source, target }) => isAbsolute(source) && isAbsolute(target) && !target.includes(':'));
  return isFit ? mounts : new Refusal(volumesSyntax);
});

/** What Docker takes for a part of a name: it becomes the container's name and a part of a URL. */
export const serverName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

const imageSyntax = 'an image as in mcp-servers/filesystem:1.2 or registry.example/name@sha256:…';

export const image: Kind<string> = kind(text(imageSyntax), (given) =>
  /^[a-z0-9][\w.:/@-]{0,254}$/i.test(given) ? given : new Refusal(imageSyntax),
);
