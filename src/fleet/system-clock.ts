/** The real clock: monotonic, so that a change of the wall clock moves no deadline. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../core/ports.ts';

/** The longest delay that a timer of Node keeps; whoever sleeps longer looks again then. */
const longestMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    await delay(Math.min(Math.max(0, ms), longestMs), undefined, { signal }).catch(() => {});
  },
};
