/**
 * Windows of time: each opens by a cron expression in its time zone and stays open for a while. How cron and time zones
 * are read, also where the clocks change, is croner's affair.
 */
import { Cron } from 'croner';

export interface Window {
  /** Five fields, or six with seconds first. */
  readonly cron: string;
  readonly durationMs: number;
  /** As in the IANA database. Absent: the process's own. */
  readonly timezone?: string | undefined;
}

export interface Moment {
  readonly isOpen: boolean;
  /** When that may change; absent: never. */
  readonly untilMs?: number | undefined;
}

export class Schedule {
  readonly #windows: readonly { readonly cron: Cron; readonly durationMs: number }[];
  #known: { readonly fromMs: number; readonly moment: Moment } = { fromMs: 0, moment: { isOpen: false } };

  /** @throws Error if an expression or a zone is none */
  constructor(windows: readonly Window[]) {
    this.#windows = windows.map(({ cron, durationMs, timezone }) => ({
      cron: new Cron(cron, { paused: true, ...(timezone !== undefined && { timezone }) }),
      durationMs,
    }));
  }

  at(nowMs: number): Moment {
    // Between two changes nothing changes, and croner's way from a moment to the next opening is long.
    const { fromMs, moment } = this.#known;
    if (nowMs >= fromMs && nowMs < (moment.untilMs ?? fromMs)) return moment;
    this.#known = { fromMs: nowMs, moment: this.#look(nowMs) };
    return this.#known.moment;
  }

  #look(nowMs: number): Moment {
    const moments = this.#windows.map(({ cron, durationMs }) => momentOf(cron, durationMs, nowMs));
    const open = moments.filter(({ isOpen }) => isOpen);
    const ends = (open.length > 0 ? open : moments).flatMap(({ untilMs }) => untilMs ?? []);
    if (ends.length === 0) return { isOpen: open.length > 0 };
    return open.length > 0
      ? { isOpen: true, untilMs: Math.max(...ends) }
      : { isOpen: false, untilMs: Math.min(...ends) };
  }
}

/** Open from an opening on for the duration; the end is asked for again when it comes, as it may have been opened anew. */
function momentOf(cron: Cron, durationMs: number, nowMs: number): Moment {
  const openedMs = cron.nextRun(new Date(nowMs - durationMs))?.getTime();
  if (openedMs === undefined) return { isOpen: false };
  return openedMs > nowMs ? { isOpen: false, untilMs: openedMs } : { isOpen: true, untilMs: openedMs + durationMs };
}
