/** Health: a pure reading of the services' views. It asks nothing and keeps nothing. */
import type { Failure } from './outcome.ts';
import type { Exit } from './ports.ts';
import type { State } from './state.ts';

/** What one service shows of itself at a moment; times are the clock's milliseconds. */
export interface ServiceView {
  readonly name: string;
  readonly state: State;
  /** How it came into this state, in a few words. */
  readonly reason: string;
  /** When it came into this state. */
  readonly since: number;
  readonly essential: boolean;
  readonly type: 'service' | 'oneshot';
  readonly pid?: number | undefined;
  readonly restarts: number;
  readonly exit?: Exit | undefined;
  /** The last probe's answer and when it came. */
  readonly probe?: { readonly ok: boolean; readonly reason?: string; readonly at: number } | undefined;
  /** Why it failed, once it has. */
  readonly failure?: Failure | undefined;
  /** True once it had to be killed. */
  readonly forced: boolean;
}

export type OverallStatus = 'healthy' | 'starting' | 'unhealthy' | 'stopping';

/** One component as the report shows it. Field names are those of the wire, hence the underscores. */
export interface ComponentReport {
  /**
   * `healthy` for ready, `unhealthy` for unready, backoff and failed, `skipped` also for a failure that is passed over
   * (not essential), else the state's own word.
   */
  readonly status: 'healthy' | 'unhealthy' | 'pending' | 'starting' | 'stopping' | 'stopped' | 'completed' | 'skipped';
  readonly state: State;
  readonly reason: string;
  readonly since_seconds: number;
  readonly restarts: number;
  readonly pid?: number;
  readonly exit?: { readonly code?: number; readonly signal?: string };
  readonly probe?: { readonly ok: boolean; readonly reason?: string; readonly seconds_ago: number };
}

/** The answer of `/health` and of the control socket. */
export interface HealthReport {
  readonly status: OverallStatus;
  /** False once an essential service is lost for good: nothing but a new container helps. */
  readonly live: boolean;
  /** True while everything that should serve does serve and no stop has begun. */
  readonly ready: boolean;
  readonly version: string;
  readonly uptime_seconds: number;
  /** Why the container ends, once it does. */
  readonly reason?: string;
  readonly components: Readonly<Record<string, ComponentReport>>;
}

/** What the report is read from. */
export interface HealthSource {
  readonly views: readonly ServiceView[];
  /** Why the run ends, once it does. */
  readonly ending: { readonly reason: string; readonly isFailure: boolean } | undefined;
  readonly now: number;
  readonly startedAt: number;
  readonly version: string;
}

/** The report of this moment. */
export function healthReport({ views, ending, now, startedAt, version }: HealthSource): HealthReport {
  const status = ending ? 'stopping' : overallStatus(views);
  return {
    status,
    live: !ending?.isFailure,
    ready: status === 'healthy',
    version,
    uptime_seconds: seconds(now - startedAt),
    ...(ending && { reason: ending.reason }),
    components: Object.fromEntries(views.map((view) => [view.name, componentReport(view, now)])),
  };
}

/** The worst word of all services wins: unhealthy, then starting, then healthy. */
function overallStatus(views: readonly ServiceView[]): OverallStatus {
  const words = new Set(views.filter((view) => !isPassedOver(view)).map((view) => verdicts[view.state]));
  if (words.has('unhealthy')) return 'unhealthy';
  return words.has('starting') ? 'starting' : 'healthy';
}

/** A failure that nobody depends on: it is shown, and the run goes on without it. */
function isPassedOver({ state, essential }: ServiceView): boolean {
  return state === 'failed' && !essential;
}

/** What a state means for the whole. `stopping` and `stopped` alone are no stop of the container: something is lost. */
const verdicts = {
  pending: 'starting',
  starting: 'starting',
  ready: 'healthy',
  unready: 'unhealthy',
  stopping: 'unhealthy',
  backoff: 'unhealthy',
  stopped: 'unhealthy',
  failed: 'unhealthy',
  completed: 'healthy',
  skipped: 'healthy',
} as const satisfies Record<State, OverallStatus>;

/** The word for a component; `tandem health` counts healthy, completed and skipped as good. */
const componentStatus = {
  pending: 'pending',
  starting: 'starting',
  ready: 'healthy',
  unready: 'unhealthy',
  stopping: 'stopping',
  backoff: 'unhealthy',
  stopped: 'stopped',
  failed: 'unhealthy',
  completed: 'completed',
  skipped: 'skipped',
} as const satisfies Record<State, ComponentReport['status']>;

function componentReport(view: ServiceView, now: number): ComponentReport {
  const { state, reason, since, restarts, pid, exit, probe } = view;
  return {
    status: isPassedOver(view) ? 'skipped' : componentStatus[state],
    state,
    reason,
    since_seconds: seconds(now - since),
    restarts,
    ...(pid !== undefined && { pid }),
    ...(exit && { exit }),
    ...(probe && {
      probe: { ok: probe.ok, ...(probe.reason && { reason: probe.reason }), seconds_ago: seconds(now - probe.at) },
    }),
  };
}

/** To the millisecond. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
