/**
 * What a health body says of itself, whatever the HTTP status was: many services answer 200 with `"status":"unhealthy"`.
 * Pure, and the one rule for probes and for `tandem health`.
 */
import type { ProbeResult } from './ports.ts';
import { hideUserinfo } from './userinfo.ts';

/** The words that mean well, in any case: ours, and those of the health endpoints in the field. */
const goodWords: ReadonlySet<string> = new Set(['healthy', 'ok', 'up', 'pass', 'completed', 'skipped']);

/** What `db` and `database` say when they are lost. Beside `status` they may as well be a name, so no other word is judged. */
const badWords: ReadonlySet<unknown> = new Set([
  ...['error', 'unhealthy', 'unavailable', 'unreachable', 'disconnected', 'down', 'fail', 'failed'],
  false,
]);

type Body = Readonly<Record<string, unknown>>;

/** More than these are counted, not named. */
const mostNamed = 3;
const longestWord = 40;

/**
 * Judges a parsed health body by its `status` and its `components`. A component is healthy by its own `status`, if it is
 * an object with one; by its word, if it is a string; else if it is truthy. Matrix Hub says of its database in a `db` beside
 * `status` whether it is lost, and stays `ok` itself. A body that says none of this says nothing bad.
 * @param body what the service answered; anything but an object has nothing to say and is fine
 * @returns a reason that names the components that are not healthy, else the status
 * @example judgeHealthBody({ status: 'degraded', components: { db: false } }) // not ok: component "db" is false
 */
export function judgeHealthBody(body: unknown): ProbeResult {
  if (!isObject(body)) return { ok: true };
  const { status, components } = body;
  const sick = [...(isObject(components) ? sickComponents(components) : []), ...lostDatabases(body)];
  if (sick.length > 0) {
    const more = sick.length > mostNamed ? [`${sick.length - mostNamed} more`] : [];
    return { ok: false, reason: [...sick.slice(0, mostNamed), ...more].join(', ') };
  }
  // A number is no verdict: 0 means success to some, failure to others.
  if (typeof status === 'string' ? saysWell(status) : status !== false) return { ok: true };
  return { ok: false, reason: `status is ${show(status)}` };
}

/** One phrase for each; an array's entries go by their `name`. */
function sickComponents(components: Body): string[] {
  return Object.entries(components).flatMap(([key, entry]) => {
    const { name, status = entry }: Body = isObject(entry) ? entry : {};
    const title = Array.isArray(components) && typeof name === 'string' ? name : key;
    return saysWell(status) ? [] : [`component ${show(title)} is ${show(status)}`];
  });
}

function lostDatabases(body: Body): string[] {
  return ['db', 'database'].flatMap((name) => {
    const value = body[name];
    const word = typeof value === 'string' ? value.trim().toLowerCase() : value;
    return badWords.has(word) ? [`component "${name}" is ${show(value)}`] : [];
  });
}

function saysWell(status: unknown): boolean {
  return typeof status === 'string' ? goodWords.has(status.trim().toLowerCase()) : Boolean(status);
}

/** Foreign text in a reason: quoted, so without control characters, short, and without what URLs give away. */
function show(value: unknown): string {
  if (typeof value !== 'string') return String(value);
  const text = hideUserinfo(value);
  return JSON.stringify(text.length > longestWord ? `${text.slice(0, longestWord)}…` : text);
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null;
}
