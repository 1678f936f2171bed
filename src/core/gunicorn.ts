/** What is known of gunicorn, whoever runs it. */
import type { SignalName } from './spec.ts';

/** Reload and reopen the logs. USR2 is not among them: the successor it starts would end with the group. */
export const gunicornSignals: readonly SignalName[] = ['SIGHUP', 'SIGUSR1'];

/** Whether the command is gunicorn, as a program of its own or as a Python module. */
export function isGunicorn(command: readonly string[]): boolean {
  return command.some((word, index) => /(^|\/)gunicorn$/.test(word) && (index === 0 || command[index - 1] === '-m'));
}

/** The signals that are handed on to a service with this command unless it says otherwise. */
export function usualSignals(command: readonly string[]): readonly SignalName[] {
  return isGunicorn(command) ? gunicornSignals : [];
}
