/**
 * The limit of open files with which tandem was started. Node raises its own soft limit to the hard one before any
 * script runs, and children inherit that: programs that use select() break, those that close every possible descriptor
 * take seconds. Nothing in the process itself remembers the first value.
 */
import { readFileSync } from 'node:fs';

/**
 * The soft limit that services get back, or undefined to leave things as they are. The rule:
 * 1. what was said: `TANDEM_NOFILE`, set by the operator or by `launch --note-nofile`, through which an image starts Node;
 * 2. the parent's soft limit, if its hard limit is ours: then ours was inherited from it;
 * 3. undefined. As PID 1 without 1 nobody can know it, and a raised limit harms fewer services than a guessed 1024.
 */
export function originalFileLimit(said?: number): number | undefined {
  if (said !== undefined) return said;
  const own = fileLimits('self');
  const parent = process.ppid > 0 ? fileLimits(process.ppid) : undefined;
  const isInherited = parent !== undefined && parent.hard === own?.hard && Number.isInteger(parent.soft);
  return isInherited ? parent.soft : undefined;
}

interface Limits {
  readonly soft: number;
  readonly hard: number;
}

function fileLimits(pid: number | 'self'): Limits | undefined {
  const [, soft, hard] = /^Max open files +(\S+) +(\S+)/m.exec(readLimits(pid)) ?? [];
  return soft === undefined || hard === undefined ? undefined : { soft: toNumber(soft), hard: toNumber(hard) };
}

function readLimits(pid: number | 'self'): string {
  try {
    return readFileSync(`/proc/${pid}/limits`, 'latin1');
  } catch {
    return ''; // not Linux, or another user's process
  }
}

function toNumber(limit: string): number {
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
}
