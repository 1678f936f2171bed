/** What a configuration wants of the machine, looked at before anything is started: requirements, and the services' user. */
import type { Problem } from '../core/errors.ts';
import type { Requirements } from '../core/requirements.ts';
import { unmetRequirements } from './requirements.ts';
import { findUser, missingCapabilities, type ServiceUser } from './users.ts';

interface Wanted {
  readonly requirements: Requirements;
  readonly environment: Readonly<Record<string, string>>;
  /** TANDEM_USER. */
  readonly user: string | undefined;
}

/** @param cwd where relative commands start */
export async function survey({ requirements, environment, user: text }: Wanted, cwd: string) {
  const { user, problems, remarks } = userOf(text);
  const unmet = await unmetRequirements(requirements, { environment, cwd, user: user?.identity });
  return { unmet: [...problems, ...unmet], remarks, ...(user && { user }) };
}

interface Found {
  readonly user?: ServiceUser;
  readonly problems: readonly Problem[];
  readonly remarks: readonly {
    readonly level: 'info';
    readonly message: string;
    readonly facts: object & Record<string, unknown>;
  }[];
}

/** Only root can become another user; whoever started tandem as somebody else has chosen already. */
function userOf(text: string | undefined): Found {
  const nothing = { problems: [], remarks: [] };
  if (text === undefined) return nothing;
  const uid = process.getuid?.();
  if (uid !== 0) {
    const facts = { user: text, uid };
    return {
      ...nothing,
      remarks: [{ level: 'info', message: 'TANDEM_USER has no effect: not started as root', facts }],
    };
  }
  const refuse = (message: string) => ({ ...nothing, problems: [{ subject: 'TANDEM_USER', message }] });
  const user = findUser(text);
  if ('problem' in user) return refuse(`${JSON.stringify(text)} is not accepted: ${user.problem}`);
  if (user.identity.uid === 0) return nothing;
  const missing = missingCapabilities();
  if (missing.length === 0) return { ...nothing, user };
  const advice = 'add them, or start tandem as that user';
  return refuse(`cannot run services as "${text}" without ${missing.join(', ')}; ${advice}`);
}
