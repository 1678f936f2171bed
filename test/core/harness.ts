/** A run on a simulated machine: specs with few words, and everything that happened to look at. */
import { constants } from 'node:os';
import { healthReport } from '../../src/core/health.ts';
import { exitCodeOf, type Outcome } from '../../src/core/outcome.ts';
import { makePlan } from '../../src/core/plan.ts';
import type { Transition, Wait } from '../../src/core/service.ts';
import {
  defaultTiming,
  noRestart,
  type ReadinessSpec,
  type RestartPolicy,
  type ServiceSpec,
  type SignalName,
} from '../../src/core/spec.ts';
import { type StopPolicy, Supervisor } from '../../src/core/supervisor.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type Deed, FakeMachine, type Script, type Sign } from '../support/fake-machine.ts';

export const TERM = 'SIGTERM';

/** A service that is ready when spawned, essential, never restarted. */
export function service(name: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name,
    type: 'service',
    process: { command: [name], cwd: '/', environment: {}, attachment: 'service' },
    dependsOn: {},
    restart: noRestart,
    essential: true,
    stopSignal: TERM,
    forwardSignals: [],
    ...more,
  };
}

export function oneshot(name: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  return service(name, { type: 'oneshot', ...more });
}

/** Ready when the port is its own and the probe answers. */
export function answering(port: number, more: Partial<ReadinessSpec> = {}): ReadinessSpec {
  return {
    port: { host: '127.0.0.1', port },
    probe: { kind: 'http', url: `http://127.0.0.1:${port}/health` },
    timing: defaultTiming,
    startTimeoutMs: 60_000,
    ...more,
  };
}

export function restarting(condition: RestartPolicy['condition'], more: Partial<RestartPolicy> = {}): RestartPolicy {
  return { ...noRestart, condition, ...more };
}

/** The main job: migrations, then the gateway, then the hub. */
export function mainJob(more: { readonly [name: string]: Partial<ServiceSpec> } = {}): ServiceSpec[] {
  return [
    oneshot('migrations', more['migrations']),
    service('gateway', { dependsOn: { migrations: 'completed' }, readiness: answering(4444), ...more['gateway'] }),
    service('hub', {
      dependsOn: { migrations: 'completed', gateway: 'ready' },
      readiness: answering(7300),
      ...more['hub'],
    }),
  ];
}

/** Migrations that take 100 ms. */
export const migrating = { ends: { afterMs: 100, exit: { code: 0 } } } as const;

/** Whatever happened, in order. */
export type Happening = { readonly at: number } & (
  | { readonly kind: 'deed'; readonly deed: Deed }
  | { readonly kind: 'sign'; readonly sign: Sign }
  | { readonly kind: 'transition'; readonly transition: Transition }
  | { readonly kind: 'request'; readonly request: 'stop' | 'kill'; readonly by: SignalName }
  | { readonly kind: 'forward'; readonly signal: SignalName }
  | { readonly kind: 'warning'; readonly service: string; readonly message: string }
  | { readonly kind: 'wait'; readonly wait: Wait }
);

export interface Run {
  readonly clock: FakeClock;
  readonly machine: FakeMachine;
  readonly supervisor: Supervisor;
  readonly transitions: Transition[];
  readonly warnings: string[];
  readonly waits: (Wait & { readonly at: number })[];
  readonly history: readonly Happening[];
  /** Told of every happening. */
  witness: (one: Happening) => void;
  readonly requests: { readonly stop: AbortSignal; readonly kill: AbortSignal };
  stop(by?: SignalName): void;
  kill(by?: SignalName): void;
  /** Hands a signal on, and returns who is said to have got it. */
  forward(signal: SignalName): string[];
  /** What became of it, once it is over. */
  readonly outcome: Outcome | undefined;
  readonly code: number | undefined;
  readonly endedAt: number | undefined;
  /** Lets time pass until it is over. */
  toTheEnd(): Promise<Run>;
  stateOf(name: string): string;
  /** The way of a service, as `event>state`. */
  pathOf(name: string): string[];
  health(): ReturnType<typeof healthReport>;
}

export const signalNumber = (name: SignalName): number => constants.signals[name as NodeJS.Signals];

/** Starts a run; nothing happens before time passes. */
export function start(
  specs: readonly ServiceSpec[],
  scripts: Record<string, Script> = {},
  policy: Partial<StopPolicy> = {},
): Run {
  const clock = new FakeClock();
  const machine = new FakeMachine(clock, scripts);
  const transitions: Transition[] = [];
  const warnings: string[] = [];
  const waits: (Wait & { readonly at: number })[] = [];
  const history: Happening[] = [];
  const happen = (one: Happening) => {
    history.push(one);
    run.witness(one);
  };
  machine.told = (deed) => happen({ kind: 'deed', at: deed.at, deed });
  machine.shown = (sign) => happen({ kind: 'sign', at: sign.at, sign });
  const observer = {
    transition: (transition: Transition) => {
      transitions.push(transition);
      happen({ kind: 'transition', at: clock.now(), transition });
    },
    warn: (name: string, message: string) => {
      warnings.push(`${name}: ${message}`);
      happen({ kind: 'warning', at: clock.now(), service: name, message });
    },
    waiting: (wait: Wait) => {
      waits.push({ at: clock.now(), ...wait });
      happen({ kind: 'wait', at: clock.now(), wait });
    },
  };
  const supervisor = new Supervisor(makePlan(specs), machine, observer, {
    stopTimeoutMs: 9_000,
    drainDelayMs: 0,
    ...policy,
  });
  const stop = new AbortController();
  const kill = new AbortController();
  let ended: { outcome: Outcome; at: number } | { error: unknown } | undefined;
  // Not in this turn: a test may ask for a stop before anything begins.
  queueMicrotask(() => {
    supervisor.run({ stop: stop.signal, kill: kill.signal }).then(
      (outcome) => {
        ended = { outcome, at: clock.now() };
      },
      (error) => {
        ended = { error };
      },
    );
  });
  const result = () => {
    if (ended && 'error' in ended) throw ended.error;
    return ended?.outcome;
  };
  const run: Run = {
    clock,
    machine,
    supervisor,
    transitions,
    warnings,
    waits,
    requests: { stop: stop.signal, kill: kill.signal },
    history,
    witness: () => {},
    stop: (by = TERM) => {
      happen({ kind: 'request', at: clock.now(), request: 'stop', by });
      stop.abort(by);
    },
    kill: (by = TERM) => {
      happen({ kind: 'request', at: clock.now(), request: 'kill', by });
      kill.abort(by);
    },
    forward: (signal) => {
      happen({ kind: 'forward', at: clock.now(), signal });
      return supervisor.forward(signal);
    },
    get outcome() {
      return result();
    },
    get code() {
      const outcome = result();
      return outcome && exitCodeOf(outcome, signalNumber);
    },
    get endedAt() {
      return ended && 'at' in ended ? ended.at : undefined;
    },
    async toTheEnd() {
      await clock.runUntil(() => ended !== undefined);
      result();
      return run;
    },
    stateOf: (name) => supervisor.views.find((view) => view.name === name)?.state ?? 'unknown',
    pathOf: (name) => transitions.filter((one) => one.service === name).map(({ event, to }) => `${event}>${to}`),
    health: () =>
      healthReport({
        views: supervisor.views,
        ending: supervisor.ending,
        now: clock.now(),
        startedAt: 0,
        version: '1',
      }),
  };
  return run;
}
