/** The services' output through the shipped form: every line, in order, whoever reads it and however slowly. */
import { closeSync, fstatSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { forms, type Name, type Pair, runPair } from '../fixtures/e2e-run-pair.ts';
import { type Mode, SlowReader } from '../fixtures/e2e-run-reader.ts';
import { makePipe } from '../support/pipe.ts';
import { node } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const linesEach = 500_000;
const maxRssKib = 150 * 1024;
/** What a pipe of Linux holds. */
const pipeBytes = 64 * 1024;
const modes = ['raw', 'prefix', 'json'] as const;

for (const { form, asInit } of forms) {
  for (const mode of modes) {
    test(`B13 ${form}, ${mode}: a million lines of two services through a slow pipe, every one and in order`, {
      timeout: 60_000,
    }, async (t) => {
      const [readEnd, writeEnd] = makePipe();
      const reader = new SlowReader(readEnd, mode);
      t.teardown(() => reader.close());
      const pair = await runWriters(t, { mode, asInit, stdout: writeEnd, count: linesEach });
      closeSync(writeEnd);
      await Promise.all([pair.entry('gateway', 'started'), pair.entry('hub', 'started')]);
      const isWritten = () => hasWritten(pair, 'gateway') || hasWritten(pair, 'hub');
      await t.rejects(until('one has written all', isWritten, { withinMs: 500 }), 'nobody reads, so nobody writes on');
      reader.start();
      await until('all is written', () => hasWritten(pair, 'gateway') && hasWritten(pair, 'hub'), { withinMs: 50_000 });

      // What is not yet read lies in pipes and in tandem: none of it may be lost by its end.
      reader.pause();
      const peakKib = peakRssKib(await pair.pid());
      await pair.signal('SIGTERM');
      await pair.record({ service: 'gateway', to: 'stopped' });
      reader.start();
      t.equal((await pair.exited).code, 0);
      await reader.ended;
      t.same(reader.misshapen, []);
      t.same(reader.counts, { gateway: linesEach, hub: linesEach });
      t.ok(peakKib < maxRssKib, `${Math.round(peakKib / 1024)} MiB at most`);
      t.comment(`${Math.round(peakKib / 1024)} MiB`);
    });
  }
}

/** Between the budget and the SIGKILL of `docker stop`, whose default is a second longer. */
const dockersMarginMs = 1_000;

for (const { form, asInit } of forms) {
  for (const mode of modes) {
    test(`B12 ${form}, ${mode}: where nobody reads, the end comes within the budget and what Docker adds`, async (t) => {
      const [readEnd, writeEnd] = makePipe();
      const stderr = makePipe();
      t.teardown(() => [readEnd, ...stderr].map((end) => closeSync(end)));
      writeSync(stderr[1], Buffer.alloc(pipeBytes));
      const env = { TANDEM_STOP_TIMEOUT: '1' };
      const pair = await runWriters(t, { mode, asInit, stdout: writeEnd, stderr: stderr[1], count: linesEach, env });
      closeSync(writeEnd);
      await Promise.all([pair.entry('gateway', 'started'), pair.entry('hub', 'started')]);
      const isWritten = () => hasWritten(pair, 'gateway') || hasWritten(pair, 'hub');
      await t.rejects(until('one has written all', isWritten, { withinMs: 500 }), 'nobody reads, so nobody writes on');
      const askedAt = performance.now();
      await pair.signal('SIGTERM');
      t.equal((await pair.exited).code, 1, 'who is stuck in a write is killed');
      const tookMs = performance.now() - askedAt;
      t.ok(tookMs < 1_000 + dockersMarginMs, `${tookMs} ms`);
      t.same(pair.survivors(), []);
    });
  }
}

for (const mode of modes) {
  test(`B13 ${mode}: a reader of stdout that goes away ends neither tandem nor a service`, async (t) => {
    const [readEnd, writeEnd] = makePipe();
    const pair = await runWriters(t, { mode, stdout: writeEnd, count: 0 });
    closeSync(writeEnd);
    await pair.entry('hub', 'started');
    closeSync(readEnd);
    await Promise.all([pair.entry('gateway', 'unread'), pair.entry('hub', 'unread')]);
    await pair.signal('SIGTERM');
    t.equal((await pair.exited).code, 0);
    t.same(pair.survivors(), []);
  });

  test(`B13 ${mode}: a reader of stderr that goes away ends nothing either`, async (t) => {
    const pair = await runPair(t, { env: { TANDEM_OUTPUT: mode } });
    pair.child.stderr?.destroy();
    await pair.entry('hub', 'answers');
    await pair.signal('SIGTERM');
    t.equal((await pair.exited).code, 0);
    t.same(pair.events().slice(-4), ['hub SIGTERM', 'hub end', 'gateway SIGTERM', 'gateway end']);
  });

  test(`B13 ${mode}: stdout goes to stdout and stderr to stderr`, async (t) => {
    const hub = `sh -c 'echo to stdout; echo to stderr >&2; exec sleep 1000'`;
    const pair = await runPair(t, { hub, env: { TANDEM_OUTPUT: mode, GATEWAY_SKIP_START: '1' } });
    await until('both are there', () => /to stdout/.test(pair.stdout) && /to stderr/.test(pair.stderr));
    t.notMatch(pair.stdout, /to stderr/);
    t.notMatch(pair.stderr, /to stdout/);
  });
}

const wholeLine = {
  prefix: /^(gateway|hub) +\| \1:on and on$/,
  json: /^\{"level":30,"time":\d+,"service":"(gateway|hub)","stream":"stdout","msg":"\1:on and on"\}$/,
} as const;

for (const mode of ['prefix', 'json'] as const) {
  test(`B13 ${mode}: a disk that was full has lost lines, and glues none together once there is room`, async (t) => {
    const pair = await runWriters(t, { mode, asInit: true, wrapper: onSmallDisk, count: 0 });
    await pair.record({ msg: 'everything is up' });
    const disk = join(`/proc/${await pair.pid()}/root`, pair.env['E2E_DIR'] ?? '', 'disk');
    // It outlives the namespace that it was mounted in.
    const log = openSync(join(disk, 'out'), 'r');
    t.teardown(() => closeSync(log));
    await until('lines are lost', () => pair.stderr.includes('cannot write to stdout (ENOSPC)'));
    const fullBytes = fstatSync(log).size;
    rmSync(join(disk, 'filling'));
    await until('lines are written again', () => fstatSync(log).size > fullBytes + 1_000);
    await pair.signal('SIGTERM');
    t.equal((await pair.exited).code, 0);
    const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
    const broken = lines.filter((line) => !wholeLine[mode].test(line));
    t.ok(broken.length <= 1, 'what did not fit is cut off, and nothing else');
    for (const line of broken) t.equal(line.split('on and on').length, 1, line);
  });
}

/** Mounted in tandem's own namespace; a file takes half of it. */
const onSmallDisk = [
  ...['unshare', '--mount', 'sh', '-c'],
  'mkdir $E2E_DIR/disk && mount -t tmpfs -o size=16k none $E2E_DIR/disk && cd $E2E_DIR/disk && ' +
    'head -c 8192 /dev/zero >filling && exec "$@" >out',
  'sh',
];

interface WriterOptions {
  readonly mode: Mode;
  readonly asInit?: boolean;
  readonly stdout?: number;
  readonly stderr?: number;
  readonly wrapper?: readonly string[];
  readonly count: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Ready by their ports alone, so that both write side by side almost from the start. */
function runWriters(t: Test, { mode, asInit = false, count, env, ...rest }: WriterOptions): Promise<Pair> {
  const writer = join(import.meta.dirname, '../fixtures/e2e-run-writer.cjs');
  const command = (name: Name) => `${node} ${writer} ${name} ${count}`;
  return runPair(t, {
    asInit,
    ...rest,
    gateway: command('gateway'),
    hub: command('hub'),
    env: { TANDEM_OUTPUT: mode, GW_HEALTH_PATH: '', HUB_HEALTH_PATH: '', ...env },
  });
}

function hasWritten(pair: Pair, name: Name): boolean {
  return pair.events().includes(`${name} written`);
}

/** `VmHWM` is the most that it ever had. */
function peakRssKib(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
