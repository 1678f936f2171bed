/**
 * What forwarding the children's output costs: one million lines of 97 bytes through `prefix` and `json`, with a reader
 * that is fast and with one that stalls for a second. Prints lines per second, the largest RSS and whether all arrived.
 *
 * Usage: node bench/output.mjs [lines]   (default 1000000; node bench/output.mjs --help)
 * The last column is the growth of RSS after start; what is queued for a stalled reader is in it. `raw` is the child
 * writing to the reader's pipe itself, for comparison.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lines = readCount(process.argv[2]);
const stallMs = 1000;
const scratch = mkdtempSync(join(tmpdir(), 'tandem-bench-'));

/** The output as tandem makes it, for one service. */
const driverSource = `
  import { spawn } from 'node:child_process';
  import { writeSync } from 'node:fs';
  import { makeOutput } from './src/host/output.ts';
  const [mode, command, ...args] = process.argv.slice(2);
  const output = makeOutput({ mode, names: ['hub', 'gateway'] });
  const maxKb = () => process.resourceUsage().maxRSS;
  const [startedAt, startKb] = [performance.now(), maxKb()];
  const channel = output.stdio('hub');
  const child = spawn(command, args, { stdio: ['ignore', channel.stdout, channel.stderr] });
  channel.started(child);
  child.on('exit', async () => {
    await channel.drained(60_000);
    await output.flush(60_000);
    const ownSeconds = (performance.now() - startedAt) / 1000;
    writeSync(3, JSON.stringify({ ownSeconds, startKb, maxKb: maxKb() }));
    process.exit(0);
  });
`;

/** Numbered lines of 97 bytes in large writes. */
const generatorSource = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
enum { line_bytes = 97, batch = 600 };
int main(int argc, char **argv) {
  static char lines[line_bytes * batch + 1];
  long count = argc > 1 ? atol(argv[1]) : 0;
  for (long first = 0; first < count; first += batch) {
    long n = count - first < batch ? count - first : batch;
    for (long i = 0; i < n; i++) {
      char *line = lines + i * line_bytes;
      int width = sprintf(line, "%08ld ", first + i);
      memset(line + width, 'x', line_bytes - width - 1);
      line[line_bytes - 1] = '\\n';
    }
    for (long done = 0; done < n * line_bytes;) {
      ssize_t written = write(1, lines + done, n * line_bytes - done);
      if (written < 0) return 1;
      done += written;
    }
  }
  return 0;
}
`;

try {
  const generator = buildGenerator();
  const driver = buildDriver();
  console.log(`${lines} lines of 97 bytes, Node ${process.version}`);
  console.log('mode    reader    lines/s   arrived     max RSS    growth');
  for (const mode of ['raw', 'prefix', 'json']) {
    for (const reader of ['fast', 'stalled']) print(mode, reader, await measure(driver, mode, reader, generator));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function readCount(word = '1000000') {
  if (/^[1-9]\d{0,8}$/.test(word)) return Number(word);
  console.log('usage: node bench/output.mjs [lines]');
  process.exit(word === '--help' || word === '-h' ? 0 : 64);
}

/** A generator that is faster than what is measured: C where there is a compiler, else awk. */
function buildGenerator() {
  const source = join(scratch, 'generate.c');
  writeFileSync(source, generatorSource);
  try {
    execFileSync('cc', ['-O2', '-o', join(scratch, 'generate'), source]);
    return [join(scratch, 'generate'), `${lines}`];
  } catch {
    return ['awk', `BEGIN { for (i = 0; i < ${lines}; i++) printf "%08d %s\\n", i, "${'x'.repeat(87)}" }`];
  }
}

/** The driver, bundled as tandem is; its arguments are the mode and the service's command. */
function buildDriver() {
  const outfile = join(scratch, 'driver.cjs');
  buildSync({
    stdin: { contents: driverSource, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile,
    logLevel: 'error',
  });
  return outfile;
}

/** Runs the driver with a counting reader at the end of its stdout, through a pipe of the shell. */
async function measure(driver, mode, reader, generator) {
  const stall = reader === 'stalled' ? `sleep ${stallMs / 1000}; ` : '';
  const script = `"$@" | { ${stall}wc -l >&4; }`;
  const startedAt = performance.now();
  const shell = spawn('sh', ['-c', script, 'sh', process.execPath, driver, mode, ...generator], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
  });
  const [report, arrived] = await Promise.all([textOf(shell.stdio[3]), textOf(shell.stdio[4])]);
  const seconds = (performance.now() - startedAt - (stall ? stallMs : 0)) / 1000;
  const { ownSeconds, startKb, maxKb } = JSON.parse(report);
  return { rate: lines / (stall ? seconds : ownSeconds), arrived: Number(arrived), startKb, maxKb };
}

async function textOf(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

function print(mode, reader, { rate, arrived, startKb, maxKb }) {
  const columns = [
    mode.padEnd(6),
    reader.padEnd(7),
    `${(rate / 1e6).toFixed(2)} M`.padStart(9),
    `${arrived}`.padStart(9),
    `${(maxKb / 1024).toFixed(0)} MB`.padStart(10),
    `${((maxKb - startKb) / 1024).toFixed(0)} MB`.padStart(9),
  ];
  console.log(columns.join('  '));
}
