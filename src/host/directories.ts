/**
 * Directories that services write to: whether a user can, and, for a tandem that is root, making it so. Links are never
 * followed, mounts below are not entered, and what belongs to the system is not given away.
 */
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { RequiredDirectory } from '../core/requirements.ts';
import type { UserSpec } from '../core/spec.ts';

/** Whose a directory is to be. */
type Owner = NonNullable<RequiredDirectory['owner']>;

/** Given to nobody, nor anything below the second ones. */
const systemDirectories =
  /^\/(home|media|mnt|opt|root|run|srv|tmp|usr(\/local(\/\w+)?)?|var(\/(cache|lib|log|run|spool|tmp))?)?$/;
const systemTrees = /^\/(bin|boot|dev|etc|lib\w*|proc|sbin|sys|usr\/(bin|lib\w*|sbin|share))(\/|$)/;

const isRoot = () => process.getuid?.() === 0;

/**
 * Why services could not write in this directory even after `prepareDirectory`; `undefined` if they can. Changes nothing.
 * @param user who the services are; absent: whoever tandem is
 */
export function whyNotUsable(directory: RequiredDirectory, user: UserSpec | undefined): string | undefined {
  const { path, create = true } = directory;
  const stats = look(path);
  if (!stats) return create ? whyNotMakeable(path) : 'does not exist';
  if (!stats.isDirectory()) return 'is no directory';
  const fixed = whyFixed(directory, stats);
  if (fixed) return fixed;
  if (!isRoot()) return refusal(path) && `is not writable by uid ${process.getuid?.()}: ${describe(stats)}`;
  if (refusal(path) === 'EROFS') return 'is on a read-only file system';
  const closed = user && closedAbove(path, user);
  if (closed) return closed;
  if (!ownerFor(directory, user, stats) || !isSystems(realpathSync(path))) return undefined;
  return `belongs to the system and is not writable by uid ${user?.uid ?? directory.owner?.uid}: ${describe(stats)}`;
}

/** Why it cannot get the mode that it must have. */
function whyFixed({ path, mode }: RequiredDirectory, stats: Stats): string | undefined {
  if (mode === undefined || (stats.mode & 0o7777) === mode) return undefined;
  const wanted = `must have mode ${mode.toString(8)}, and`;
  if (isRoot())
    return isSystems(realpathSync(path)) ? `${wanted} belongs to the system: ${describe(stats)}` : undefined;
  return stats.uid === process.getuid?.()
    ? undefined
    : `${wanted} is not uid ${process.getuid?.()}'s: ${describe(stats)}`;
}

/** The nearest directory above that is there decides. */
function whyNotMakeable(path: string): string | undefined {
  let above = dirname(path);
  while (!look(above) && above !== '/') above = dirname(above);
  const stats = look(above);
  if (!stats?.isDirectory()) return `cannot be made: ${above} is no directory`;
  const code = refusal(above);
  if (code === undefined) return undefined;
  const why = code === 'EROFS' ? 'on a read-only file system' : `not writable by uid ${process.getuid?.()}`;
  return `cannot be made: ${above} is ${why}`;
}

function closedAbove(path: string, user: UserSpec): string | undefined {
  for (let above = dirname(path); above !== '/'; above = dirname(above)) {
    const stats = look(above);
    if (stats && (bitsFor(stats, user) & 1) === 0)
      return `cannot be entered by uid ${user.uid}: ${above}, ${describe(stats)}`;
  }
  return undefined;
}

/**
 * Makes a directory that is missing, and where tandem is root gives it, with all that is in it, to its owner: the one that
 * it must have, or the services' user if that one could not write there.
 * @returns what was done, in a word; nothing if there was nothing to do
 * @throws the file system's error
 */
export function prepareDirectory(
  directory: RequiredDirectory,
  user: UserSpec | undefined,
): 'made' | 'given to its user' | undefined {
  const { path, mode } = directory;
  const before = look(path);
  const first = before ? undefined : makeDirectories(path, mode);
  const stats = statSync(path);
  const owner = isRoot() ? ownerFor(directory, user, stats) : undefined;
  if (owner && first) giveEach(path, first, owner);
  else if (owner) giveTree(realpathSync(path), owner);
  // The umask has its say in what mkdir makes.
  if (mode !== undefined && (stats.mode & 0o7777) !== mode) chmodSync(path, mode);
  if (first) return 'made';
  return owner ? 'given to its user' : undefined;
}

/**
 * Makes a directory with all that is missing above it. Node's own way never ends where a file system takes no directories,
 * as `/proc` does.
 * @param mode of the directory itself
 * @returns the first one that was made
 */
function makeDirectories(path: string, mode: number | undefined): string {
  const above = dirname(path);
  const first = look(above) ? path : makeDirectories(above, undefined);
  mkdirSync(path, mode);
  return first;
}

/** Who has to get it; nobody where all is well. */
function ownerFor({ owner }: RequiredDirectory, user: UserSpec | undefined, stats: Stats): Owner | undefined {
  if (owner) return stats.uid === owner.uid && stats.gid === owner.gid ? undefined : owner;
  return user && (bitsFor(stats, user) & 3) !== 3 ? user : undefined;
}

/** The permission bits that count for a user: read 4, write 2, enter 1. */
function bitsFor({ uid, gid, mode }: Stats, user: UserSpec): number {
  if (user.uid === 0) return 7;
  if (user.uid === uid) return (mode >> 6) & 7;
  return (user.gid === gid || user.groups.includes(gid) ? mode >> 3 : mode) & 7;
}

function isSystems(real: string): boolean {
  return systemDirectories.test(real) || systemTrees.test(real);
}

/** The directories that were just made, from the last one up to the first. */
function giveEach(last: string, first: string, { uid, gid }: Owner): void {
  for (let path = last; path.length >= first.length; path = dirname(path)) chownSync(path, uid, gid);
}

const asDirectory = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Gives away a directory and everything in it. It goes by descriptors and not by paths: who may write there already
 * could put a link into the way of a root that follows names. The directory itself comes last, so that one that was
 * interrupted is begun again.
 */
export function giveTree(path: string, owner: Owner): void {
  if (isSystems(path)) throw Object.assign(new Error(), { code: 'EPERM' });
  const descriptor = openSync(path, asDirectory);
  try {
    giveBelow(descriptor, fstatSync(descriptor).dev, owner);
  } finally {
    closeSync(descriptor);
  }
}

/** The same for a file or a directory, if it is there. */
export function giveAway(path: string, owner: Owner): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory()) giveTree(realpathSync(path), owner);
  else if (stats && stats.uid !== owner.uid) lchownSync(path, owner.uid, owner.gid);
}

function giveBelow(descriptor: number, device: number, { uid, gid }: Owner): void {
  const here = `/proc/self/fd/${descriptor}`;
  for (const name of readdirSync(here)) {
    const path = `${here}/${name}`;
    const stats = lstatSync(path);
    // Another file system: a mount that somebody else answers for, perhaps a read-only one.
    if (stats.dev !== device) continue;
    if (!stats.isDirectory()) {
      if (stats.uid !== uid || stats.gid !== gid) lchownSync(path, uid, gid);
      continue;
    }
    const below = openSync(path, asDirectory);
    try {
      giveBelow(below, device, { uid, gid });
    } finally {
      closeSync(below);
    }
  }
  fchownSync(descriptor, uid, gid);
}

/** The error code for which we may not write there ourselves. */
function refusal(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN';
  }
}

function describe({ uid, mode }: Stats): string {
  return `owner ${uid}, mode ${(mode & 0o7777).toString(8)}`;
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
