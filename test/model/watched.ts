/** Every abort signal that core makes, so that a listener that is left behind can be seen. */
import { getEventListeners, setMaxListeners } from 'node:events';

const { AbortController: RealAbortController } = globalThis;
// As the host does: many services listen to one stop.
setMaxListeners(0);

let signals: AbortSignal[] = [];

class WatchedAbortController extends RealAbortController {
  constructor() {
    super();
    signals.push(this.signal);
  }
}

export const watched = {
  /** From now on; what was made before is forgotten. */
  begin(): void {
    signals = [];
    globalThis.AbortController = WatchedAbortController;
  },
  end(): void {
    globalThis.AbortController = RealAbortController;
  },
  /** How many listeners there are on the signals that were made first, or on all. */
  listeners(first = signals.length): number {
    return signals.slice(0, first).reduce((sum, signal) => sum + getEventListeners(signal, 'abort').length, 0);
  },
};
