/**
 * Whether everything is there that must be before a start. It looks at all of it and changes nothing; `meetRequirements`
 * then makes what may be made.
 */
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { ConfigError, type Problem } from '../core/errors.ts';
import type { RequiredDirectory, RequiredFile, Requirements } from '../core/requirements.ts';
import type { UserSpec } from '../core/spec.ts';
import { findCommand } from './command-lookup.ts';
import { jsonProblem, yamlProblem } from './data-file.ts';
import { giveAway, prepareDirectory, whyNotUsable } from './directories.ts';
import { reasonOf } from './reason.ts';

/** Where it is looked. */
export interface Ground {
  /** What counts as set, PATH included. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where relative commands start. */
  readonly cwd: string;
  /** Who the services are. Absent: whoever tandem is. */
  readonly user?: UserSpec | undefined;
}

/** Everything that is missing, each with where it was asked for. Changes nothing. */
export async function unmetRequirements(requirements: Requirements, ground: Ground): Promise<Problem[]> {
  const { env, files, directories, commands } = requirements;
  return [
    ...env.flatMap(({ subject, name }) => {
      const value = ground.environment[name];
      return value ? [] : [{ subject, message: `${name} is ${value === undefined ? 'not set' : 'empty'}` }];
    }),
    ...(await Promise.all(files.map(whyNotReadable))).flat(),
    ...directories.flatMap((directory) => {
      const why = whyNotUsable(directory, ground.user);
      return why === undefined ? [] : [problemOf(directory, why)];
    }),
    ...commands.flatMap(({ subject, command }) => {
      const found = findCommand(command, { cwd: ground.cwd, path: ground.environment['PATH'] });
      return typeof found === 'string' ? [] : [{ subject, message: found.message, code: found.code }];
    }),
  ];
}

/** More would take PID 1's memory: 64 MiB. What is YAML has a bound of its own. */
const mostJsonBytes = 64 * 1024 * 1024;

async function whyNotReadable(file: RequiredFile): Promise<Problem[]> {
  const { subject, path } = file;
  try {
    // Reading a pipe that nobody writes to would never end.
    const stats = statSync(path);
    if (!stats.isFile()) return [problemOf(file, 'is no file')];
    // Not read where its content does not matter: it may be a database or a model.
    closeSync(openSync(path, 'r'));
    const format = file.format ?? formatOf(path);
    if (format === undefined) return [];
    if (stats.size > mostJsonBytes) {
      return [problemOf(file, `is too long to be checked: ${stats.size} bytes; accepted: at most ${mostJsonBytes}`)];
    }
    const text = readFileSync(path, 'utf8');
    const wrong = format === 'json' ? jsonProblem(text) : await yamlProblem(text);
    if (!wrong) return [];
    const { line, column, message } = wrong;
    return [{ subject, message: `${path}:${line}:${column} is not valid ${format.toUpperCase()}: ${message}` }];
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return [problemOf(file, isMissing ? 'does not exist' : `cannot be read: ${reasonOf(error)}`)];
  }
}

function formatOf(path: string): RequiredFile['format'] {
  if (/\.json$/i.test(path)) return 'json';
  return /\.ya?ml$/i.test(path) ? 'yaml' : undefined;
}

function problemOf({ subject, path }: RequiredFile | RequiredDirectory, why: string): Problem {
  return { subject, message: `"${path}" ${why}` };
}

/** What was done to a directory. */
export interface Deed {
  readonly path: string;
  readonly done: 'made' | 'given to its user';
}

/**
 * Makes directories that are missing; as root, gives those to the services' user in which that one could not write.
 * @throws ConfigError naming each that could not be made ready
 */
export function meetRequirements({ directories }: Requirements, user: UserSpec | undefined): Deed[] {
  const problems: Problem[] = [];
  const deeds = directories.flatMap((directory) => {
    try {
      const done = prepareDirectory(directory, user);
      return done ? [{ path: directory.path, done }] : [];
    } catch (error) {
      problems.push(problemOf(directory, `cannot be made ready: ${reasonOf(error)}`));
      return [];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return deeds;
}

/**
 * Gives what tandem has written for the services to their user; nothing where there is no other user than tandem.
 * @throws ConfigError naming each path that could not be given
 */
export function handOver(paths: readonly string[], user: UserSpec | undefined): void {
  if (!user) return;
  const problems = paths.flatMap((path) => {
    try {
      giveAway(path, user);
      return [];
    } catch (error) {
      return [{ subject: 'TANDEM_USER', message: `"${path}" cannot be given to uid ${user.uid}: ${reasonOf(error)}` }];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
}
