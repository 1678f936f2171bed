/** What a machine can do to tandem: disks, descriptors, clocks, clients, ports. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { type Fault, inNamespace, local } from './fault.ts';
import { goesOn, lost, mustEnd } from './oracle.ts';
import { descriptorsOf } from './processes.ts';
import { get, hasBeenUp, type RunOptions, recordsOf, untilHealthy } from './run.ts';
import { onTmpfs } from './small-disk.ts';
import { tryPort } from './thief.ts';

/** Of Debian's package libfaketime, wherever this machine's libraries are. */
const faketime = readdirSync('/usr/lib')
  .map((directory) => `/usr/lib/${directory}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

/** The wall clock only: no system sets back its monotonic one. */
const fakeClock = (): Partial<RunOptions> => ({
  prepare: (directory) => writeFileSync(join(directory, 'clock'), '+0'),
  wrapper: (directory) => ['env', `LD_PRELOAD=${faketime}`, `FAKETIME_TIMESTAMP_FILE=${directory}/clock`],
  env: {
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DISABLE_SHM: '1',
  },
});

export const faultsOfSurroundings: readonly Fault[] = [
  // The services' disk is theirs
  {
    name: 'the disk of the data is full',
    forms: inNamespace,
    when: 'up',
    options: () => ({ wrapper: onTmpfs('data', 'size=256k'), scripts: { hub: { dataDir: 'data' } } }),
    async happens(round) {
      round.note('the disk of the data is full');
      await get(round.run.ports.hub, '/fill', 20_000);
      await untilHealthy(round.run);
      await get(round.run.ports.hub, '/free', 20_000);
      return goesOn;
    },
  },
  // B13's neighbour: out of descriptors, probes fail and clients wait; nothing ends for that
  {
    name: 'descriptors run out',
    forms: local,
    when: 'up',
    mixes: true,
    async happens(round) {
      const { run, random } = round;
      const open = descriptorsOf(run.pid).length + random.between(0, 2);
      const ms = random.between(100, 1_500);
      round.note(`${open} descriptors and no more for ${ms} ms`);
      const before = limitDescriptors(run.pid, String(open));
      const clients = Array.from({ length: 10 }, () => get(run.ports.health, '/health', ms));
      await sleep(ms);
      limitDescriptors(run.pid, before);
      await Promise.all(clients);
      await untilHealthy(run);
      return goesOn;
    },
  },
  // Nothing is promised but an end: Node itself needs some
  {
    name: 'few descriptors from the start',
    forms: local,
    when: 'from the start',
    options: (random) => {
      const limit = random.between(10, 40);
      return { wrapper: () => ['prlimit', `--nofile=${limit}:${limit}`] };
    },
    async happens(round) {
      round.losesOutput();
      const { run } = round;
      await until('it is up or has ended', () => run.code !== undefined || hasBeenUp(run), { withinMs: 60_000 });
      round.ends();
      return run.code === undefined ? goesOn : mustEnd({ code: run.code });
    },
  },
  // Time is monotonic everywhere (host/clock)
  {
    name: 'the time of day jumps',
    forms: local,
    when: 'any time',
    options: fakeClock,
    missing: faketime ? undefined : 'the package libfaketime is not installed',
    async happens(round) {
      const { run, random } = round;
      const jumps = Array.from({ length: random.between(2, 6) }, () =>
        random.oneOf(['+365d', '-365d', '+3600', '-3600', '+0', '-20000d', '+61', '+10000d']),
      );
      for (const jump of jumps) {
        round.note(`the time of day is ${jump}`);
        writeFileSync(join(run.directory, 'clock'), jump);
        await sleep(random.between(0, 300));
        await untilHealthy(run);
      }
      const { body } = await get(run.ports.health, '/health');
      const uptime = run.code === undefined ? (JSON.parse(body || '{}')['uptime_seconds'] ?? 0) : 0;
      if (uptime < 0 || uptime > 3_600) throw new Error(`it says that it has been up for ${uptime} s`);
      return goesOn;
    },
  },
  // The socket is one of two places where health is asked, and nothing of it is needed to end
  {
    name: 'the runtime directory is removed',
    forms: local,
    when: 'any time',
    mixes: true,
    async happens(round) {
      const { run } = round;
      const place = join(run.directory, 'run');
      await until('the socket is there', () => existsSync(join(place, 'tandem.sock')) || run.code !== undefined);
      round.note('the runtime directory is removed');
      rmSync(place, { recursive: true, force: true });
      return goesOn;
    },
  },
  // http/connections: the oldest goes
  {
    name: '500 health clients that never read',
    forms: local,
    when: 'up',
    mixes: true,
    async happens(round) {
      const { run, random } = round;
      round.note('500 health clients that never read');
      const clients = Array.from({ length: 500 }, () =>
        neverReading(
          random.chance(0.5)
            ? { host: '127.0.0.1', port: run.ports.health }
            : { path: join(run.directory, 'run/tandem.sock') },
          random.oneOf(['asks', 'begins', 'is silent'] as const),
        ),
      );
      await Promise.all(clients.map(({ connected }) => connected));
      const held = descriptorsOf(run.pid).length;
      if (held > mostHeld) throw new Error(`${held} descriptors are open; allowed: ${mostHeld}`);
      await untilHealthy(run);
      for (const { socket } of clients) socket.destroy();
      return goesOn;
    },
  },
  // B09, B52: a stranger's socket is no readiness; or the service is refused its port, and its own code counts
  {
    name: 'a port thief between look and bind',
    forms: local,
    when: 'any time',
    options: (random) => ({ scripts: { hub: { listenAfterMs: random.between(0, 120) }, gateway: {} } }),
    async happens(round) {
      const { run, random } = round;
      await until(
        'the hub is started',
        () =>
          recordsOf(run).some(({ service, to }) => service === 'hub' && to === 'starting') || run.code !== undefined,
        { withinMs: 60_000 },
      );
      await sleep(random.between(0, 100));
      const thief = await tryPort(run.ports.hub);
      round.note(thief ? 'the thief has the port' : 'the thief was late');
      if (!thief) return goesOn;
      round.ends();
      await until('it has ended', () => run.code !== undefined, { withinMs: 60_000 }).finally(() => thief.close());
      return mustEnd({ code: 69, reason: /^cannot start "hub": port \d+ is held by / }, lost('hub', 98));
    },
  },
];

/** Two places with 128 connections each, and what tandem has besides. */
const mostHeld = 2 * 128 + 100;

/** Sets the soft limit; returns the one before. */
function limitDescriptors(pid: number, limit: string): string {
  try {
    const before = execFileSync('prlimit', [`--pid=${pid}`, '--nofile', '--output=SOFT', '--noheadings'], {
      stdio: 'pipe',
    });
    execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${limit}:`], { stdio: 'pipe' });
    return before.toString().trim();
  } catch {
    return limit; // it has ended
  }
}

function neverReading(
  place: NetConnectOpts,
  how: 'asks' | 'begins' | 'is silent',
): { socket: Socket; connected: Promise<void> } {
  const socket = connect(place);
  socket.pause();
  const connected = new Promise<void>((resolve) => {
    socket
      .on('error', () => resolve())
      .on('connect', () => {
        if (how === 'asks') socket.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
        if (how === 'begins') socket.write('GET /hea');
        resolve();
      });
  });
  return { socket, connected };
}
