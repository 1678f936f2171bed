/** The real machine behind core's ports: each port is one file of this room, put together here. */
import { setMaxListeners } from 'node:events';
import type { Machine } from '../core/ports.ts';
import { systemClock } from './clock.ts';
import { holderOf, listening } from './listeners.ts';
import { makeProbe } from './probes.ts';
import type { Launcher } from './processes.ts';

/**
 * Puts it together.
 * @param hide takes secrets out of a text: whatever comes from a service, or was said about it, may hold one
 */
export function makeMachine(launcher: Launcher, hide = (text: string) => text): Machine {
  // A stop signal has a listener for each wait of each service; Node 20 takes eleven for a leak.
  setMaxListeners(0);
  const probe = makeProbe(launcher);
  return {
    clock: systemClock,
    random: Math.random,
    async launch(spec, signal) {
      const launched = await launcher.launch(spec, signal);
      return 'pid' in launched ? launched : { ...launched, message: hide(launched.message) };
    },
    holderOf,
    listening,
    async probe(question, spec, timeoutMs, signal) {
      const result = await probe(question, spec, timeoutMs, signal);
      return result.ok ? result : { ok: false, reason: hide(result.reason) };
    },
  };
}
