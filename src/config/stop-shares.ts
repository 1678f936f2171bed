/**
 * How the stop budget and the servers' own graceful timeouts fit each other: hub and gateway stop one after the other,
 * and all of it must be over before whoever stops the container loses patience (Docker: after 10 s).
 */
import type { Remark } from './config.ts';

/** Below the 10 s that `docker stop` waits. */
export const defaultStopTimeoutMs = 9_000;

/** Kept beside the graceful timeouts: a server notices their end a moment later, and tandem has to leave, too. */
const marginMs = 2_000;

/** A server's timeout is a whole number of seconds, and 0 would be none. */
const leastGracefulMs = 1_000;

export interface StopWishes {
  /** TANDEM_STOP_TIMEOUT, if it is set. */
  readonly timeoutMs: number | undefined;
  readonly drainDelayMs: number;
  /** The graceful timeout of each service that is run; absent where it is not set. */
  readonly gracefulMs: readonly (number | undefined)[];
}

export interface StopShares {
  readonly timeoutMs: number;
  /** In the order of the wishes; whole seconds. */
  readonly gracefulMs: readonly number[];
  readonly remarks: readonly Remark[];
}

/**
 * A budget that is set wins and the shares are scaled to it; graceful timeouts that are set make the budget; if
 * neither is set, each service gets an equal part of the default budget.
 */
export function stopShares({ timeoutMs, drainDelayMs, gracefulMs }: StopWishes): StopShares {
  const availableMs = (timeoutMs ?? defaultStopTimeoutMs) - drainDelayMs - marginMs;
  const equalShareMs = wholeSeconds(availableMs / gracefulMs.length);
  const wishedMs = gracefulMs.map((wish) => (wish === undefined ? equalShareMs : Math.ceil(wish / 1000) * 1000));
  const sumMs = wishedMs.reduce((sum, share) => sum + share, 0);
  if (gracefulMs.every((wish) => wish === undefined)) {
    return { timeoutMs: timeoutMs ?? defaultStopTimeoutMs, gracefulMs: wishedMs, remarks: [] };
  }
  if (timeoutMs === undefined) return fittingBudget(drainDelayMs + sumMs + marginMs, wishedMs);
  if (sumMs <= availableMs) return { timeoutMs, gracefulMs: wishedMs, remarks: [] };
  return scaled(timeoutMs, wishedMs, availableMs / sumMs);
}

function fittingBudget(timeoutMs: number, wishedMs: readonly number[]): StopShares {
  const facts = {
    stop_timeout_seconds: timeoutMs / 1000,
    docker_stop_timeout_seconds: Math.ceil(timeoutMs / 1000) + 1,
  };
  return {
    timeoutMs,
    gracefulMs: wishedMs,
    remarks: [
      {
        level: 'info',
        message: 'the stop timeout follows the graceful timeouts; stop with at least docker stop --timeout',
        facts,
      },
    ],
  };
}

function scaled(timeoutMs: number, wishedMs: readonly number[], factor: number): StopShares {
  const gracefulMs = wishedMs.map((share) => wholeSeconds(share * factor));
  const facts = {
    stop_timeout_seconds: timeoutMs / 1000,
    wished_seconds: wishedMs.map((share) => share / 1000),
    scaled_seconds: gracefulMs.map((share) => share / 1000),
  };
  return {
    timeoutMs,
    gracefulMs,
    remarks: [{ level: 'warn', message: 'the graceful timeouts do not fit the stop timeout and are scaled', facts }],
  };
}

function wholeSeconds(ms: number): number {
  return Math.max(leastGracefulMs, Math.floor(ms / 1000) * 1000);
}
