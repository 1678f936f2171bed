/** What the kernel says of a supervisor's own processes: all under its pid whose program is not the bench's child. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Usage {
  readonly rssMb: number;
  /** Pages that n processes share count 1/n. */
  readonly pssMb: number;
  readonly cpuMs: number;
  /** How often a thread went to sleep by itself so far: as often it was woken. */
  readonly wakeups: number;
  readonly processes: number;
}

export function usageOf(pid: number, child: string): Usage {
  const own = treeOf(pid).filter((one) => programOf(one) !== child);
  const sum = (look: (pid: number) => number) => own.reduce((total, one) => total + look(one), 0);
  return {
    rssMb: sum((one) => kilobytes(one, 'Rss')) / 1024,
    pssMb: sum((one) => kilobytes(one, 'Pss')) / 1024,
    cpuMs: sum((one) => threadsOf(one).reduce((total, thread) => total + cpuMsOf(thread), 0)),
    wakeups: sum((one) => threadsOf(one).reduce((total, thread) => total + wakeupsOf(thread), 0)),
    processes: own.length,
  };
}

/** The process and all that descend from it, by way of every thread. */
export function treeOf(pid: number): number[] {
  const children = threadsOf(pid).flatMap((thread) =>
    read(`${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(treeOf)];
}

/** The directories of its threads. */
export const threadsOf = (pid: number) => list(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);

const kilobytes = (pid: number, name: string) =>
  number(read(`/proc/${pid}/smaps_rollup`), new RegExp(`^${name}:\\s+(\\d+)`, 'm'));

/** Time on a processor, in nanoseconds, is the first word. */
export const cpuMsOf = (thread: string) => Number(read(`${thread}/schedstat`).split(' ')[0]) / 1e6;

const wakeupsOf = (thread: string) => number(read(`${thread}/status`), /^voluntary_ctxt_switches:\s+(\d+)/m);

const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);

/** The file that it runs. */
export function programOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** Empty for what is gone. */
export function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
