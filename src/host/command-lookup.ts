/** Finds the file that a command means, as a shell does, before anything is spawned: so the answer can name what is wrong. */
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { LaunchFailure } from '../core/ports.ts';

/** execvp's, for an environment without PATH. */
const defaultPath = '/usr/local/bin:/bin:/usr/bin';

/** Where a command is looked up. */
export interface Place {
  /** Absolute; relative commands and relative entries of PATH start here. */
  readonly cwd: string;
  /** The variable PATH. */
  readonly path: string | undefined;
}

/**
 * Returns the executable's absolute path, or why there is none: 127 not found, 126 found and not executable. A word
 * with a slash is a path; any other is looked for in PATH, where directories are passed over.
 */
export function findCommand(command: string, { cwd, path = defaultPath }: Place): string | LaunchFailure {
  if (command.includes('/')) return checkFile(command, resolve(cwd, command));
  if (command === '') return { code: 127, message: 'the command is empty' };
  let found: LaunchFailure | undefined;
  for (const directory of path.split(':')) {
    const candidate = resolve(cwd, directory, command);
    const stats = look(candidate);
    if (stats === undefined || stats.isDirectory()) continue;
    if (isExecutable(candidate)) return candidate;
    found ??= { code: 126, message: `command "${command}" is not executable: ${candidate}` };
  }
  return found ?? { code: 127, message: `command "${command}" not found in PATH` };
}

/** Returns why this is no directory to start in, if so. */
export function checkDirectory(cwd: string): LaunchFailure | undefined {
  const stats = look(cwd);
  if (stats?.isDirectory()) return undefined;
  const message = stats ? `the working directory is no directory: ${cwd}` : `no such working directory: ${cwd}`;
  return { code: 126, message };
}

function checkFile(command: string, file: string): string | LaunchFailure {
  const stats = look(file);
  if (stats === undefined) return { code: 127, message: `command "${command}" not found` };
  if (stats.isDirectory()) return { code: 126, message: `command "${command}" is a directory` };
  return isExecutable(file) ? file : { code: 126, message: `command "${command}" is not executable` };
}

/** Whatever cannot be looked at (a directory closed to us, a file where a directory should be) is not there. */
function look(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
