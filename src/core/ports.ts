/**
 * The ports of core: what the supervisor needs of the world, as interfaces. `host/` implements them on the real
 * machine, the tests on a simulated one with a fake clock.
 *
 * Convention of every wait here: it takes an AbortSignal and settles promptly once that is aborted. An aborted wait
 * resolves, with a value that nobody reads; it rejects only for bugs. Who starts a wait ends it in the same scope.
 */
import type { Address, ProbeSpec, ServiceSpec, SignalName } from './spec.ts';

/** Monotonic time, in milliseconds since some fixed moment. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`, or as soon as `signal` is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** How a process ended: by itself with a code, or by a signal. */
export type Exit = { readonly code: number } | { readonly signal: SignalName };

/** A spawned service. The leader is the process that was spawned; its group is whatever it started in turn. */
export interface Process {
  /** The leader. */
  readonly pid: number;
  /** The leader's end, once it is known. */
  readonly exit: Exit | undefined;
  /** Resolves when the leader has ended (not when its output is closed). Aborted: resolves too. */
  exited(signal: AbortSignal): Promise<void>;
  /** Sends a signal to the leader. Does nothing after its end: the pid may be another's by then. */
  signal(name: SignalName): void;
  /** Sends SIGKILL to the whole group, the leader included; where there are no groups, to the tree. */
  killGroup(): void;
  /**
   * After the exit: ends what is left of the group, drains its output for a bounded time. Never rejects.
   * @param drainMs the most that this may take, where it is less than what is usual
   */
  cleanUp(drainMs?: number): Promise<void>;
}

/** A command that could not be started: 127 not found, 126 found and not executable; other reasons as 126 with a message. */
export interface LaunchFailure {
  readonly code: 126 | 127;
  readonly message: string;
}

/** Who listens on an address. A holder whose pid cannot be seen lives under another uid or in another pid namespace. */
export interface Holder {
  readonly pid?: number;
  /** The holder's command, as in `/proc/PID/comm`. */
  readonly command?: string;
  readonly uid?: number;
}

/**
 * What the port watcher found: `ours`, somebody else's (`foreign`), or a socket whose owner cannot be seen although its
 * uid is the service's (`unknown`). A socket of another uid whose owner cannot be seen is `foreign`.
 */
export type Listening =
  | { readonly owner: 'ours' }
  | { readonly owner: 'foreign'; readonly holder: Holder }
  | { readonly owner: 'unknown'; readonly holder: Holder };

/** One probe's answer. `reason` says what was wrong, in a few words, without secrets. */
export type ProbeResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** The machine below: clock, processes, ports, probes. */
export interface Machine {
  readonly clock: Clock;
  /** A number in [0, 1), for jitter. */
  random(): number;
  /**
   * Starts a service's process; settles when it is running (execed) or could not be started. Aborted: the process as it
   * is, perhaps still on its way to its command.
   */
  launch(spec: ServiceSpec, signal: AbortSignal): Promise<Process | LaunchFailure>;
  /** Who holds this address now, if anybody does. One look. */
  holderOf(address: Address, signal: AbortSignal): Promise<Holder | undefined>;
  /** Resolves when somebody listens on the address, with a look at who it is; `undefined` when aborted before. */
  listening(address: Address, process: Process, signal: AbortSignal): Promise<Listening | undefined>;
  /** Asks once. Bounded by `timeoutMs`; aborted: a failure. */
  probe(probe: ProbeSpec, spec: ServiceSpec, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult>;
}
