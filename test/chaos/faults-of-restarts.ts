/** Services that are picked up again, and a health check that is a command. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, leaderOf, local } from './fault.ts';
import { goesOn, mustEnd, stopped } from './oracle.ts';
import type { Random } from './random.ts';
import { kill, seenOf } from './run.ts';
import { serviceWords } from './scene.ts';

/** Services with restarts, and a health check that is a command and leaves children behind. */
const restartingYaml =
  (random: Random) =>
  ([gateway, hub]: readonly [number, number, number]) => {
    const service = (name: string, port: number, more: object) => ({
      command: serviceWords(name, { workers: 1 }),
      environment: { HOST: '127.0.0.1', PORT: String(port) },
      ready: { port },
      restart: { condition: 'always', delay: '10ms', max_delay: '50ms', max_restarts: 1_000, window: '1m' },
      ...more,
    });
    const test = ['CMD', 'sh', '-c', `(sleep 0.0${random.between(1, 9)} &) ; sleep 0.01 & exit 0`];
    return JSON.stringify({
      services: {
        gateway: service('gateway', gateway, { healthcheck: { test, interval: '50ms', timeout: '2s', retries: 5 } }),
        hub: service('hub', hub, {
          healthcheck: { http: '/health' },
          depends_on: { gateway: { condition: 'service_healthy' } },
        }),
      },
    });
  };

export const faultsOfRestarts: readonly Fault[] = [
  // restart: always, and the others go on meanwhile
  {
    name: 'kill -9 of services that are restarted',
    forms: local,
    when: 'up',
    options: (random) => ({ yaml: restartingYaml(random) }),
    async happens(round) {
      const { run, random } = round;
      for (let left = random.between(1, 6); left > 0; left -= 1) {
        const service = random.oneOf(['gateway', 'hub']);
        round.note(`kill -9 of ${service}`);
        kill(leaderOf(run, service) ?? 0, 'SIGKILL');
        await sleep(random.between(0, 150));
      }
      return goesOn;
    },
  },
  // the probe's failure is one failure; B50: what a check leaves behind is reaped, and killed with its group
  {
    name: "kill -9 of the health check's children",
    forms: local,
    when: 'up',
    options: (random) => ({ yaml: restartingYaml(random) }),
    async happens(round) {
      const { run, random } = round;
      round.note("kill -9 of the health check's children for a second");
      const end = performance.now() + 1_000;
      while (performance.now() < end) {
        for (const { role, pid, words } of seenOf(run)) {
          if (role === 'probe' || words[0] === 'sleep') kill(pid, 'SIGKILL');
        }
        await sleep(random.between(5, 60));
      }
      return goesOn;
    },
  },
  // B02's end of the table: 127, found out when it is started again
  {
    name: 'the binary is deleted before a restart',
    forms: local,
    when: 'up',
    options: (random) => ({
      yaml: (ports) => {
        const stack = JSON.parse(restartingYaml(random)(ports));
        stack.services.gateway.command[0] = './copy-of-node';
        return JSON.stringify(stack);
      },
      prepare: (directory) => {
        const lines = ['#!/bin/sh', `exec ${process.execPath} "$@"`, ''];
        writeFileSync(join(directory, 'copy-of-node'), lines.join('\n'), { mode: 0o755 });
      },
    }),
    async happens(round) {
      const { run } = round;
      round.note('the binary is deleted, kill -9 of the gateway');
      unlinkSync(join(run.directory, 'copy-of-node'));
      round.ends();
      kill(leaderOf(run, 'gateway') ?? 0, 'SIGKILL');
      return mustEnd({ code: 127, reason: /^cannot start "gateway": .*copy-of-node/ });
    },
  },
  // A stop while one waits to be started again
  {
    name: 'SIGTERM while a service waits to be restarted',
    forms: local,
    when: 'up',
    options: (random) => ({
      yaml: (ports) => {
        const stack = JSON.parse(restartingYaml(random)(ports));
        for (const service of ['gateway', 'hub'])
          Object.assign(stack.services[service].restart, { delay: '2s', max_delay: '10s' });
        return JSON.stringify(stack);
      },
    }),
    async happens(round) {
      const { run, random } = round;
      kill(leaderOf(run, random.oneOf(['gateway', 'hub'])) ?? 0, 'SIGKILL');
      await sleep(random.between(0, 30));
      round.note('kill -9, and SIGTERM');
      round.ends();
      run.signal('SIGTERM');
      return mustEnd(stopped);
    },
  },
];
