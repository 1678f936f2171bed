/**
 * How many workers a server gets where nobody said: what the CPU can feed, bounded by what the memory can hold. Pure;
 * what the container really grants is found out in `host/` and handed in.
 */

/** What the container grants. */
export interface Resources {
  /** CPUs, also fractions of one. */
  readonly cpus: number;
  /** Absent: no limit is set. */
  readonly memoryLimitBytes?: number | undefined;
}

export interface WorkerWishes {
  readonly resources: Resources;
  readonly workerMemoryBytes: number;
  /** How many services share the memory because nobody set their number of workers. */
  readonly autoSizedServices: number;
}

export interface WorkerCount {
  readonly count: number;
  /** Where the number comes from, in a few words. */
  readonly reason: string;
}

/** For tandem and the servers' own masters. */
const reservedBytes = 64 * 2 ** 20;

/**
 * `min(ceil(2 * CPU + 1), floor((memory - 64 MiB) / worker memory / services))`, at least 1 (gunicorn's own formula,
 * bounded by the memory limit where there is one).
 */
export function autoWorkers({ resources, workerMemoryBytes, autoSizedServices }: WorkerWishes): WorkerCount {
  const { cpus, memoryLimitBytes } = resources;
  const byCpu = { count: Math.ceil(2 * cpus + 1), reason: `2 * ${cpus} CPUs + 1` };
  if (memoryLimitBytes === undefined) return byCpu;
  const fitting = Math.floor((memoryLimitBytes - reservedBytes) / workerMemoryBytes / autoSizedServices);
  if (fitting >= byCpu.count) return byCpu;
  return {
    count: Math.max(1, fitting),
    reason: `${mib(memoryLimitBytes)} of memory, ${mib(workerMemoryBytes)} a worker`,
  };
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
