/**
 * The runtime directory: where the control socket lives. This file knows where such a directory may be and when one
 * can be trusted; the supervisor opens one, the clients look through them all.
 *
 * A directory is trusted if it is a real directory (no symbolic link), belongs to us and nobody else may write to it:
 * in /tmp anybody could have made it first. It imports nothing but `node:fs`: the health command pays for every byte.
 */
import { accessSync, constants, lstatSync, mkdirSync, readdirSync } from 'node:fs';

/** The control socket's name in a runtime directory. It is fixed, so that a client finds it without being told. */
export const socketName = 'tandem.sock';

const writableByOthers = 0o022;

/** Where the control socket may live, best first. */
export interface RuntimeDirs {
  readonly candidates: readonly string[];
  /** The operator named the directory: another one, or none, will not do. */
  readonly required: boolean;
}

/** The variables that say where to look. `process.env` is one. */
export interface RuntimeDirEnvironment {
  readonly TANDEM_RUNTIME_DIR?: string | undefined;
  readonly XDG_RUNTIME_DIR?: string | undefined;
}

/** The directories in which a supervisor of this user puts its control socket: the one that is named, else the usual ones. */
export function runtimeDirs(environment: RuntimeDirEnvironment, uid = ownUid()): RuntimeDirs {
  const named = environment.TANDEM_RUNTIME_DIR;
  if (named) return { candidates: [named], required: true };
  const session = environment.XDG_RUNTIME_DIR;
  const candidates = ['/run/tandem', ...(session?.startsWith('/') ? [`${session}/tandem`] : []), `/tmp/tandem-${uid}`];
  return { candidates, required: false };
}

/**
 * Opens one runtime directory for a supervisor: creates it with mode 0700 if it is missing.
 * @returns why it cannot be used, or `undefined` if it can
 */
export function openRuntimeDir(directory: string, uid = ownUid()): string | undefined {
  try {
    createDirectory(directory);
    const distrust = whyDistrusted(directory, [uid]);
    if (distrust !== undefined) return distrust;
    accessSync(directory, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `cannot use ${directory}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  }
}

/**
 * Every control socket that a client may trust, best first: of the named directory, of this user's, and for root of all
 * users. Lazy, because the first one nearly always answers.
 */
export function* controlSockets(environment: RuntimeDirEnvironment, uid = ownUid()): Generator<string> {
  const usual = runtimeDirs({ ...environment, TANDEM_RUNTIME_DIR: undefined }, uid).candidates;
  const seen = new Set<string>();
  for (const directory of everyDirectory(runtimeDirs(environment, uid).candidates, usual, uid)) {
    if (seen.has(directory)) continue;
    seen.add(directory);
    if (isTrustedByClient(directory, uid)) yield `${directory}/${socketName}`;
  }
}

function* everyDirectory(named: readonly string[], usual: readonly string[], uid: number): Generator<string> {
  yield* named;
  yield* usual;
  // root in `docker exec`, the supervisor being somebody else.
  if (uid === 0) yield* directoriesOfOtherUsers();
}

function directoriesOfOtherUsers(): string[] {
  try {
    return readdirSync('/tmp')
      .filter((name) => /^tandem-\d+$/.test(name))
      .map((name) => `/tmp/${name}`);
  } catch {
    return [];
  }
}

function isTrustedByClient(directory: string, uid: number): boolean {
  try {
    return whyDistrusted(directory, ownersFor(directory, uid)) === undefined;
  } catch {
    return false;
  }
}

/** Whoever it says in /tmp, where anybody can make a directory of any name; for root elsewhere anybody. */
function ownersFor(directory: string, uid: number): readonly number[] | undefined {
  const [, named] = /^\/tmp\/tandem-(\d+)$/.exec(directory) ?? [];
  if (uid !== 0) return [uid, 0];
  return named === undefined ? undefined : [Number(named), 0];
}

/** @param owners who may own it; absent: anybody */
function whyDistrusted(directory: string, owners: readonly number[] | undefined): string | undefined {
  const stats = lstatSync(directory);
  if (stats.isSymbolicLink()) return `${directory} is a symbolic link`;
  if (!stats.isDirectory()) return `${directory} is not a directory`;
  if (owners?.includes(stats.uid) === false) return `${directory} belongs to uid ${stats.uid}`;
  const mode = stats.mode & 0o777;
  if (mode & writableByOthers)
    return `${directory} can be written by others (mode ${mode.toString(8).padStart(4, '0')})`;
  return undefined;
}

function createDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
}

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}
