/** Many services at once: how they are started, and when all of them were there and gone. */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, eventsIn, now, type Started } from '../bench.ts';
import type { Child, Launch } from '../peers/peer.ts';

/** A look at the journal costs the machine's time, and the times are in the journal. */
const lookMs = 20;
const patienceMs = 30_000;

/** The log of who writes one to stderr. */
const logIn = (directory: string) => join(directory, 'log');

export interface Crowd {
  readonly started: Started;
  /** From the exec of the supervisor until all listen, in ms. */
  readonly upMs: number;
  /** The same, until the supervisor knows that, where it tells. */
  readonly knownMs: number | undefined;
  /** Asks the supervisor to stop. @returns how long it takes until it and all children are gone, in ms */
  stop(): Promise<number>;
}

/** Starts so many services, each on a port of its own, and waits until all listen. */
export async function startCrowd(
  bench: Bench,
  size: number,
  way: (children: readonly Child[], directory: string) => Launch,
  { tellsReady = false } = {},
): Promise<Crowd> {
  const directory = bench.directory();
  const events = eventsIn(directory);
  const children = (await freePorts(size)).map((port) => bench.child(`s${port}`, events, { port }));
  const launch = way(children, directory);
  // The shell is gone when what is measured runs: it costs a millisecond, and only him who has a log.
  const words = tellsReady ? ['/bin/sh', '-c', 'exec "$0" "$@" 2> log', ...launch.words] : launch.words;
  const wallClock = Date.now() - now();
  const started = bench.start({ ...launch, words }, directory);
  const upAt = await all(events, 'listen', size);
  const knownAt = tellsReady ? (await everythingUp(logIn(directory))) - wallClock : undefined;
  return {
    started,
    upMs: upAt - started.startedAt,
    knownMs: knownAt && knownAt - started.startedAt,
    async stop() {
      const tookMs = await started.stop();
      const endedAt = await started.ended;
      const lastAt = await all(events, 'term', size);
      return Math.max(tookMs, tookMs + lastAt - endedAt);
    },
  };
}

/** When the last of so many children did this. */
async function all(events: string, kind: 'listen' | 'term', count: number): Promise<number> {
  for (const deadline = now() + patienceMs; ; await sleep(lookMs)) {
    const times = readFileSync(events, 'latin1')
      .split('\n')
      .filter((line) => line.includes(` ${kind} `))
      .map((line) => Number(line.split(' ')[2]) / 1e6);
    if (times.length === count) return Math.max(...times);
    if (now() > deadline) throw new Error(`${times.length} of ${count} did ${kind} within ${patienceMs / 1000} s`);
  }
}

/** When tandem wrote, by its own log, that everything is up: wall time, in ms. */
async function everythingUp(log: string): Promise<number> {
  for (const deadline = now() + patienceMs; ; await sleep(lookMs)) {
    const line = readFileSync(log, 'utf8')
      .split('\n')
      .find((one) => one.includes('"everything is up"'));
    if (line !== undefined) return (JSON.parse(line) as { time: number }).time;
    if (now() > deadline) throw new Error(`did not say that everything is up within ${patienceMs / 1000} s`);
  }
}

/** Ports that nobody held a moment ago, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(createServer())));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listen(server: Server): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', () => resolve(server));
  });
}
