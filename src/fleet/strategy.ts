/**
 * When a server's container is wanted. Pure: a strategy, what clients hold and a time in; an answer out, with the moment at
 * which it changes by itself.
 */
import type { Schedule } from './schedule.ts';

/** What operators choose. */
export const strategies = ['on-demand', 'pre-warmed', 'always-on', 'scheduled'] as const;
export type Strategy = (typeof strategies)[number];

/** True if it runs whether or not somebody asks. */
export const isKept = (strategy: Strategy): boolean => strategy === 'always-on' || strategy === 'pre-warmed';

/** True if it is spoken to as soon as it runs; else when the first client comes. */
export const isConnectedAtOnce = (strategy: Strategy): boolean => strategy === 'always-on' || strategy === 'scheduled';

/** What clients have of a server: requests, streams and sessions that are not over. Never the time of the last request. */
export interface Demand {
  readonly open: number;
  /** Those who wait for its container alone: they start it by name. */
  readonly starting?: number;
  /** When the last of them was over, or the server was asked for by its name; absent: it was never asked for. */
  readonly idleSinceMs?: number | undefined;
}

export interface Circumstances {
  readonly strategy: Strategy;
  readonly demand: Demand;
  /** Stopped by name: until it is started by name, or, on demand, asked for. */
  readonly isHeldDown: boolean;
  readonly idleTimeoutMs: number;
  /** For `scheduled`. */
  readonly schedule: Schedule | undefined;
  /** Of a clock that never jumps. */
  readonly nowMs: number;
  /** Since the epoch: what schedules go by. */
  readonly wallMs: number;
}

export interface Wish {
  readonly isWanted: boolean;
  /** In words that end a sentence like `stopped, because …`. */
  readonly reason: string;
  /** When to ask again, if nothing happens before. Absent: never. */
  readonly untilMs?: number | undefined;
}

export function wishOf(circumstances: Circumstances): Wish {
  const { demand, isHeldDown, strategy } = circumstances;
  if (isHeldDown) return { isWanted: false, reason: 'it was stopped by name' };
  // Whoever is being served is served to the end.
  if (demand.open > 0) return { isWanted: true, reason: 'it is in use' };
  if ((demand.starting ?? 0) > 0) return { isWanted: true, reason: 'it is started by name' };
  return rules[strategy](circumstances);
}

/** True if a client may come in now; whoever is in stays. */
export function isOpenTo({ strategy, schedule, isHeldDown, wallMs }: Omit<Circumstances, 'demand'>): boolean {
  if (strategy === 'on-demand') return true;
  return !isHeldDown && (strategy !== 'scheduled' || schedule?.at(wallMs).isOpen === true);
}

const always = (): Wish => ({ isWanted: true, reason: 'its strategy keeps it running' });

const rules: Readonly<Record<Strategy, (circumstances: Circumstances) => Wish>> = {
  'on-demand': ({ demand: { idleSinceMs }, idleTimeoutMs, nowMs }) => {
    if (idleSinceMs === undefined) return { isWanted: false, reason: 'nobody asked for it' };
    const untilMs = idleSinceMs + idleTimeoutMs;
    if (nowMs >= untilMs) return { isWanted: false, reason: 'it was idle for long enough' };
    return { isWanted: true, reason: 'it was in use a moment ago', untilMs };
  },
  'pre-warmed': always,
  'always-on': always,
  scheduled: ({ schedule, nowMs, wallMs }) => {
    const { isOpen, untilMs: until } = schedule?.at(wallMs) ?? { isOpen: false };
    const untilMs = until === undefined ? undefined : nowMs + until - wallMs;
    return { isWanted: isOpen, reason: isOpen ? 'a window of its schedule is open' : 'no window is open', untilMs };
  },
};
