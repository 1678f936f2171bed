/**
 * A long day in short: orphans, health checks and restarts by the thousand under the real PID 1, and afterwards it is as it
 * was after its first minute. TANDEM_SOAK_MINUTES is how long it lasts (2.5); what comes is spread over that time, so that a
 * longer run shows what a faster one would hide. Printed are the figures.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { childrenOf, isZombie } from '../fixtures/e2e-cmd-run.ts';
import { freePorts, makeDirectory } from '../fixtures/e2e-run-pair.ts';
import { takeCensus } from '../support/census.ts';
import { node, type Running, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const minutes = Number(process.env['TANDEM_SOAK_MINUTES'] ?? 2.5);
const wanted = { orphans: 10_000, checks: 10_000, restarts: 1_000 };

/** From here on nothing may grow. */
const warmUpMs = 60_000;
/** The rest of the time, without a few seconds for what is last. */
const spreadMs = Math.max(minutes * 60_000 - 10_000, warmUpMs + 30_000);
const grownAtMost = 1.1;
/** Of each kind, after thousands came and went. */
const livingAtMost = 500;
/** On a busy machine a look comes late; a zombie that stays is seen again and again. */
const oldestZombieAllowedMs = 2_000;

const server = `
require('node:http').createServer((request, response) => response.end('{"status":"ok"}')).listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;

/** In tens, each of which ends after the subshell that began it. */
function orphanage(count: number, withinMs: number): string {
  const pause = (withinMs / 1000 / (count / 10)).toFixed(3);
  return `i=0; while [ $$i -lt ${count / 10} ]; do for n in 1 2 3 4 5 6 7 8 9 0; do (: &); done; sleep ${pause}; i=$$((i+1)); done; echo "all orphans came"; exec sleep 86400`;
}

function stack(port: number): string {
  const livesMs = (spreadMs / wanted.restarts) * 0.7;
  return `
services:
  server:
    command: [${JSON.stringify(node)}, server.cjs]
    environment: {PORT: "${port}"}
    ready: ${port}
    healthcheck: {http: /health, interval: 1s}
    liveness: {http: /health, interval: 1s}
  orphans:
    command: ["sh", "-c", ${JSON.stringify(orphanage(wanted.orphans, spreadMs))}]
    depends_on: [server]
  fleeting:
    command: ["sh", "-c", "echo here I am; sleep ${(livesMs / 1000).toFixed(3)}"]
    essential: false
    restart: {condition: always, delay: 1ms, max_delay: 10ms, max_restarts: ${wanted.restarts}, window: 10s}
    depends_on: [server]
`;
}

test('B50 as PID 1: thousands of orphans, health checks and restarts leave nothing behind', async (t) => {
  const [healthPort = 0, port = 0] = await freePorts(2);
  const cwd = makeDirectory(t);
  writeFileSync(join(cwd, 'tandem.yaml'), stack(port));
  writeFileSync(join(cwd, 'server.cjs'), server);
  const running = runTandem(t, ['run'], {
    cwd,
    asInit: true,
    program: join(import.meta.dirname, 'watched.cjs'),
    env: {
      TANDEM_HEALTH_PORT: String(healthPort),
      TANDEM_RUNTIME_DIR: makeDirectory(t),
      TANDEM_LOG_FORMAT: 'json',
      SOAK_WINDOW: join(cwd, 'window'),
    },
  });
  const pid = await running.pid();
  const startedAt = performance.now();
  await running.record({ service: 'orphans', to: 'ready' });

  const census = takeCensus(pid);
  const checks = checkHealth(healthPort, wanted.checks, spreadMs);
  await sleep(warmUpMs - (performance.now() - startedAt));
  await living(join(cwd, 'window'));
  const warm = await size(pid);
  const answers = await checks;
  await until('all orphans came', () => running.stdout.includes('all orphans came'), { withinMs: spreadMs });
  await until('it was restarted often enough', () => restartsOf(running) >= wanted.restarts, { withinMs: spreadMs });
  const objects = await living(join(cwd, 'window'));
  const end = await size(pid);
  census.stop();

  const afterwards = `${Math.round((performance.now() - startedAt) / 1000)} s`;
  t.comment(`RSS after ${warmUpMs / 1000} s ${warm.rssKb} KB, after ${afterwards} ${end.rssKb} KB`);
  t.comment(
    `${restartsOf(running)} restarts, oldest zombie ${Math.round(census.oldestZombieMs)} ms, slowest check ${Math.round(answers.slowestMs)} ms`,
  );
  // Between two lives of the restarted service the answer is 503, and rightly so.
  const { 200: well = 0, 503: ill = 0, ...others } = answers.codes;
  t.strictSame(others, {}, 'every health check was answered');
  t.comment(`${well} health checks said 200, ${ill} said 503`);
  t.equal(well + ill, wanted.checks);
  t.ok(end.rssKb <= warm.rssKb * grownAtMost, `RSS ${end.rssKb} KB is at most ${grownAtMost} x ${warm.rssKb} KB`);
  t.ok(
    census.oldestZombieMs < oldestZombieAllowedMs,
    `the oldest zombie was ${Math.round(census.oldestZombieMs)} ms old`,
  );
  await t.resolves(until('no zombie is left', () => !childrenOf(pid).some(isZombie)));
  await t.resolves(
    until('no descriptor is left', () => descriptorsOf(pid) <= warm.descriptors),
    `of ${warm.descriptors}`,
  );
  t.comment(`living objects: ${JSON.stringify(objects)}`);
  for (const [kind, count] of Object.entries(objects)) t.ok(count < livingAtMost, `${count} objects of ${kind} live`);

  await running.signal('SIGTERM');
  t.equal((await running.exited).code, 0);
});

const restartsOf = (running: Running) =>
  running.records().filter(({ service, to }) => service === 'fleeting' && to === 'starting').length - 1;

interface Size {
  readonly rssKb: number;
  readonly descriptors: number;
}

/** The median of a few looks: a collection of garbage may be due or just over. */
async function size(pid: number): Promise<Size> {
  const looks: number[] = [];
  for (let look = 0; look < 9; look++) {
    looks.push(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]));
    await sleep(500);
  }
  return { rssKb: looks.sort((a, b) => a - b)[4] ?? 0, descriptors: descriptorsOf(pid) };
}

const descriptorsOf = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

interface Answers {
  readonly codes: Readonly<Record<number, number>>;
  readonly slowestMs: number;
}

/** Asks over and over, each time on a connection of its own, evenly spread. */
async function checkHealth(port: number, count: number, withinMs: number): Promise<Answers> {
  const codes: Record<number, number> = {};
  let slowestMs = 0;
  const startedAt = performance.now();
  for (let asked = 0; asked < count; asked++) {
    await sleep(startedAt + (withinMs * asked) / count - performance.now());
    const askedAt = performance.now();
    const code = await statusOf(port);
    codes[code] = (codes[code] ?? 0) + 1;
    slowestMs = Math.max(slowestMs, performance.now() - askedAt);
  }
  return { codes, slowestMs };
}

/** 0 if there was no answer. */
function statusOf(port: number): Promise<number> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: '/health', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    }).on('error', () => resolve(0));
  });
}

/** How many objects of each kind live in tandem, garbage not counted. */
async function living(window: string): Promise<Record<string, number>> {
  return JSON.parse(await text(connect(window)));
}
