/**
 * Durations as operators write them: a plain number is seconds, or numbers with `ms`, `s`, `m` or `h`, one after the other as
 * Compose has them (`1m30s`). It imports nothing, because the health command uses it too.
 */

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** The longest delay that a Node timer keeps, 24.8 days; a longer one would fire at once. */
export const longestDurationMs = 2 ** 31 - 1;

/** What is accepted, for messages. */
export const durationSyntax = 'seconds, or a time like 500ms, 30s, 1m30s, 1h (at most 596h)';

/**
 * The duration in whole milliseconds, or `undefined` if the text is none.
 * @example parseDurationMs('1.5') // 1500
 * @example parseDurationMs('1m30s') // 90000
 */
export function parseDurationMs(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^\d+(\.\d+)?$|^(\d+(\.\d+)?(ms|s|m|h))+$/.test(trimmed)) return undefined;
  const parts = trimmed.matchAll(/([\d.]+)([a-z]*)/g);
  const ms = Math.round(
    [...parts].reduce((sum, [, digits, unit]) => sum + Number(digits) * (unitMs[unit || 's'] ?? 0), 0),
  );
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
