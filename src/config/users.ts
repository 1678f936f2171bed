/**
 * Users by name or number, as `docker run --user` and Compose take them, from the two files that every container has; and
 * whether tandem can run services as one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from '../core/errors.ts';
import type { Self, UserSpec } from '../core/spec.ts';
import type { Remark, ServiceUser } from './config.ts';

/** The highest number that the kernel takes as an id. */
const highestId = 2 ** 32 - 2;

interface Account {
  readonly name: string;
  readonly id: number;
  /** What follows, as it stands there. */
  readonly rest: readonly string[];
}

/**
 * Finds a user, by Docker's rules: without a group it is the user's own, or 0 where the user has no account, and the groups that
 * list the user are added; with one it is that group alone. The primary group is always among the supplementary ones. The home
 * of a user without an account is `/`.
 * @param text `uid`, `uid:gid`, or names
 * @param more groups to add
 * @param etc the directory of `passwd` and `group`
 */
export function findUser(
  text: string,
  more: readonly string[] = [],
  etc = '/etc',
): ServiceUser | { readonly problem: string } {
  const [userText = '', groupText, ...rest] = text.split(':');
  if (userText === '' || groupText === '' || rest.length > 0) return { problem: 'accepted: uid, uid:gid, or names' };
  const accounts = readAccounts(join(etc, 'passwd'));
  const groups = readAccounts(join(etc, 'group'));
  const account = accounts.find(({ name, id }) => name === userText || id === idOf(userText));
  const uid = account?.id ?? idOf(userText);
  if (uid === undefined) return { problem: `there is no user "${userText}" in ${join(etc, 'passwd')}` };
  const named = [...(groupText === undefined ? [] : [groupText]), ...more];
  const ids = named.map((group) => groups.find(({ name }) => name === group)?.id ?? idOf(group));
  const unknown = named.find((_group, index) => ids[index] === undefined);
  if (unknown !== undefined) return { problem: `there is no group "${unknown}" in ${join(etc, 'group')}` };
  const known = ids.filter((id) => id !== undefined);
  const [ownGid = '', , home = ''] = account?.rest ?? [];
  const gid = groupText === undefined ? (idOf(ownGid) ?? 0) : (known[0] ?? 0);
  const isMember = ({ rest: [members = ''] }: Account) => {
    return members.split(',').some((member) => member.trim() === account?.name);
  };
  const listed = groupText === undefined && account ? groups.filter(isMember).map(({ id }) => id) : [];
  return { identity: { uid, gid, groups: [...new Set([gid, ...listed, ...known])] }, home: home || '/' };
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
    const [name = '', , id = '', ...rest] = line.trimEnd().split(':');
    const number = idOf(id);
    return name === '' || name.startsWith('#') || number === undefined ? [] : [{ name, id: number, rest }];
  });
}

/** Why tandem cannot run services as a user, and what to do; `undefined` if it can, or is that user itself. */
export function whyNotAs({ uid, gid }: UserSpec, self: Self): string | undefined {
  if (uid === self.uid && gid === self.gid) return undefined;
  if (self.uid !== 0) return `without root (tandem is uid ${self.uid}); start tandem as root, or as that user`;
  // Another group of root's own takes less.
  const missing = self.missingCapabilities.filter((name) => uid !== self.uid || name === 'CAP_SETGID');
  return missing.length === 0 ? undefined : `without ${missing.join(', ')}; add them, or start tandem as that user`;
}

/** The same for groups that were asked for by name: who stays who tandem is may keep tandem's groups only. */
export function whyNotIn(added: readonly number[], self: Self): string | undefined {
  const mayChange = self.uid === 0 && !self.missingCapabilities.includes('CAP_SETGID');
  const lost = added.filter((group) => group !== self.gid && !self.groups.includes(group));
  if (mayChange || lost.length === 0) return undefined;
  return `cannot add ${lost.join(', ')} without CAP_SETGID; add the groups to tandem's own`;
}

/** Who the services are that say nothing of it. */
export interface DefaultUser {
  /** Absent: whoever tandem is. */
  readonly user?: ServiceUser;
  readonly problems: readonly Problem[];
  readonly remarks: readonly Remark[];
}

/**
 * What TANDEM_USER comes to. Only root can become another user; whoever started tandem as somebody else has chosen already.
 * @param self absent: not known, and nothing is tried
 */
export function defaultUser(text: string | undefined, self: Self | undefined, etc?: string): DefaultUser {
  const nothing = { problems: [], remarks: [] };
  if (text === undefined || !self) return nothing;
  const { uid } = self;
  if (uid !== 0) {
    const message = 'TANDEM_USER has no effect: not started as root';
    return { ...nothing, remarks: [{ level: 'info', message, facts: { user: text, uid } }] };
  }
  const refuse = (message: string) => ({ ...nothing, problems: [{ subject: 'TANDEM_USER', message }] });
  const user = findUser(text, [], etc);
  if ('problem' in user) return refuse(`${JSON.stringify(text)} is not accepted; ${user.problem}`);
  const why = whyNotAs(user.identity, self);
  if (why !== undefined) return refuse(`cannot run services as "${text}" ${why}`);
  return user.identity.uid === uid && user.identity.gid === self.gid ? nothing : { ...nothing, user };
}
