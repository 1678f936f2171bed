/** Who is who among the processes of a run, read from /proc of this machine, which shows those in namespaces and containers, too. */
import { readdirSync, readFileSync } from 'node:fs';
import { processesOf } from '../fixtures/e2e-run-pair.ts';

export type Role = 'tandem' | 'leader' | 'worker' | 'guard' | 'probe' | 'namespace';

export interface ProcessSeen {
  readonly pid: number;
  readonly role: Role;
  /** Of a leader: its service. */
  readonly service: string | undefined;
  readonly words: readonly string[];
}

/** All processes of the run with this mark; the supervisor's pid is known. */
export function processesSeen(directory: string, tandem: number, services: readonly string[]): ProcessSeen[] {
  const own = wordsOf(tandem).join(' ');
  return [...new Set([...processesOf(directory), ...childrenOf(tandem)])].flatMap((pid) => {
    const words = wordsOf(pid);
    const parent = statOf(pid)?.parent;
    // Without words it is gone; with tandem's it is about to be something else.
    if (parent === undefined || words.length === 0 || (pid !== tandem && words.join(' ') === own)) return [];
    const service = services.find((name) =>
      words.some((word) => word === name || word.includes(modules[name] ?? '\0')),
    );
    return [{ pid, words, role: roleOf(pid, parent, tandem, words, service), service }];
  });
}

/** How the services of the preset matrix are told apart. */
const modules: Readonly<Record<string, string>> = { migrations: 'alembic', hub: 'src.app', gateway: 'mcpgateway.main' };

function roleOf(pid: number, parent: number, tandem: number, words: readonly string[], service?: string): Role {
  if (pid === tandem) return 'tandem';
  // Around PID 1, or on the way to it.
  if (['env', 'sh', 'prlimit', 'unshare'].includes(words[0] ?? '') && parent !== tandem && parent === process.pid)
    return 'namespace';
  if (parent !== tandem) return 'worker';
  if (words[0]?.endsWith('/native/guard')) return 'guard';
  return service === undefined ? 'probe' : 'leader';
}

/** Those without the mark, too: the guardian has an empty environment. */
export function childrenOf(pid: number): number[] {
  return read(pid, `task/${pid}/children`)
    .split(' ')
    .map(Number)
    .filter((child) => child > 0);
}

/** The command line; empty for what is gone. */
export function wordsOf(pid: number): string[] {
  return read(pid, 'cmdline').split('\0').slice(0, -1);
}

/** Fields of `/proc/PID/stat` behind the name, which may hold anything. */
export function statOf(
  pid: number,
): { readonly state: string; readonly parent: number; readonly start: string } | undefined {
  const text = read(pid, 'stat');
  const [state, parent, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return state === undefined || parent === undefined
    ? undefined
    : { state, parent: Number(parent), start: rest[17] ?? '' };
}

/** The ended children of a process that it has not collected yet. */
export function zombiesOf(pid: number): { readonly pid: number; readonly start: string }[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .flatMap((child) => {
      const stat = statOf(child);
      return stat?.state === 'Z' && stat.parent === pid ? [{ pid: child, start: stat.start }] : [];
    });
}

/** The most memory that it ever had, in MiB; 0 if it is gone. */
export function peakRssMib(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) / 1024;
}

/** How many descriptors it has open. */
export function descriptorsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(Number);
  } catch {
    return [];
  }
}

/** Empty for what is gone. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
