/**
 * `node bench/life.mjs [RUNS]`: what tandem's own time and memory are in a container's life, against bare Node in the
 * same run. Medians of RUNS (default 20) interleaved runs with minimum and maximum; goals are those of the issue. Nobody
 * gets the caller's environment: NODE_EXTRA_CA_CERTS alone makes a bare Node 20 start 40 ms later.
 *
 *   start    exec of tandem to exec of its first child          against `node empty.cjs`, start to end
 *   command  the same for `tandem -- CMD`
 *   ready    the gateway's listen() to the exec of the hub      (no HTTP stage)
 *   crash    SIGKILL of the gateway to SIGTERM at the hub
 *   stop     SIGTERM of tandem to its end
 *   rss      RSS of tandem with the pair up, after RSS_SECONDS  against an idle Node
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const runs = Number(process.argv[2] ?? 20);
const rssSeconds = Number(process.env.RSS_SECONDS ?? 3);
const tandem = join(import.meta.dirname, '../dist/tandem.cjs');
const work = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
const child = join(work, 'child');
const empty = join(work, 'empty.cjs');
const events = join(work, 'events');

function milliseconds() {
  return Number(process.hrtime.bigint()) / 1e6;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The words of an event's line, if it has happened. */
function wordsOf(event) {
  const lines = readFileSync(events, 'utf8').split('\n');
  return lines.find((line) => line.startsWith(`${event} `))?.split(' ');
}

/** When an event was, in ms of the monotonic clock; undefined if it has not been yet. */
function timeOf(event) {
  const words = wordsOf(event);
  return words && Number(words[2]) / 1e6;
}

async function when(event) {
  for (const deadline = milliseconds() + 10_000; milliseconds() < deadline; await sleep(1)) {
    const time = timeOf(event);
    if (time !== undefined) return time;
  }
  throw new Error(`no "${event}" within 10 s`);
}

function rssMb(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function ended(process) {
  return new Promise((resolve) => process.on('exit', () => resolve(milliseconds())));
}

async function startPair() {
  writeFileSync(events, '');
  const [gatewayPort, hubPort] = [await freePort(), await freePort()];
  const startedAt = milliseconds();
  const process_ = spawn(process.execPath, [tandem, 'run', '--preset', 'embedded'], {
    stdio: 'ignore',
    env: {
      BENCH_EVENTS: events,
      TANDEM_RUNTIME_DIR: work,
      TANDEM_HEALTH_PORT: String(await freePort()),
      TANDEM_DATA_DIR: work,
      GW_PORT: String(gatewayPort),
      PORT: String(hubPort),
      GW_HEALTH_PATH: '',
      HUB_HEALTH_PATH: '',
      GW_COMMAND: `${child} gateway ${gatewayPort} 100`,
      HUB_COMMAND: `${child} hub ${hubPort}`,
    },
  });
  return { process: process_, startedAt, end: ended(process_) };
}

const figures = {};

function note(name, value) {
  figures[name] ??= [];
  figures[name].push(value);
}

async function measureOnce() {
  let from = milliseconds();
  spawnSync(process.execPath, [empty], { env: {} });
  note('node', milliseconds() - from);

  writeFileSync(events, '');
  from = milliseconds();
  spawnSync(process.execPath, [tandem, '--', child, 'command'], { env: { BENCH_EVENTS: events } });
  note('command', timeOf('command exec') - from);

  const first = await startPair();
  note('start', (await when('gateway exec')) - first.startedAt);
  note('ready', (await when('hub exec')) - timeOf('gateway listen'));
  await when('hub listen');
  await sleep(50);
  const gatewayPid = Number(wordsOf('gateway listen')[3]);
  from = milliseconds();
  process.kill(gatewayPid, 'SIGKILL');
  note('crash', (await when('hub term')) - from);
  await first.end;

  const second = await startPair();
  await when('hub listen');
  await sleep(50);
  from = milliseconds();
  second.process.kill('SIGTERM');
  note('stop', (await second.end) - from);
}

async function measureMemory() {
  const idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore', env: {} });
  const pair = await startPair();
  await when('hub listen');
  await sleep(rssSeconds * 1000);
  note('idle node', rssMb(idle.pid));
  note('rss', rssMb(pair.process.pid));
  idle.kill('SIGKILL');
  pair.process.kill('SIGTERM');
  await pair.end;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function print(name, unit, goal, baseline) {
  const values = figures[name];
  const ratio = baseline && (median(values) / median(figures[baseline])).toFixed(2);
  const range = `${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)}`;
  console.log(
    [
      name.padEnd(10),
      median(values).toFixed(1).padStart(7),
      unit,
      range.padStart(14),
      (ratio ? `x ${ratio}` : '').padStart(8),
      goal,
    ].join('  '),
  );
}

try {
  execFileSync('cc', ['-O2', '-o', child, join(import.meta.dirname, 'child.c')]);
  writeFileSync(empty, '');
  for (let run = 0; run < runs; run += 1) await measureOnce();
  for (let run = 0; run < 3; run += 1) await measureMemory();
  console.log(`node ${process.version}, ${runs} runs: median, range, ratio, goal`);
  print('node', 'ms', 'node empty.cjs, start to end');
  print('start', 'ms', '<= 2 x node', 'node');
  print('command', 'ms', '<= 2 x node', 'node');
  print('ready', 'ms', '<= 10 ms');
  print('crash', 'ms', '<= 5 ms');
  print('stop', 'ms', '');
  print('idle node', 'MB', 'node, doing nothing');
  print('rss', 'MB', '<= 1.3 x idle node', 'idle node');
} finally {
  rmSync(work, { recursive: true, force: true });
}
