/**
 * Users by name or number, as `docker run --user` takes them, from the two files that every container has. Whether this
 * process may become another user is asked of the kernel.
 */
import { readFileSync } from 'node:fs';
import type { UserSpec } from '../core/spec.ts';

/** A user that services are run as. */
export interface ServiceUser {
  readonly identity: UserSpec;
  /** Absent where `/etc/passwd` does not know the user. */
  readonly home?: string | undefined;
}

/** CAP_KILL, CAP_SETGID and CAP_SETUID by their bits (capabilities(7)): to become another user, and to stop it again. */
const neededCapabilities = { CAP_SETUID: 7, CAP_SETGID: 6, CAP_KILL: 5 } as const;

/**
 * Finds a user: `name`, `uid`, `name:group`, `uid:gid`. With a group the user has that one alone; without, its own and all
 * that it is a member of.
 * @param root where `etc/passwd` and `etc/group` are
 */
export function findUser(text: string, root = '/'): ServiceUser | { readonly problem: string } {
  const [user = '', group] = text.split(':');
  const account = linesOf(`${root}etc/passwd`).find(
    ([name, , uid]) => name === user || (isNumber(user) && uid === user),
  );
  if (!account && !isNumber(user)) return { problem: `/etc/passwd has no user "${user}"` };
  const groups = linesOf(`${root}etc/group`);
  const [name = '', , uid = user, ownGid, , home] = account ?? [];
  const gid = group === undefined ? ownGid : gidOf(group, groups);
  if (gid === undefined && group !== undefined) return { problem: `/etc/group has no group "${group}"` };
  if (gid === undefined) return { problem: `/etc/passwd has no user ${user}, so its group must be said: ${user}:GID` };
  const isMember = ([, , , members = '']: string[]) => name !== '' && members.split(',').includes(name);
  const others = group === undefined ? groups.filter(isMember).map(([, , one]) => Number(one)) : [];
  const identity = { uid: Number(uid), gid: Number(gid), groups: [...new Set([Number(gid), ...others])] };
  return { identity, ...(home && { home }) };
}

function gidOf(group: string, groups: readonly string[][]): string | undefined {
  return groups.find(([name]) => name === group)?.[2] ?? (isNumber(group) ? group : undefined);
}

const isNumber = (text: string) => /^\d{1,10}$/.test(text);

function linesOf(file: string): string[][] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.trimEnd().split(':'));
  } catch {
    return [];
  }
}

/** The capabilities that are missing to run services as another user; none off Linux, where root may do all of it. */
export function missingCapabilities(status = '/proc/self/status'): string[] {
  try {
    const [, effective = 'f'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(status, 'latin1')) ?? [];
    const bits = BigInt(`0x${effective}`);
    return Object.entries(neededCapabilities)
      .filter(([, bit]) => (bits >> BigInt(bit)) % 2n === 0n)
      .map(([name]) => name);
  } catch {
    return [];
  }
}
