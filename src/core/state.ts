/**
 * The life of one service: a table. A state is a word, the reason says how the service came into it.
 *
 * `core/service.ts` is the only writer; `scripts/diagram.mjs` draws ARCHITECTURE.md's diagram from this literal, and
 * `nextState` refuses what is not in it. States without a way out are terminal.
 */

export type State =
  | 'pending'
  | 'starting'
  | 'ready'
  | 'unready'
  | 'stopping'
  | 'backoff'
  | 'stopped'
  | 'failed'
  | 'completed'
  | 'skipped';

/** What can happen to a service. */
export type Event =
  /** The spec says that it is not run at all. */
  | 'skip'
  | 'dependencies-met'
  | 'dependency-failed'
  /** Nothing could be spawned: the command is not there, or its port is somebody else's. */
  | 'not-launched'
  /** Spawned without a probe, or the first probe succeeded, or the success threshold is reached again. */
  | 'probe-succeeded'
  /** What somebody else runs, and is only waited for, has answered. */
  | 'answered'
  /** The failure threshold is reached. */
  | 'probe-failed'
  | 'liveness-lost'
  | 'start-timeout'
  /** Somebody else's socket appeared on the port that it should listen on. */
  | 'port-taken'
  /** The leader ended: an oneshot as it should, or one of the two ways of an ending that was not asked for. */
  | 'exit-completed'
  | 'exit-restart'
  | 'exit-failed'
  /** The leader ended after it was asked to. */
  | 'exit-stopped'
  | 'stop'
  /** Asked in vain: the group is killed. */
  | 'grace-elapsed'
  | 'delay-elapsed';

/** From each state, the events that can happen there and where they lead. */
export const transitions = {
  pending: {
    skip: 'skipped',
    'dependencies-met': 'starting',
    'dependency-failed': 'stopped',
    stop: 'stopped',
  },
  starting: {
    'not-launched': 'failed',
    'probe-succeeded': 'ready',
    answered: 'completed',
    'start-timeout': 'stopping',
    'port-taken': 'stopping',
    'exit-completed': 'completed',
    'exit-restart': 'backoff',
    'exit-failed': 'failed',
    stop: 'stopping',
  },
  ready: {
    'probe-failed': 'unready',
    'liveness-lost': 'stopping',
    'exit-completed': 'completed',
    'exit-restart': 'backoff',
    'exit-failed': 'failed',
    stop: 'stopping',
  },
  unready: {
    'probe-succeeded': 'ready',
    'liveness-lost': 'stopping',
    'exit-completed': 'completed',
    'exit-restart': 'backoff',
    'exit-failed': 'failed',
    stop: 'stopping',
  },
  stopping: {
    'grace-elapsed': 'stopping',
    'exit-restart': 'backoff',
    'exit-failed': 'failed',
    'exit-stopped': 'stopped',
  },
  backoff: {
    'delay-elapsed': 'starting',
    stop: 'stopped',
  },
  stopped: {},
  failed: {},
  completed: {},
  skipped: {},
} as const satisfies Record<State, Partial<Record<Event, State>>>;

/** True for the states that a service does not leave. */
export function isTerminal(state: State): boolean {
  return Object.keys(transitions[state]).length === 0;
}

/**
 * The state that follows.
 * @throws Error if the table has no such transition: a bug in the caller
 */
export function nextState(from: State, event: Event): State {
  const to = (transitions[from] as Partial<Record<Event, State>>)[event];
  if (to === undefined) throw new Error(`no transition from "${from}" by "${event}"`);
  return to;
}
