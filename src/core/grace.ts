/** The grace period of one process: from the stop signal to its end, or to the moment when it has to be killed. */
import type { Clock, Process } from './ports.ts';
import { aborted, forever, race } from './scope.ts';

/** What limits a grace. */
export interface GraceLimits {
  readonly clock: Clock;
  /** Aborted: everything stops, and the grace has to fit into that. */
  readonly stop: AbortSignal;
  /** Aborted: no grace is left for anybody. */
  readonly kill: AbortSignal;
  /** How long it is, counted from now. */
  readonly graceMs: () => number;
}

/** True if the process ends in time. A stop of everything that begins meanwhile may shorten its grace. */
export async function endsInTime(process: Process, { clock, stop, kill, graceMs }: GraceLimits): Promise<boolean> {
  let wasStopped = stop.aborted;
  let deadline = clock.now() + graceMs();
  for (;;) {
    const first = await race({
      exit: (signal) => process.exited(signal),
      kill: (signal) => aborted(kill, signal),
      grace: (signal) => clock.sleep(deadline - clock.now(), signal),
      stop: (signal) => (wasStopped ? forever(signal) : aborted(stop, signal)),
    });
    if (first.arm !== 'stop') return first.arm === 'exit';
    wasStopped = true;
    deadline = Math.min(deadline, clock.now() + graceMs());
  }
}
