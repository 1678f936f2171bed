/** Who a service runs as: names and numbers looked up in `/etc/passwd` and `/etc/group`, with Docker's rules. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UserSpec } from '../../core/spec.ts';

/** A user, or what is wrong with how it was written. */
export type FoundUser = { readonly user: UserSpec } | { readonly problem: string };

/** The highest number that the kernel takes as an id. */
const highestId = 2 ** 32 - 2;

interface Account {
  readonly name: string;
  readonly id: number;
  /** passwd: the primary group. */
  readonly group: number;
  /** group: its members. */
  readonly members: readonly string[];
}

/**
 * @param text `uid`, `uid:gid`, or names
 * @param more groups to add
 * @param etc the directory of `passwd` and `group`
 *
 * Without a group it is the user's own, or 0 where the user has no account, and the groups that list the user are added; with one,
 * it is that group alone.
 */
export function findUser(text: string, more: readonly string[], etc = '/etc'): FoundUser {
  const [userText = '', groupText, ...rest] = text.split(':');
  if (userText === '' || groupText === '' || rest.length > 0) return { problem: 'accepted: uid, uid:gid, or names' };
  const accounts = readAccounts(join(etc, 'passwd'));
  const groups = readAccounts(join(etc, 'group'));
  const account = accounts.find(({ name, id }) => name === userText || String(id) === userText);
  const uid = account?.id ?? idOf(userText);
  if (uid === undefined) return { problem: `there is no user "${userText}" in ${join(etc, 'passwd')}` };
  const added = [...(groupText === undefined ? [] : [groupText]), ...more].map((group) => {
    return groups.find(({ name }) => name === group)?.id ?? idOf(group) ?? group;
  });
  const unknown = added.find((id) => typeof id === 'string');
  if (unknown !== undefined) return { problem: `there is no group "${unknown}" in ${join(etc, 'group')}` };
  const ids = added.filter((id) => typeof id === 'number');
  const gid = groupText === undefined ? (account?.group ?? 0) : (ids.shift() ?? 0);
  const listed =
    groupText === undefined && account ? groups.filter(({ members }) => members.includes(account.name)) : [];
  return { user: { uid, gid, groups: [...new Set([...listed.map(({ id }) => id), ...ids])] } };
}

function idOf(text: string): number | undefined {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return id <= highestId ? id : undefined;
}

/** A file that is not there has no accounts. */
function readAccounts(path: string): Account[] {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [name = '', , id = '', last = ''] = line.split(':');
    const number = idOf(id);
    if (name === '' || number === undefined) return [];
    return [{ name, id: number, group: idOf(last) ?? 0, members: last.split(',').map((member) => member.trim()) }];
  });
}
