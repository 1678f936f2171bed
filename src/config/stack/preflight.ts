/** What a tandem.yaml says that must be there before anything starts, each with its place, for the host to look at. */
import { resolve } from 'node:path';
import type { Requirements } from '../../core/requirements.ts';
import type { UserSpec } from '../../core/spec.ts';
import { findUser } from '../users.ts';
import type { Complaints } from './complaints.ts';
import { type PreflightInput, preflightKeys, stackKeys } from './keys.ts';
import type { Kind } from './kinds.ts';
import type { Path } from './located.ts';

/** Where a file is read. */
export interface PreflightSetting {
  /** Relative paths start here. */
  readonly directory: string;
  /** The directory of `passwd` and `group`. */
  readonly etc: string | undefined;
}

/** As far as it can be read. What lacks a variable is left out: that is told already. */
export function preflightOf(complaints: Complaints, { directory, etc }: PreflightSetting): Requirements {
  const { env = [], files = [], directories = [], commands = [] } = inputOf(complaints);
  const at = (path: string) => resolve(directory, path);
  /** Each with what a message calls it, and where it stands. */
  const known = <T>(key: keyof PreflightInput, all: readonly T[]) =>
    all.flatMap((one, index) => {
      const path: Path = ['preflight', key, index];
      const isKnown = ![path, [...path, 'path']].some((each) => complaints.isSettled(each));
      return isKnown ? [{ one, path, subject: complaints.subjectOf(path) }] : [];
    });
  return {
    env: known('env', env).map(({ one: name, subject }) => ({ subject, name })),
    files: known('files', files).map(({ one, subject }) => ({ ...one, subject, path: at(one.path) })),
    directories: known('directories', directories).map(({ one, path, subject }) => {
      const owner = ownerOf(one.owner, [...path, 'owner'], complaints, etc);
      return { subject, path: at(one.path), create: one.create ?? false, mode: one.mode, owner };
    }),
    // A name is looked up in PATH.
    commands: known('commands', commands).map(({ one, subject }) => {
      return { subject, command: one.includes('/') ? at(one) : one };
    }),
  };
}

/** One kind that is wrong hides no other. */
function inputOf(complaints: Complaints): PreflightInput {
  const whole = complaints.parse(stackKeys.preflight.accepts, ['preflight']);
  if (whole) return whole;
  const names = Object.keys(preflightKeys) as (keyof PreflightInput)[];
  const parts = names.map(
    (name) => [name, complaints.parse(preflightKeys[name].accepts as Kind, ['preflight', name])] as const,
  );
  return Object.fromEntries(parts.filter(([, part]) => part !== undefined));
}

function ownerOf(
  owner: string | undefined,
  path: Path,
  complaints: Complaints,
  etc: string | undefined,
): UserSpec | undefined {
  if (owner === undefined) return undefined;
  const found = findUser(owner, [], etc);
  if ('identity' in found) return found.identity;
  complaints.at(path, `${JSON.stringify(owner)} is not accepted; ${found.problem}`);
  return undefined;
}
