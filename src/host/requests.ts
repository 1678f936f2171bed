/**
 * What the signals from outside mean: TERM and INT ask for a stop, a second one ends every grace, the rest is handed to
 * the services that ask for it.
 */
import { readFileSync } from 'node:fs';
import type { SignalName } from '../core/spec.ts';
import type { Requests, Supervisor } from '../core/supervisor.ts';
import type { Log } from './log.ts';
import { onSignal } from './signals.ts';

/** Turns signals into requests, from now on and for those that came before. */
export function heedStopSignals(supervisor: Supervisor, log: Log): Requests {
  const stop = new AbortController();
  const kill = new AbortController();
  const isOnTerminal = hasControllingTerminal();
  onSignal((name) => {
    if (asksForStop(name, isOnTerminal)) {
      log.info({ signal: name }, stop.signal.aborted ? 'asked to stop at once' : 'asked to stop');
      (stop.signal.aborted ? kill : stop).abort(name);
    } else if (name === 'SIGUSR2') {
      // gunicorn's upgrade starts a successor that would die with the group of its predecessor.
      log.warn({ signal: name }, 'signal is not forwarded');
    } else {
      log.debug({ signal: name, services: supervisor.forward(name) }, 'signal forwarded');
    }
  });
  return { stop: stop.signal, kill: kill.signal };
}

/** Hands every signal to the command, every time: nothing ever asks tandem itself to stop. */
export function heedCommandSignals(supervisor: Supervisor): Requests {
  onSignal((name) => supervisor.forward(name));
  const never = new AbortController().signal;
  return { stop: never, kill: never };
}

/** A terminal that hangs up, or Ctrl-\ on it, is the end of a program that runs there. */
function asksForStop(name: SignalName, isOnTerminal: boolean): boolean {
  if (name === 'SIGTERM' || name === 'SIGINT') return true;
  return isOnTerminal && (name === 'SIGHUP' || name === 'SIGQUIT');
}

/** Field 7 of `/proc/self/stat` is the controlling terminal, 0 for none; the second field may hold spaces. */
function hasControllingTerminal(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4] !== '0';
  } catch {
    return process.stdin.isTTY;
  }
}
