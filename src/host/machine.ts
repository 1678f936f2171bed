/** The real machine behind core's ports: each port is one file of this room, put together here. */
import { setMaxListeners } from 'node:events';
import type { Machine } from '../core/ports.ts';
import { systemClock } from './clock.ts';
import { holderOf, listening } from './listeners.ts';
import { makeProbe } from './probes.ts';
import type { Launcher } from './processes.ts';

/** Puts it together. */
export function makeMachine(launcher: Launcher): Machine {
  // A stop signal has a listener for each wait of each service; Node 20 takes eleven for a leak.
  setMaxListeners(0);
  const { launch } = launcher;
  return { clock: systemClock, random: Math.random, launch, holderOf, listening, probe: makeProbe(launcher) };
}
