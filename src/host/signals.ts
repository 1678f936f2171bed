/**
 * The signals that tandem receives. This module is imported before any other: for PID 1 a signal without a handler is
 * dropped, so the handlers stand before anything else is even loaded, and what comes early is kept until somebody
 * listens. What came even before, while Node itself started, was held by `native/hold.c` if `launch` was asked for that,
 * and arrives with the handler; the two lists in `native/launch.c` are those of this file.
 *
 * It only receives. What a signal means is decided by the listener.
 */
import { constants } from 'node:os';
import type { SignalName } from '../core/spec.ts';
import type { Addon } from './native.ts';

/** The signals that mean something to a supervisor, or that its services may ask for. */
const ordinary = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

/**
 * A listener of Node for these would be wrong: a fault would be raised again and again by the instruction that a handler
 * returns to, and PIPE and ABRT come from tandem's own writes and its own end. The addon tells those that somebody has sent
 * from those that this process has raised.
 */
const alsoRaised = [
  'SIGPIPE',
  'SIGPROF',
  'SIGSEGV',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGABRT',
  'SIGTRAP',
  'SIGSYS',
] as const;

/** The first two cannot be handled, and SIGCHLD is tandem's own. Real-time signals have no names in Node. */
const untouched = ['SIGKILL', 'SIGSTOP', 'SIGCHLD', ...alsoRaised] as const;

type Listener = (name: SignalName) => void;

const early: SignalName[] = [];
const handled = new Set<SignalName>();
let listener: Listener = (name) => early.push(name);

function receive(name: NodeJS.Signals): void {
  listener(name);
}

function handle(names: readonly SignalName[]): void {
  for (const name of names) {
    if (handled.has(name)) continue;
    handled.add(name);
    process.on(name, receive);
  }
}

/** Calls the listener for every signal from now on, and at once for those that came before. */
export function onSignal(next: Listener): void {
  listener = next;
  for (const name of early.splice(0)) next(name);
}

/**
 * Handles every signal that can be forwarded, terminal stops included: for `tandem -- CMD`. Without the addon those that a
 * process also raises by itself keep their effect on tandem.
 */
export function handleAllSignals(addon: Addon | undefined): void {
  // By number, because some have two names (SIGIO is SIGPOLL) and would be received twice.
  const nameOf = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name as SignalName]));
  for (const name of [...untouched, ...handled]) nameOf.delete(signalNumber(name));
  handle([...nameOf.values()]);
  if (addon) receiveCaught(addon);
}

function receiveCaught(addon: Addon): void {
  const isIn = (set: number, name: SignalName) => ((set >>> signalNumber(name)) & 1) === 1;
  process.on('SIGCHLD', () => {
    const caught = addon.takeCaught();
    for (const name of alsoRaised) if (isIn(caught, name)) receive(name);
  });
  addon.catchSignals(alsoRaised.reduce((set, name) => set | (1 << signalNumber(name)), 0));
}

/** Takes the handlers away again and re-raises what came early: for commands that supervise nothing. */
export async function ignoreSignals(): Promise<void> {
  await new Promise(setImmediate); // what libuv has caught already is told by the event loop, and not to a handler that is gone
  for (const name of handled) process.off(name, receive);
  handled.clear();
  for (const name of early.splice(0)) process.kill(process.pid, name);
}

/** The number of a signal, as in `128+n`. 0 for a name that this system does not know. */
export function signalNumber(name: SignalName): number {
  return constants.signals[name as NodeJS.Signals] ?? 0;
}

handle(ordinary);
