/**
 * Durations as operators write them: a plain number is seconds, or a number with `ms`, `s`, `m` or `h`. It imports
 * nothing, because the health command uses it too.
 */

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** The longest delay that a Node timer keeps, 24.8 days; a longer one would fire at once. */
export const longestDurationMs = 2 ** 31 - 1;

/** What is accepted, for messages. */
export const durationSyntax = 'seconds, or a time like 500ms, 30s, 2m, 1h (at most 596h)';

/**
 * The duration in whole milliseconds, or `undefined` if the text is none.
 * @example parseDurationMs('1.5') // 1500
 * @example parseDurationMs('2m') // 120000
 */
export function parseDurationMs(text: string): number | undefined {
  const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const ms = Math.round(Number(digits) * (unitMs[unit] ?? Number.NaN));
  return ms <= longestDurationMs ? ms : undefined;
}

/** The shortest exact text of a duration that `parseDurationMs` reads back. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const unit of ['h', 'm', 's']) {
    const size = unitMs[unit] ?? 1;
    if (ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
