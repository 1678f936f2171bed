/** What needs a container: its limits, and what an operator does to it. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { docker } from '../container/engine.ts';
import { until } from '../support/until.ts';
import { type Fault, killAny, type Round } from './fault.ts';
import { goesOn, lost, mustEnd, stopped, type Verdict } from './oracle.ts';
import { get, type Run, untilHealthy } from './run.ts';

const inContainer = ({ container = '' }: Run) => container;

/** Docker itself kills what takes longer than its ten seconds. */
export async function dockerStop(round: Round): Promise<Verdict> {
  round.note('docker stop');
  round.ends();
  await docker(['stop', inContainer(round.run)]);
  return mustEnd(stopped);
}

export const faultsOfContainers: readonly Fault[] = [
  { name: 'container: kill -9 of any process', forms: ['container'], when: 'any time', happens: killAny },
  // B12, README "Limits": at every moment
  {
    name: 'container: docker stop in each phase',
    forms: ['container'],
    when: 'any time',
    options: (random) => ({
      scripts: {
        migrations: { endsAfterMs: random.between(50, 400) },
        gateway: { listenAfterMs: random.between(0, 300), answerAfterMs: random.between(0, 500) },
        hub: { listenAfterMs: random.between(0, 300), stopsAfterMs: random.between(0, 300) },
      },
    }),
    happens: dockerStop,
  },
  // B11: all of them at once; the first to be noticed decides
  {
    name: 'container: kill -9 -1',
    forms: ['container'],
    when: 'up',
    async happens(round) {
      round.note('docker exec kill -9 -1');
      round.ends();
      await docker(['exec', inContainer(round.run), 'sh', '-c', 'kill -9 -1']);
      return mustEnd(lost('gateway', 'SIGKILL'), lost('hub', 'SIGKILL'));
    },
  },
  // A frozen time is lost time, no failure
  {
    name: 'container: docker pause',
    forms: ['container'],
    when: 'any time',
    async happens(round) {
      const ms = round.random.between(100, 4_000);
      round.note(`docker pause for ${ms} ms`);
      await docker(['pause', inContainer(round.run)]);
      await sleep(ms);
      await docker(['unpause', inContainer(round.run)]);
      return goesOn;
    },
  },
  // Its group, or the last sweep, ends the bomb; the hub itself hears its TERM
  {
    name: 'container: a fork bomb',
    forms: ['container'],
    when: 'up',
    options: () => ({ engine: ['--pids-limit=90'] }),
    async happens(round) {
      const { run, random } = round;
      const session = random.oneOf(['0', '1']);
      round.note(`a fork bomb${session === '1' ? ' in a session of its own' : ''}`);
      await get(run.ports.hub, `/bomb?session=${session}`);
      await sleep(random.between(300, 2_000));
      return dockerStop(round);
    },
  },
  // B11 for the leader; a child is the service's own affair
  {
    name: 'container: out of memory',
    forms: ['container'],
    when: 'up',
    options: () => ({ engine: ['--memory=320m', '--memory-swap=320m'] }),
    async happens(round) {
      const { run, random } = round;
      const who = random.oneOf(['child', 'itself']);
      const before = oomKills(run);
      round.note(`the hub's memory is eaten by ${who === 'child' ? 'its child' : 'itself'}`);
      round.ends();
      void get(run.ports.hub, `/eat?who=${who}`, 60_000);
      if (who === 'itself') return mustEnd(lost('hub', 'SIGKILL'));
      await until('the child is killed', () => oomKills(run) > before || run.code !== undefined, { withinMs: 60_000 });
      return goesOn;
    },
  },
  {
    name: 'container: the disk of the data is full',
    forms: ['container'],
    when: 'up',
    options: () => ({ engine: ['--tmpfs=/app/data:size=256k,uid=1000'], scripts: { hub: { dataDir: '/app/data' } } }),
    async happens(round) {
      round.note('/app/data is full');
      await get(round.run.ports.hub, '/fill', 20_000);
      await untilHealthy(round.run);
      return goesOn;
    },
  },
  // B50: HEALTHCHECK children that outlive their shell
  {
    name: 'container: health checks that leave children behind',
    forms: ['container'],
    when: 'up',
    async happens(round) {
      round.note('10 x docker exec of a check that leaves a child behind');
      const check = ['exec', inContainer(round.run), 'sh', '-c', 'sleep 0.1 & (sleep 0.2 &) ; exit 0'];
      await Promise.all(Array.from({ length: 10 }, () => docker(check)));
      return goesOn;
    },
  },
];

/** What the kernel counts for the cgroup of a process, in version 1 and 2; every kill by it. */
function oomKills(run: Run): number {
  try {
    const cgroups = readFileSync(`/proc/${run.pid}/cgroup`, 'latin1');
    const [, v1] = /^\d+:memory:(.*)$/m.exec(cgroups) ?? [];
    const [, v2] = /^0::(.*)$/m.exec(cgroups) ?? [];
    const file =
      v1 === undefined ? `/sys/fs/cgroup${v2}/memory.events` : `/sys/fs/cgroup/memory${v1}/memory.oom_control`;
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
