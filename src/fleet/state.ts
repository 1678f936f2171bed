/**
 * The life of one server's container: a table, as core's is. `server.ts` is the only writer, and `nextState` refuses what
 * is not in it. A state is what is true as far as the fleet knows; the reason says how it came to that.
 */

export type State =
  /** There is no container. */
  | 'absent'
  /** There is one, and it does not run. */
  | 'stopped'
  /** It is made or started. */
  | 'starting'
  /** Whether it has answered is the upstream's affair: a pre-warmed one is asked when its first client comes. */
  | 'running'
  | 'stopping'
  /** It did not start or stop, or it ended by itself: tried again after a while, or when somebody asks. */
  | 'failed'
  /** The engine does not answer. What served may still serve. */
  | 'unknown';

export type Event =
  | 'start'
  | 'runs'
  | 'start-failed'
  /** Nobody wants the start any more. */
  | 'called-off'
  | 'stop'
  | 'stop-failed'
  /** It ended, and nobody had asked for that. */
  | 'ended'
  | 'seen-absent'
  | 'seen-stopped'
  /** It runs, and it was not the fleet that is now who started it. */
  | 'seen-running'
  /** It is the one that served before the engine was lost. */
  | 'seen-serving'
  | 'engine-lost';

export const transitions = {
  absent: { start: 'starting', 'seen-stopped': 'stopped', 'seen-running': 'starting', 'engine-lost': 'unknown' },
  stopped: {
    start: 'starting',
    stop: 'stopping',
    'seen-absent': 'absent',
    'seen-running': 'starting',
    'engine-lost': 'unknown',
  },
  starting: { runs: 'running', 'start-failed': 'failed', 'called-off': 'stopping', 'engine-lost': 'unknown' },
  running: { stop: 'stopping', ended: 'failed', 'engine-lost': 'unknown' },
  stopping: {
    'seen-absent': 'absent',
    'seen-stopped': 'stopped',
    'stop-failed': 'failed',
    'engine-lost': 'unknown',
  },
  failed: { start: 'starting', stop: 'stopping', 'seen-running': 'starting', 'engine-lost': 'unknown' },
  unknown: {
    'seen-absent': 'absent',
    'seen-stopped': 'stopped',
    'seen-running': 'starting',
    'seen-serving': 'running',
  },
} as const satisfies Record<State, Partial<Record<Event, State>>>;

/**
 * The state that follows.
 * @throws Error if the table has no such transition: a bug in the caller
 */
export function nextState(from: State, event: Event): State {
  const to = (transitions[from] as Partial<Record<Event, State>>)[event];
  if (to === undefined) throw new Error(`no transition from "${from}" by "${event}"`);
  return to;
}
