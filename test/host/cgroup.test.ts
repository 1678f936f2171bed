import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { readCgroup } from '../../src/host/cgroup.ts';

/** A file system that holds just these files. */
function fakeRoot(t: Test, files: Readonly<Record<string, string>>): string {
  const root = t.testdir({});
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}

const MiB = 2 ** 20;
const unlimitedV1 = '9223372036854771712';
const all = availableParallelism();

const mountV2 = (root = '/') => `30 23 0:26 ${root} /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup rw,nsdelegate`;
const mountV1 = (root = '/') =>
  ['cpu,cpuacct', 'memory']
    .map((name, i) => `3${i} 23 0:2${i} ${root} /sys/fs/cgroup/${name} rw,nosuid - cgroup cgroup rw,${name}`)
    .join('\n');

interface Cell {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  readonly cpus?: number;
  readonly cpuSource?: string;
  readonly memory?: number;
  readonly memorySource?: string;
}

const cells: readonly Cell[] = [
  { title: 'no cgroup at all: the processors, no limit', files: {} },
  {
    title: 'v2, container in its own namespace: quota and limit at the mount',
    files: {
      'proc/self/cgroup': '0::/',
      'proc/self/mountinfo': mountV2(),
      'sys/fs/cgroup/cpu.max': '50000 100000',
      'sys/fs/cgroup/memory.max': `${256 * MiB}`,
    },
    cpus: 0.5,
    cpuSource: '/sys/fs/cgroup/cpu.max',
    memory: 256 * MiB,
    memorySource: '/sys/fs/cgroup/memory.max',
  },
  {
    title: 'v2, "max" is no limit',
    files: {
      'proc/self/cgroup': '0::/',
      'proc/self/mountinfo': mountV2(),
      'sys/fs/cgroup/cpu.max': 'max 100000',
      'sys/fs/cgroup/memory.max': 'max',
    },
  },
  {
    title: 'v2, nested: the smallest from the own group to the root counts',
    files: {
      'proc/self/cgroup': '0::/pod/box',
      'proc/self/mountinfo': mountV2(),
      'sys/fs/cgroup/pod/box/cpu.max': '80000 100000',
      'sys/fs/cgroup/pod/cpu.max': '25000 100000',
      'sys/fs/cgroup/pod/box/memory.max': `${64 * MiB}`,
      'sys/fs/cgroup/pod/memory.max': `${512 * MiB}`,
    },
    cpus: 0.25,
    cpuSource: '/sys/fs/cgroup/pod/cpu.max',
    memory: 64 * MiB,
    memorySource: '/sys/fs/cgroup/pod/box/memory.max',
  },
  {
    title: 'v2, a group that is not ours does not count',
    files: {
      'proc/self/cgroup': '0::/ours',
      'proc/self/mountinfo': mountV2(),
      'sys/fs/cgroup/theirs/cpu.max': '1000 100000',
      'sys/fs/cgroup/ours/cpu.max': 'max 100000',
    },
  },
  {
    title: 'v1, namespace of the host and only the own group mounted',
    files: {
      'proc/self/cgroup':
        '5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/system.slice',
      'proc/self/mountinfo': mountV1('/docker/abc'),
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '150000',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '300000',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${100 * MiB}`,
    },
    cpus: 0.5,
    cpuSource: '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us',
    memory: 100 * MiB,
    memorySource: '/sys/fs/cgroup/memory/memory.limit_in_bytes',
  },
  {
    title: 'v1, a path of the host that is not mounted here: the mount itself',
    files: {
      'proc/self/cgroup': '4:cpu,cpuacct:/docker/abc',
      'proc/self/mountinfo': mountV1(),
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
    },
    cpus: 0.5,
    cpuSource: '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us',
  },
  {
    title: 'v1, -1 and the huge value are no limits, and a reservation is none',
    files: {
      'proc/self/cgroup': '5:memory:/\n4:cpu,cpuacct:/',
      'proc/self/mountinfo': mountV1(),
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': unlimitedV1,
      'sys/fs/cgroup/memory/memory.soft_limit_in_bytes': `${8 * MiB}`,
      'sys/fs/cgroup/memory/memory.stat': `cache 0\nhierarchical_memory_limit ${unlimitedV1}\nrss 0`,
    },
  },
  {
    title: 'v1, a limit set above what is mounted shows in memory.stat',
    files: {
      'proc/self/cgroup': '5:memory:/',
      'proc/self/mountinfo': mountV1(),
      'sys/fs/cgroup/memory/memory.limit_in_bytes': unlimitedV1,
      'sys/fs/cgroup/memory/memory.stat': `cache 0\nhierarchical_memory_limit ${32 * MiB}\nrss 0`,
    },
    memory: 32 * MiB,
    memorySource: '/sys/fs/cgroup/memory/memory.stat',
  },
  {
    title: 'v1 and v2 side by side: each controller where it is',
    files: {
      'proc/self/cgroup': '5:memory:/a\n0::/b',
      'proc/self/mountinfo': `${mountV1()}\n40 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`,
      'sys/fs/cgroup/memory/a/memory.limit_in_bytes': `${16 * MiB}`,
      'sys/fs/cgroup/unified/b/cpu.max': '10000 100000',
    },
    cpus: 0.1,
    cpuSource: '/sys/fs/cgroup/unified/b/cpu.max',
    memory: 16 * MiB,
    memorySource: '/sys/fs/cgroup/memory/a/memory.limit_in_bytes',
  },
  {
    title: 'a quota above the processors grants no more than there are',
    files: {
      'proc/self/cgroup': '0::/',
      'proc/self/mountinfo': mountV2(),
      'sys/fs/cgroup/cpu.max': '100000000 100000',
    },
  },
  {
    title: 'garbage is no limit',
    files: {
      'proc/self/cgroup': 'what\n0::nonsense/..',
      'proc/self/mountinfo': `x\n${mountV2('/../..')}`,
      'sys/fs/cgroup/cpu.max': '',
      'sys/fs/cgroup/memory.max': 'much',
    },
  },
];

for (const cell of cells) {
  t.test(`B54 ${cell.title}`, async (t) => {
    t.strictSame(readCgroup(fakeRoot(t, cell.files)), {
      cpus: cell.cpus ?? all,
      cpuSource: cell.cpuSource ?? 'available processors',
      ...(cell.memory !== undefined && { memoryLimitBytes: cell.memory }),
      memorySource: cell.memorySource ?? 'no limit',
    });
  });
}

t.test('B54 a cpuset is obeyed', { skip: process.platform !== 'linux' && 'needs taskset' }, async (t) => {
  const script = `console.log(require(${JSON.stringify(resolve('src/host/cgroup.ts'))}).readCgroup('/nowhere').cpus)`;
  const cpus = execFileSync('taskset', ['-c', '0', process.execPath, '--import=tsx', '-e', script], {
    encoding: 'utf8',
  });
  t.equal(cpus.trim(), '1');
});

t.test('B54 the real machine answers', async (t) => {
  const { cpus } = readCgroup();
  t.ok(cpus > 0 && cpus <= all);
});
