/**
 * How a run ended, as a value, and the exit code and the words that follow from it. The codes are those of sysexits.h
 * and of the shell (127 not found, 126 not executable, 128+n ended by signal n).
 */
import type { Exit, Holder } from './ports.ts';
import type { SignalName } from './spec.ts';

/** sysexits.h: the command line is wrong. */
export const EX_USAGE = 64;
/** sysexits.h: a service is unavailable. */
export const EX_UNAVAILABLE = 69;
/** sysexits.h: a bug in tandem. */
export const EX_SOFTWARE = 70;
/** sysexits.h: the configuration is wrong. */
export const EX_CONFIG = 78;

/** Why a service failed. */
export type Failure =
  | { readonly cause: 'exit'; readonly exit: Exit }
  | { readonly cause: 'not-launched'; readonly code: 126 | 127; readonly message: string }
  | { readonly cause: 'port-taken' | 'start-timeout' | 'unhealthy'; readonly message: string }
  /** It could not be started, because a dependency of it failed. */
  | { readonly cause: 'dependency-failed'; readonly dependency: string; readonly failure: Failure };

/** How a whole run ended. */
export type Outcome =
  /** Asked to stop. `forced` names the services that had to be killed. */
  | { readonly kind: 'stopped'; readonly by: SignalName; readonly forced: readonly string[] }
  /** Asked twice. */
  | { readonly kind: 'killed'; readonly by: SignalName }
  /** Everything there was to do is done. */
  | { readonly kind: 'completed' }
  /** An essential service failed or ended by itself; the others were stopped for it. */
  | {
      readonly kind: 'service-lost';
      readonly service: string;
      readonly type: 'service' | 'oneshot';
      readonly failure: Failure;
    };

/** A signal's number, which only the host knows. */
export type SignalNumber = (name: SignalName) => number;

/** The exit code of tandem for this outcome. DESIGN's table, line by line. */
export function exitCodeOf(outcome: Outcome, numberOf: SignalNumber): number {
  switch (outcome.kind) {
    case 'completed':
      return 0;
    case 'stopped':
      return outcome.forced.length > 0 ? 1 : 0;
    case 'killed':
      return 128 + numberOf(outcome.by);
    case 'service-lost':
      return codeOfFailure(outcome.failure, numberOf);
  }
}

function codeOfFailure(failure: Failure, numberOf: SignalNumber): number {
  switch (failure.cause) {
    case 'exit':
      // Some servers exit 0 on fatal errors; a restart policy must see a failure.
      return 'signal' in failure.exit ? 128 + numberOf(failure.exit.signal) : failure.exit.code || 1;
    case 'not-launched':
      return failure.code;
    case 'dependency-failed':
      return codeOfFailure(failure.failure, numberOf);
    default:
      return EX_UNAVAILABLE;
  }
}

/** The outcome in one sentence: the last log line and the report's `reason`. */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'completed':
      return 'everything there was to do is done';
    case 'stopped':
      return outcome.forced.length > 0
        ? `stopped by ${outcome.by}; had to be killed: ${outcome.forced.join(', ')}`
        : `stopped by ${outcome.by}`;
    case 'killed':
      return `killed at once by a second ${outcome.by}`;
    case 'service-lost':
      return describeLoss(outcome.service, outcome.failure);
  }
}

function describeLoss(service: string, failure: Failure): string {
  switch (failure.cause) {
    case 'exit':
      return `"${service}" ended by itself: ${describeExit(failure.exit)}`;
    case 'not-launched':
      return failure.message;
    case 'port-taken':
      return `cannot start "${service}": ${failure.message}`;
    default:
      return `"${service}" ${describeFailure(failure)}`;
  }
}

/** A failure in a few words. */
export function describeFailure(failure: Failure): string {
  switch (failure.cause) {
    case 'exit':
      return describeExit(failure.exit);
    case 'unhealthy':
      return `is unhealthy: ${failure.message}`;
    case 'start-timeout':
      return `is ${failure.message}`;
    case 'dependency-failed':
      return `needs "${failure.dependency}": ${describeFailure(failure.failure)}`;
    default:
      return failure.message;
  }
}

/** `exit 3` or `SIGKILL`. */
export function describeExit(exit: Exit): string {
  return 'signal' in exit ? exit.signal : `exit ${exit.code}`;
}

/** `pid 12 (nginx)`, or what is known when the process cannot be seen. */
export function describeHolder({ pid, command, uid }: Holder): string {
  if (pid !== undefined) return `pid ${pid}${command ? ` (${command})` : ''}`;
  return uid === undefined ? 'a process that cannot be seen' : `uid ${uid}, process not visible`;
}
