/** The real clock behind core's port: monotonic, so that a change of the wall clock moves no deadline. */
import type { Clock } from '../core/ports.ts';

/** The longest delay that a timer of Node keeps; a longer one fires at once. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  // Not `performance.now()`: with it come nine modules of Node's.
  now: () => Number(process.hrtime.bigint()) / 1e6,
  async sleep(ms, signal) {
    // A delay beyond one timer is slept in slices; Infinity goes on until it is aborted.
    for (let leftMs = ms; !signal.aborted; leftMs -= longestTimerMs) {
      await sleepSlice(Math.min(leftMs, longestTimerMs), signal);
      if (!(leftMs > longestTimerMs)) return;
    }
  },
};

/** Resolves after `ms` or on abort, whichever comes first, and leaves nothing behind on the signal. */
function sleepSlice(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    // A deadline may have passed before its sleep begins; newer Nodes warn of a negative delay.
    const timer = setTimeout(wake, Math.max(0, ms));
    signal.addEventListener('abort', wake);
  });
}
