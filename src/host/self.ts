/** Who tandem is, and what it lacks to run services as somebody else: asked of the kernel. */
import { readFileSync } from 'node:fs';
import type { Self } from '../core/spec.ts';

/** CAP_KILL, CAP_SETGID and CAP_SETUID by their bits (capabilities(7)): to become another user, and to stop it again. */
const neededCapabilities = { CAP_SETUID: 7, CAP_SETGID: 6, CAP_KILL: 5 } as const;

/** This process; absent where there are no users. */
export function ownIdentity(): Self | undefined {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  if (uid === undefined || gid === undefined) return undefined;
  return {
    uid,
    gid,
    groups: process.getgroups?.() ?? [],
    get missingCapabilities() {
      return missingCapabilities();
    },
  };
}

/** Whether tandem was installed set-user-ID or set-group-ID: it would run anything for anybody. */
export function isSetUserId(): boolean {
  return process.getuid?.() !== process.geteuid?.() || process.getgid?.() !== process.getegid?.();
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
