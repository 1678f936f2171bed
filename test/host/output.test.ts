import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import t from 'tap';
import { makeOutput, type Output, type OutputOptions } from '../../src/host/output.ts';
import type { Sink } from '../../src/host/output-sink.ts';
import { fromStream, readStream } from '../../src/host/output-stream.ts';
import { makePipe, PipeReader } from '../support/pipe.ts';
import { until } from '../support/until.ts';

/** An output in front of two pipes that nobody reads until `start`. */
function outputBeforePipes(options: Partial<OutputOptions> = {}) {
  const [stdoutEnd, stdout] = makePipe();
  const [stderrEnd, stderr] = makePipe();
  const output = makeOutput({ mode: 'prefix', names: ['hub'], stdout, stderr, createPipe: makePipe, ...options });
  const [out, err] = [new PipeReader(stdoutEnd), new PipeReader(stderrEnd)];
  t.teardown(() => [out, err].map((reader) => reader.close()));
  return { output, out, err };
}

function run(output: Output, service: string, command: string, ...args: string[]) {
  const channel = output.stdio(service);
  const child = spawn(command, args, { stdio: ['ignore', channel.stdout, channel.stderr] });
  channel.started(child);
  return { channel, child };
}

/** Runs a command to its end and until its output has been handed on. */
async function runAndDrain(output: Output, service: string, command: string, ...args: string[]): Promise<void> {
  const { channel, child } = run(output, service, command, ...args);
  await once(child, 'exit');
  await channel.drained(5_000);
}

/** Writes numbered lines to both streams in chunks that end anywhere, the last line without a newline. */
const chatter = `
  const [count, name] = process.argv.slice(1);
  const all = (stream) => Array.from({ length: Number(count) }, (_, i) => [name, stream, i].join(' ')).join('\\n');
  const text = { stdout: all('stdout'), stderr: all('stderr') };
  for (let at = 0, size = 1; at < text.stdout.length; at += size, size = (size * 7) % 4099) {
    process.stdout.write(text.stdout.slice(at, at + size));
    process.stderr.write(text.stderr.slice(at, at + size));
  }`;

t.test('B13 raw: hands our own descriptors to the child', async (t) => {
  const { stdout, stderr } = makeOutput({ mode: 'raw', names: [] }).stdio('hub');
  t.strictSame([stdout, stderr], ['inherit', 'inherit']);
});

for (const createPipe of [makePipe, undefined]) {
  const way = createPipe ? 'pipe' : 'socket pair';

  t.test(`B13 stdout goes to stdout, stderr to stderr, the last line without newline too (${way})`, async (t) => {
    const { output, out, err } = outputBeforePipes({ createPipe });
    out.start();
    err.start();
    await runAndDrain(output, 'hub', 'sh', '-c', 'echo one; printf two; printf three >&2');
    t.ok(await output.flush(5_000));
    await until('all has arrived', () => out.lines.length === 2 && err.lines.length === 1);
    t.equal(out.text, 'hub | one\nhub | two\n');
    t.equal(err.text, 'hub | three\n');
  });

  t.test(`B13 never mixes the lines of two services or streams in one destination (${way})`, async (t) => {
    const [readEnd, writeEnd] = makePipe();
    const reader = new PipeReader(readEnd);
    t.teardown(() => reader.close());
    const names = ['hub', 'gateway'];
    const output = makeOutput({ mode: 'prefix', names, stdout: writeEnd, stderr: writeEnd, createPipe });
    const count = 20_000;
    const drained = names.map((name) => runAndDrain(output, name, process.execPath, '-e', chatter, `${count}`, name));
    reader.start();
    await Promise.all(drained);
    t.ok(await output.flush(5_000));
    await until('all has arrived', () => reader.lines.length >= 4 * count, { everyMs: 50 });
    const seen = new Map<string, number>();
    const wrong = reader.lines.filter((line) => {
      const [, label, name, stream, number] = /^(\w+) +\| (\w+) (\w+) (\d+)$/.exec(line) ?? [];
      const key = `${name} ${stream}`;
      const expected = seen.get(key) ?? 0;
      seen.set(key, expected + 1);
      return label !== name || Number(number) !== expected;
    });
    t.strictSame(wrong, []);
    t.strictSame([...seen.values()], [count, count, count, count]);
  });
}

t.test('B13 a child can open /dev/stdout', async (t) => {
  const { output, out } = outputBeforePipes();
  out.start();
  await runAndDrain(output, 'hub', 'sh', '-c', 'echo opened >/dev/stdout');
  await until('it has arrived', () => out.lines.length === 1);
  t.strictSame(out.lines, ['hub | opened']);
});

t.test('B13 json: one record a line, stream and service named', async (t) => {
  const { output, err } = outputBeforePipes({ mode: 'json' });
  err.start();
  const before = Date.now();
  await runAndDrain(output, 'hub', 'sh', '-c', `printf '{"a":1}\\n\\377' >&2`);
  await until('both have arrived', () => err.lines.length === 2);
  const [first, second] = err.lines.map((line) => JSON.parse(line));
  t.match(first, { level: 30, service: 'hub', stream: 'stderr', msg: '{"a":1}' });
  t.ok(first.time >= before && first.time <= Date.now());
  t.equal(second.msg, '\ufffd');
});

t.test('B13 a service may have a mode of its own', async (t) => {
  const modes = new Map([
    ['hub', 'json'],
    ['web', 'raw'],
  ] as const);
  const { output, out } = outputBeforePipes({ mode: 'prefix', names: ['gateway', 'hub', 'web'], modes });
  out.start();
  await runAndDrain(output, 'gateway', 'echo', 'one');
  await runAndDrain(output, 'hub', 'echo', 'two');
  await until('both have arrived', () => out.lines.length === 2);
  t.equal(out.lines[0], 'gateway | one');
  t.match(JSON.parse(out.lines[1] ?? ''), { service: 'hub', stream: 'stdout', msg: 'two' });
  const { stdout, stderr } = output.stdio('web');
  t.strictSame([stdout, stderr], ['inherit', 'inherit']);
});

t.test('B13 raw for all, said in two ways, has nothing in between', async (t) => {
  const modes = new Map([['hub', 'raw']] as const);
  const { stdout } = makeOutput({ mode: 'json', names: ['hub'], modes }).stdio('hub');
  t.equal(stdout, 'inherit');
});

t.test('B13 leaves colour off where the destination is no terminal', async (t) => {
  const { output, out } = outputBeforePipes({ color: true });
  out.start();
  await runAndDrain(output, 'hub', 'echo', 'x');
  await until('it has arrived', () => out.text === 'hub | x\n');
  t.equal(out.text, 'hub | x\n');
});

t.test('B13 writes into a file, in order', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-output-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'out');
  const file = openSync(path, 'a');
  const output = makeOutput({ mode: 'prefix', names: ['hub'], stdout: file, stderr: file });
  await runAndDrain(output, 'hub', 'seq', '100000');
  t.ok(await output.flush(5_000));
  const expected = Array.from({ length: 100_000 }, (_, index) => `hub | ${index + 1}\n`).join('');
  t.ok(readFileSync(path, 'utf8') === expected);
});

t.test('B13 a grandchild that holds the pipe causes no delay, and nothing is lost', async (t) => {
  const { output, out } = outputBeforePipes();
  out.start();
  const { channel, child } = run(output, 'hub', 'sh', '-c', 'sleep 60 & echo $!; seq 5000; printf last');
  await once(child, 'exit');
  const before = performance.now();
  await channel.drained(10_000);
  const elapsedMs = performance.now() - before;
  await output.flush(5_000);
  await until('all has arrived', () => out.lines.length === 5_002);
  process.kill(Number(out.lines[0]?.slice('hub | '.length)), 'SIGKILL');
  t.equal(out.lines.at(-1), 'hub | last');
  t.ok(elapsedMs < 1_000, `${elapsedMs} ms`);
});

t.test('B13 a grandchild that goes on talking causes no delay beyond the limit', async (t) => {
  const { output, out } = outputBeforePipes();
  out.start();
  // It ends by itself once nobody listens.
  const { channel, child } = run(output, 'hub', 'sh', '-c', 'yes &');
  await once(child, 'exit');
  const before = performance.now();
  await channel.drained(300);
  const elapsedMs = performance.now() - before;
  t.ok(elapsedMs < 2_000, `${elapsedMs} ms`);
});

t.test('B13 what a talking grandchild says is listened to until the limit', async (t) => {
  // In one event loop, so that a machine under load delays the talker and the watch for silence alike.
  const source = new PassThrough();
  const heard: string[] = [];
  const sink: Sink = {
    write: (bytes) => heard.push(bytes.toString()) > 0,
    onceRoom: () => t.fail('the sink is never full'),
    flush: async () => true,
    onceLost: () => {},
  };
  const stream = readStream(fromStream(source), ({ bytes }) => bytes, sink);
  let said = 0;
  const before = performance.now();
  const talker = setInterval(() => source.write(`${said++}\n`), 5);
  await stream.drained(300);
  clearInterval(talker);
  t.strictSame(
    heard,
    Array.from({ length: said }, (_, index) => `${index}\n`),
  );
  t.ok(performance.now() - before > 290);
  t.ok(source.destroyed, 'and then no longer');
});

t.test('B13 an event loop that was busy for long does not pass for silence', async (t) => {
  const { output, out } = outputBeforePipes();
  out.start();
  const { channel, child } = run(output, 'hub', 'sh', '-c', 'seq 200000 &');
  await once(child, 'exit');
  const drained = channel.drained(10_000);
  for (const end = performance.now() + 200; performance.now() < end; );
  await drained;
  await output.flush(5_000);
  await until('all has arrived', () => out.lines.length === 200_000, { everyMs: 50 });
  t.equal(out.lines.at(-1), 'hub | 200000');
});

t.test('B13 a stalled reader blocks the child, not us; what was written arrives once it reads on', async (t) => {
  const { output, out } = outputBeforePipes();
  const { channel, child } = run(output, 'hub', 'seq', '500000');
  const exit = once(child, 'exit');
  await until('there is something that the kernel does not take', async () => !(await output.flush(20)));
  t.equal(child.exitCode, null, 'the child waits');
  out.start();
  await exit;
  await channel.drained(10_000);
  t.ok(await output.flush(10_000));
  await until('all has arrived', () => out.lines.length === 500_000, { everyMs: 50 });
  t.equal(out.lines.at(-1), 'hub | 500000');
});

t.test('B13 a stalled reader does not pass for silence', async (t) => {
  const { output, out, err } = outputBeforePipes();
  err.start();
  // 190 kB, 400 kB with names: more than pipe and queue take, so that reading stops; the rest waits in the child's pipe.
  const { channel, child } = run(output, 'hub', 'sh', '-c', 'sleep 60 & echo $! >&2; exec seq 34000');
  await once(child, 'exit');
  const drained = channel.drained(10_000);
  const first = await Promise.race([
    drained.then(() => 'drained'),
    new Promise((done) => setTimeout(done, 200, 'not')),
  ]);
  t.equal(first, 'not');
  out.start();
  await drained;
  await until('all has arrived', () => out.lines.length === 34_000, { everyMs: 50 });
  process.kill(Number(err.lines[0]?.slice('hub | '.length)), 'SIGKILL');
  t.equal(out.lines.at(-1), 'hub | 34000');
});

t.test('B13 a reader that goes away stops nothing: output is discarded, which is said once', async (t) => {
  const { output, out, err } = outputBeforePipes();
  err.start();
  const { channel, child } = run(output, 'hub', 'seq', '500000');
  out.close();
  const [code] = await once(child, 'exit');
  await channel.drained(5_000);
  t.equal(code, 0, 'the child was neither blocked nor ended');
  await runAndDrain(output, 'hub', 'seq', '10');
  t.ok(await output.flush(5_000));
  await until('it is said', () => err.lines.length > 0);
  t.equal(err.lines.length, 1);
  t.match(err.text, /EPIPE/);
});

t.test('B13 both readers gone: the child still ends', async (t) => {
  const { output, out, err } = outputBeforePipes();
  out.close();
  err.close();
  await runAndDrain(output, 'hub', process.execPath, '-e', chatter, '20000', 'hub');
  t.ok(await output.flush(1_000));
});

t.test('B13 a command that cannot be spawned leaves no descriptor open', async (t) => {
  const { output } = outputBeforePipes();
  const before = readdirSync('/proc/self/fd').length;
  const { channel, child } = run(output, 'hub', '/does/not/exist');
  await once(child, 'error');
  await channel.drained(1_000);
  await until('all are closed', () => readdirSync('/proc/self/fd').length === before);
  t.pass();
});

t.test('B13 leaves the flags of our own stdout alone, which others may share', async (t) => {
  const [readEnd, writeEnd] = makePipe();
  const reader = new PipeReader(readEnd).start();
  t.teardown(() => reader.close());
  const flags = () => /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${writeEnd}`, 'utf8'))?.[1];
  const before = flags();
  const output = makeOutput({ mode: 'prefix', names: ['hub'], stdout: writeEnd, stderr: writeEnd });
  await runAndDrain(output, 'hub', 'echo', 'x');
  t.equal(flags(), before);
});

/** The driver with its own stdout in our hands. */
function drive(mode: string, ...command: string[]) {
  const driver = join(import.meta.dirname ?? __dirname, '../fixtures/output-driver.ts');
  const child: ChildProcess = spawn(process.execPath, ['--import=tsx', driver, mode, ...command], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  const reports: { rssKb: number; code?: number; flushed?: boolean }[] = [];
  let text = '';
  (child.stdio[3] as Readable).on('data', (chunk) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    reports.push(...lines.map((line) => JSON.parse(line)));
  });
  return { child, reports };
}

for (const mode of ['prefix', 'json']) {
  t.test(`B13 ${mode}: a million lines into a slow pipe, all there, in order, in bounded memory`, async (t) => {
    const count = 1_000_000;
    const filler = 'x'.repeat(88);
    const { child, reports } = drive(mode, 'sh', '-c', `seq -f '%07.0f ${filler}' 1 ${count - 1}; printf last`);
    await until('it has filled the pipe', () => reports.length >= 10);
    let lineCount = 0;
    let rest = '';
    const wrong: string[] = [];
    for await (const chunk of child.stdout as Readable) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        lineCount += 1;
        const message = mode === 'json' ? JSON.parse(line).msg : line.slice('hub | '.length);
        const expected = lineCount === count ? 'last' : `${String(lineCount).padStart(7, '0')} ${filler}`;
        if (message !== expected) wrong.push(line);
      }
    }
    t.equal(lineCount, count);
    t.equal(rest, '');
    t.strictSame(wrong.slice(0, 3), []);
    t.match(reports.at(-1), { code: 0, flushed: true });
    const growthMb = ((reports.at(-1)?.rssKb ?? Number.NaN) - (reports[0]?.rssKb ?? Number.NaN)) / 1024;
    t.ok(growthMb < 48, `grew by ${growthMb} MB while 97 MB went through`);
  });
}
