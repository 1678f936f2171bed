/** Readers that are slow, deaf or gone, and a log on a disk that is full. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, inNamespace, leaderOf, local, type Round } from './fault.ts';
import { forced, goesOn, lost, mustEnd, stopped } from './oracle.ts';
import { get, kill } from './run.ts';
import { onTmpfs } from './small-disk.ts';

async function burst(round: Round, ms: number, during: () => Promise<unknown> | unknown): Promise<void> {
  const { run } = round;
  await Promise.all([get(run.ports.gateway, '/burst'), get(run.ports.hub, '/burst')]);
  run.stdout.pause();
  await sleep(ms);
  await during();
}

export const faultsOfOutput: readonly Fault[] = [
  // B13: backpressure, nothing is lost
  {
    name: 'nobody reads stdout for a while',
    forms: local,
    when: 'up',
    mixes: true,
    async happens(round) {
      const pauseMs = round.random.between(200, 1_500);
      round.note(`nobody reads stdout for ${pauseMs} ms`);
      await burst(round, pauseMs, () => round.run.stdout.resume());
      await Promise.all([get(round.run.ports.gateway, '/calm', 20_000), get(round.run.ports.hub, '/calm', 20_000)]);
      return goesOn;
    },
  },
  // What it wrote before is waited for, a second at most
  {
    name: 'kill -9 of a service while nobody reads',
    forms: local,
    when: 'up',
    async happens(round) {
      const { run, random } = round;
      const service = random.oneOf(['gateway', 'hub']);
      const laterMs = random.between(0, 200);
      await burst(round, 500, () => {});
      round.note(`kill -9 of ${service}, and ${laterMs} ms later somebody reads`);
      const killedAt = performance.now();
      round.ends();
      kill(leaderOf(run, service) ?? 0, 'SIGKILL');
      await sleep(laterMs);
      run.stdout.resume();
      // Of a machine that is too busy nothing is asked.
      if (performance.now() - killedAt > 500) round.losesOutput();
      return mustEnd(lost(service, 'SIGKILL'));
    },
  },
  {
    name: 'nobody reads at the start',
    forms: local,
    when: 'from the start',
    options: () => ({ scripts: { gateway: { everyMs: 1, linesAtOnce: 40 }, hub: { everyMs: 1, linesAtOnce: 40 } } }),
    async happens(round) {
      const { run, random } = round;
      for (const reader of [run.stdout, run.stderr]) reader.pause();
      const pauseMs = random.between(200, 2_500);
      round.note(`nobody reads for ${pauseMs} ms`);
      await sleep(pauseMs);
      for (const reader of [run.stdout, run.stderr]) reader.resume();
      return goesOn;
    },
  },
  // The budget holds whoever reads. In raw mode a service that is stuck in a write does not hear its TERM.
  {
    name: 'nobody reads, and SIGTERM',
    forms: local,
    when: 'up',
    options: () => ({ env: { TANDEM_STOP_TIMEOUT: '2' } }),
    withinMs: 3_000,
    async happens(round) {
      const { run } = round;
      const isDeafToo = round.random.chance(0.5);
      round.losesOutput();
      await burst(round, 600, () => {});
      if (isDeafToo) {
        run.stderr.pause();
        round.losesWords();
      }
      round.note(`nobody reads stdout${isDeafToo ? ' and stderr' : ''}, and SIGTERM`);
      round.ends();
      run.signal('SIGTERM');
      return mustEnd(stopped, forced);
    },
  },
  // B13: a reader that goes away ends neither tandem nor a service
  {
    name: 'the reader goes away',
    forms: local,
    when: 'up',
    async happens(round) {
      const { run, random } = round;
      const which = random.oneOf(['stdout', 'stderr'] as const);
      round.note(`the reader of ${which} goes away`);
      if (which === 'stdout') round.losesOutput();
      else round.losesWords();
      run[which].close();
      await sleep(random.between(0, 200));
      return goesOn;
    },
  },
  {
    name: 'started without stdout or stderr',
    forms: local,
    when: 'up',
    options: (random) => ({ wrapper: () => ['sh', '-c', `exec "$@" ${random.oneOf(['>&-', '<&- >&-'])}`, 'sh'] }),
    async happens(round) {
      round.losesOutput();
      return goesOn;
    },
  },
  // output-sink: a full disk may have room again later; nobody ends for a log
  {
    name: 'the disk of the log is full',
    forms: inNamespace,
    when: 'up',
    options: () => ({ wrapper: onTmpfs('log', 'size=16k', `exec "$@" >"$E2E_DIR/log/out"`), env: {} }),
    async happens(round) {
      round.losesOutput();
      round.note('the disk of stdout is full');
      await Promise.all([get(round.run.ports.gateway, '/burst'), get(round.run.ports.hub, '/burst')]);
      await sleep(300);
      return goesOn;
    },
  },
];
