/**
 * What this container may use: CPUs and memory, as its cgroups grant them (v1, v2, and both side by side). Node itself
 * obeys a cpuset but no CPU quota. Limits are inherited, so every level from our own group up to the visible root is
 * asked and the smallest counts. Nothing is read before it is called. Format: cgroup-v2.rst and cgroup-v1/ of the kernel.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path/posix';

export interface CgroupLimits {
  /** May be a fraction. */
  readonly cpus: number;
  /** The file that the number comes from, or `available processors`. */
  readonly cpuSource: string;
  /** Absent: no limit is set. */
  readonly memoryLimitBytes?: number;
  /** The file that the number comes from, or `no limit`. */
  readonly memorySource: string;
}

interface Limit {
  readonly value: number;
  readonly source: string;
}

/** Reads one file of a group; `undefined` if it is not there. */
type ReadFile = (path: string) => string | undefined;

/** cgroup v1 says "unlimited" by the largest multiple of the page size; nobody sets a pebibyte. */
const unlimitedBytes = 2 ** 50;

/**
 * Reads the limits of this process.
 * @param root where the file system is; another place in tests
 */
export function readCgroup(root = '/'): CgroupLimits {
  const read = readerOf(root);
  const processors: Limit = { value: availableParallelism(), source: 'available processors' };
  const cpu = smallest([processors, ...limitsOf('cpu', read)]) ?? processors;
  const memory = smallest(limitsOf('memory', read));
  return {
    cpus: cpu.value,
    cpuSource: cpu.source,
    ...(memory && { memoryLimitBytes: memory.value }),
    memorySource: memory?.source ?? 'no limit',
  };
}

function readerOf(root: string): ReadFile {
  return (path) => {
    try {
      return readFileSync(join(root, path), 'utf8').trim();
    } catch {
      return undefined;
    }
  };
}

/** The first of the smallest. */
function smallest(limits: readonly Limit[]): Limit | undefined {
  return limits.reduce<Limit | undefined>(
    (least, next) => (least && least.value <= next.value ? least : next),
    undefined,
  );
}

type Controller = 'cpu' | 'memory';

/** Per version of cgroup and controller: the limits that one group's directory states. */
const readers = {
  v1: { cpu: quotaV1, memory: memoryV1 },
  v2: { cpu: quotaV2, memory: memoryV2 },
} as const satisfies Record<string, Record<Controller, (directory: string, read: ReadFile) => Limit[]>>;

function limitsOf(controller: Controller, read: ReadFile): Limit[] {
  return groupsOf(controller, read).flatMap(({ version, directory }) => readers[version][controller](directory, read));
}

/** `cpu.max`: quota and period in microseconds, or `max`. */
function quotaV2(directory: string, read: ReadFile): Limit[] {
  const source = join(directory, 'cpu.max');
  const [quota, period] = (read(source) ?? '').split(' ').map(Number);
  return quotaLimit(quota, period, source);
}

/** Two files; a quota of -1 is none. */
function quotaV1(directory: string, read: ReadFile): Limit[] {
  const source = join(directory, 'cpu.cfs_quota_us');
  return quotaLimit(Number(read(source)), Number(read(join(directory, 'cpu.cfs_period_us'))), source);
}

function quotaLimit(quota = Number.NaN, period = Number.NaN, source: string): Limit[] {
  return quota > 0 && period > 0 ? [{ value: quota / period, source }] : [];
}

function memoryV2(directory: string, read: ReadFile): Limit[] {
  return memoryLimit(read(join(directory, 'memory.max')), join(directory, 'memory.max'));
}

/** The reservation (`memory.soft_limit_in_bytes`) is no limit. Levels above a container show only in `memory.stat`. */
function memoryV1(directory: string, read: ReadFile): Limit[] {
  const own = join(directory, 'memory.limit_in_bytes');
  const stat = join(directory, 'memory.stat');
  const inherited = /^hierarchical_memory_limit (\d+)$/m.exec(read(stat) ?? '')?.[1];
  return [...memoryLimit(read(own), own), ...memoryLimit(inherited, stat)];
}

function memoryLimit(text: string | undefined, source: string): Limit[] {
  const value = Number(text);
  return value > 0 && value < unlimitedBytes ? [{ value, source }] : [];
}

interface Group {
  readonly version: 'v1' | 'v2';
  readonly directory: string;
}

/** Our own group of a controller and those above it, as far as they are mounted here. */
function groupsOf(controller: Controller, read: ReadFile): Group[] {
  const paths = ownPaths(read('/proc/self/cgroup') ?? '');
  return mountsIn(read('/proc/self/mountinfo') ?? '').flatMap(({ version, controllers, root, mountPoint }) => {
    if (version === 'v1' && !controllers.includes(controller)) return [];
    const path = paths.get(version === 'v1' ? controller : '');
    if (path === undefined) return [];
    return levels(within(root, path)).map((level) => ({ version, directory: join(mountPoint, level) }));
  });
}

/** Our path per v1 controller, and under the empty name in v2. */
function ownPaths(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers = '', ...path] = line.split(':');
    for (const controller of controllers.split(',')) paths.set(controller, path.join(':'));
  }
  return paths;
}

interface Mount {
  readonly version: 'v1' | 'v2';
  /** Of v1; in v2 all are in one place. */
  readonly controllers: readonly string[];
  /** The group that is seen at the mount point: in a container often its own. */
  readonly root: string;
  readonly mountPoint: string;
}

/** proc_pid_mountinfo(5): `id parent device root mountpoint options … - type source options`. */
function mountsIn(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [mount = '', fileSystem = ''] = line.split(' - ');
    const [, , , root = '/', mountPoint = '/'] = mount.split(' ');
    const [type, , options = ''] = fileSystem.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    return [{ version: type === 'cgroup' ? 'v1' : 'v2', controllers: options.split(','), root, mountPoint }];
  });
}

/** The path below the mount's root. A path that is not below it belongs to another view of the tree: take the mount itself. */
function within(root: string, path: string): string {
  if (root === '/') return path.startsWith('/..') ? '/' : path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) || '/' : '/';
}

/** `/a/b` -> `/a/b`, `/a`, `/`. */
function levels(path: string): string[] {
  return path === '/' || !path.startsWith('/') ? ['/'] : [path, ...levels(dirname(path))];
}
