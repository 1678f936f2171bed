/** Services that are picked up again, and a health check that is a command. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { type Fault, leaderOf, local } from './fault.ts';
import { goesOn, lost, mustEnd, stopped } from './oracle.ts';
import type { Random } from './random.ts';
import { kill, seenOf } from './run.ts';
import { type Ports, serviceWords } from './scene.ts';
import { stealPort } from './thief.ts';

/** Services with restarts, and a health check that is a command and leaves children behind. */
const restartingYaml =
  (random: Random) =>
  ([gateway, hub]: Ports) => {
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

/** Generous, so that a busy machine loses none. */
const liveness = { http: '/health', interval: '200ms', timeout: '2s', retries: 2 };

/** The same stack with other words for each service. */
const changed =
  (yaml: (ports: Ports) => string, words: object) =>
  (ports: Ports): string => {
    const stack = JSON.parse(yaml(ports));
    for (const service of Object.values<object>(stack.services)) Object.assign(service, words);
    return JSON.stringify(stack);
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
  // B61: only a service with liveness is brought down for its health; by its policy it is then started again
  {
    name: 'SIGSTOP of a service with liveness and restarts',
    forms: local,
    when: 'up',
    options: (random) => ({ yaml: changed(restartingYaml(random), { liveness }) }),
    async happens(round) {
      const { run } = round;
      const service = round.random.oneOf(['gateway', 'hub']);
      const before = leaderOf(run, service);
      round.note(`SIGSTOP of ${service}, which has liveness`);
      kill(before ?? 0, 'SIGSTOP');
      await until(
        'another one runs',
        () => run.code !== undefined || ![undefined, before].includes(leaderOf(run, service)),
        { withinMs: 60_000, everyMs: 20 },
      );
      return goesOn;
    },
  },
  // README "Exit codes": liveness lost is 69
  {
    name: 'SIGSTOP of a service with liveness alone',
    forms: local,
    when: 'up',
    options: (random) => ({ yaml: changed(restartingYaml(random), { liveness, restart: 'no' }) }),
    async happens(round) {
      const service = round.random.oneOf(['gateway', 'hub']);
      round.note(`SIGSTOP of ${service}, which has liveness`);
      kill(leaderOf(round.run, service) ?? 0, 'SIGSTOP');
      await until('it has ended', () => round.run.code !== undefined, { withinMs: 60_000 });
      return mustEnd({ code: 69, reason: new RegExp(`^"${service}" is unhealthy: `) });
    },
  },
  // B09: before each start somebody else's port is looked for
  {
    name: 'a port thief while a service waits to be restarted',
    forms: local,
    when: 'up',
    options: (random) => ({
      yaml: changed(restartingYaml(random), { restart: { condition: 'always', delay: '300ms' } }),
    }),
    async happens(round) {
      const { run } = round;
      kill(leaderOf(run, 'hub') ?? 0, 'SIGKILL');
      const thief = await stealPort(run.ports.hub, () => run.code !== undefined);
      round.note(thief ? 'kill -9 of the hub, and the thief has its port' : 'kill -9 of the hub, the thief was late');
      if (!thief) return goesOn;
      round.ends();
      await until('it has ended', () => run.code !== undefined, { withinMs: 60_000 }).finally(() => thief.close());
      return mustEnd({ code: 69, reason: /^cannot start "hub": port \d+ is held by / }, lost('hub', 98));
    },
  },
  // A stop while one waits to be started again
  {
    name: 'SIGTERM while a service waits to be restarted',
    forms: local,
    when: 'up',
    options: (random) => ({
      yaml: changed(restartingYaml(random), { restart: { condition: 'always', delay: '2s', max_delay: '10s' } }),
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
