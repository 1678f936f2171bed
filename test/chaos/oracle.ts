/**
 * What may come of a fault, by README "Exit codes" and "Stop". Nothing of tandem's own code is asked.
 *
 * Two faults at once may end in either way, so a round has a set of endings and not one.
 */
import { constants } from 'node:os';

export interface Ending {
  readonly code: number;
  /** The words of the last record. Absent: none are promised. */
  readonly reason?: RegExp;
  /** It is this one only if there is no record at all: tandem was not there yet. */
  readonly isUnsaid?: true;
}

/** How it ended. */
export interface End {
  readonly code: number;
  /** The reason in the last record. Absent: there is no such record. */
  readonly reason?: string | undefined;
  readonly hasRecords: boolean;
  /** Nobody could read the last record. */
  readonly isDeaf: boolean;
}

/** What follows from a fault. */
export interface Verdict {
  /** Endings that it may cause. */
  readonly may: readonly Ending[];
  /** It has to end. Otherwise it may as well go on. */
  readonly must: boolean;
}

export const goesOn: Verdict = { may: [], must: false };

export const mayEnd = (...may: Ending[]): Verdict => ({ may, must: false });
export const mustEnd = (...may: Ending[]): Verdict => ({ may, must: true });

/** Either of two, or one that comes while the other is at work. */
export function both(first: Verdict, second: Verdict): Verdict {
  return { may: [...first.may, ...second.may], must: first.must || second.must };
}

/** Asked once. */
export const stopped: Ending = { code: 0, reason: /^stopped by SIGTERM$/ };

/** Asked, and one had to be killed. */
export const forced: Ending = { code: 1, reason: /^stopped by SIGTERM; had to be killed: / };

/** Asked twice. */
export const killedAtOnce: Ending = { code: 143, reason: /^killed at once by a second SIGTERM$/ };

/** A service ended by itself: its own code, 1 for 0. */
export function lost(service: string, end: number | NodeJS.Signals): Ending {
  const code = typeof end === 'string' ? 128 + constants.signals[end] : end || 1;
  const words = typeof end === 'string' ? end : `exit ${end}`;
  return { code, reason: new RegExp(`^"${service}" ended by itself: ${words}$`) };
}

/** Nobody is left to say anything. Some versions of unshare end with 1 when PID 1 of their namespace was killed. */
export const tandemKilled: readonly Ending[] = [{ code: 137 }];
export const tandemKilledInNamespace: readonly Ending[] = [{ code: 137 }, { code: 1 }];

/** Why this is none of the endings; `undefined` if it is one. */
export function differs({ code, reason: words, hasRecords, isDeaf }: End, may: readonly Ending[]): string | undefined {
  const fits = may.filter((ending) => ending.code === code && !(ending.isUnsaid && hasRecords));
  if (fits.length === 0) return `code ${code}; allowed: ${[...new Set(may.map((ending) => ending.code))].join(', ')}`;
  if (isDeaf || fits.some(({ reason }) => reason === undefined || reason.test(words ?? ''))) return undefined;
  const reasons = fits.map(({ reason }) => String(reason)).join(', ');
  return `code ${code}, but the last record says ${JSON.stringify(words)}; allowed: ${reasons}`;
}
