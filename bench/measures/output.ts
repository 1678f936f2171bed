/** P7: how fast lines of a service get through a supervisor, and what becomes of them while nobody reads. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import type { Child, Launch, Peer } from '../peers/peer.ts';
import { forwarding } from '../peers/tandem.ts';
import { readSpent, spending } from '../spent.ts';
import type { Measure } from './measure.ts';
import { type Entry, entry, rowsOf } from './rows.ts';

const nobody = 'no supervisor';
const allLines = 1_000_000;
/** A million would take these longer than a second or two. */
const fewerLines: Readonly<Record<string, number>> = {
  circus: 500_000,
  honcho: 40_000,
  'pm2-runtime': 300_000,
  concurrently: 300_000,
  'process-compose': 300_000,
};
/** Where nothing is between, a million would be over while the supervisor still starts: these come after it. */
const rawLines = 6_000_000;
const rawDelayMs = 300;
const stallMs = 3_000;
/** Who is not done by then has come to a halt. */
const patienceMs = 60_000;

type Forwarding = (children: readonly Child[], directory: string) => Launch;

export const output: Measure = {
  name: 'output',
  id: 'P7',
  title: 'lines of 97 bytes from one service through the supervisor into a pipe',
  columns: [
    { figure: 'prefix', title: 'with names', unit: 'M lines/s', isHigherBetter: true, goal: { limit: 2 } },
    { figure: 'json', title: 'as JSON', unit: 'M lines/s', isHigherBetter: true, goal: { limit: 0.7 } },
    { figure: 'raw', title: 'raw', unit: 'M lines/s', isHigherBetter: true, goal: { limit: 0.95, over: nobody } },
    { figure: 'cpu', title: 'CPU with names', unit: 's/M lines' },
    { figure: 'lost', title: 'lost or disordered', unit: 'lines', goal: { limit: 0, of: 'maximum' } },
    { figure: 'growth', title: 'peak memory over that of one line', unit: '1', goal: { limit: 1.5 } },
    { figure: 'peak', title: 'peak memory', unit: 'MB' },
    { figure: 'stalledPeak', title: 'reader stalled', unit: 'MB' },
  ],
  async run(bench) {
    const stalls = await stallsOf(bench);
    return rowsOf(bench, [...references(bench), ...bench.peers.map((peer) => forwarder(bench, peer, stalls))]);
  },
};

/** What a pipe can do, and what one process between does to it that only copies. */
function references(bench: Bench): Entry[] {
  const writer = [bench.compile('writer'), `${rawLines}`, `${rawDelayMs}`];
  const copy = ['sh', '-c', '"$@" | exec cat', 'sh', ...writer];
  return [
    { name: nobody, run: async () => ({ raw: (await flowOf(bench, () => ({ words: writer }), rawLines)).rate }) },
    { name: 'cat', run: async () => ({ raw: (await flowOf(bench, () => ({ words: copy }), rawLines)).rate }) },
  ];
}

interface Stall {
  readonly lost: number;
  readonly peak: number;
  /** Of the same supervisor with a service that writes one line. */
  readonly idlePeak: number;
}

function forwarder(bench: Bench, { name, prefixed }: Peer, stalls: ReadonlyMap<string, Stall>): Entry {
  const lines = fewerLines[name] ?? allLines;
  const title = lines === allLines ? name : `${name} (${lines} lines)`;
  return entry(title, prefixed, async (way) => {
    const flow = await flowOf(bench, serving(bench, way, lines), lines);
    const others = name === 'tandem' ? await otherModes(bench) : {};
    const [figures, stall] = [{ prefix: flow.rate, cpu: flow.cpu, peak: flow.peak, ...others }, stalls.get(name)];
    if (!stall) return { ...figures, lost: flow.lost };
    const growth = Math.max(flow.peak, stall.peak) / stall.idlePeak;
    return { ...figures, lost: flow.lost + stall.lost, stalledPeak: stall.peak, growth };
  });
}

async function otherModes(bench: Bench) {
  const json = await flowOf(bench, serving(bench, forwarding('json'), allLines), allLines);
  const raw = await flowOf(bench, serving(bench, forwarding('raw'), rawLines, rawDelayMs), rawLines);
  if (json.lost + raw.lost > 0) throw new Error(`${json.lost} lines were lost as JSON, ${raw.lost} raw`);
  return { json: json.rate, raw: raw.rate };
}

/** All at once: it is not about time. Who fails here is without these figures. */
async function stallsOf(bench: Bench): Promise<ReadonlyMap<string, Stall>> {
  const stalls = new Map<string, Stall>();
  const stallOf = async ({ name, prefixed }: Peer) => {
    if (typeof prefixed === 'string') return;
    const lines = fewerLines[name] ?? allLines;
    const idle = await flowOf(bench, serving(bench, prefixed, 1), 1);
    const { peak, lost } = await flowOf(bench, serving(bench, prefixed, lines), lines, stallMs);
    stalls.set(name, { lost, peak, idlePeak: idle.peak });
  };
  await Promise.allSettled(bench.peers.map(stallOf));
  return stalls;
}

/** A supervisor with one service that writes so many lines. */
function serving(bench: Bench, way: Forwarding, lines: number, delayMs = 0): (directory: string) => Launch {
  const child = { name: 'hub', words: [bench.compile('writer'), `${lines}`, `${delayMs}`], environment: {} };
  return (directory) => way([child], directory);
}

interface Flow {
  /** Million lines a second, from the reader's first read to its last. */
  readonly rate: number;
  /** Seconds on the processor for a million lines, its start included. */
  readonly cpu: number;
  /** Lines that did not come, or came after a later one. */
  readonly lost: number;
  /** MB. */
  readonly peak: number;
}

/** Runs it with its stdout in a pipe before a reader, until that has all or waits in vain. */
async function flowOf(bench: Bench, make: (directory: string) => Launch, lines: number, stall = 0): Promise<Flow> {
  const directory = bench.directory();
  const [spent, read] = [join(directory, 'spent'), join(directory, 'read')];
  const launch = make(directory);
  const [readEnd, writeEnd] = makePipe(join(directory, 'pipe'));
  const reader = spawn(bench.compile('reader'), [`${lines}`, `${stall}`, read], {
    stdio: [readEnd, 'ignore', 'ignore'],
  });
  const readerEnded = new Promise((resolve) => reader.on('exit', resolve));
  const started = bench.start({ ...launch, words: spending(bench, spent, launch.words) }, directory, writeEnd);
  for (const end of [readEnd, writeEnd]) closeSync(end);
  try {
    for (let waitedMs = 0; !existsSync(read); waitedMs += 5, await sleep(5)) {
      if (waitedMs > stall + patienceMs) throw new Error(`${lines} lines took longer than ${patienceMs / 1000} s`);
    }
    const isEnded = await Promise.race([started.ended.then(() => true), sleep(100, false)]);
    if (!isEnded) await started.stop(0);
    await readerEnded;
  } finally {
    reader.kill('SIGKILL');
    started.process.kill('SIGKILL');
  }
  const [arrived = 0, disordered = 0, , nanoseconds = 1] = readFileSync(read, 'utf8').split(' ').map(Number);
  const { cpuMs, peakMb } = readSpent(spent);
  const million = lines / 1e6;
  return {
    rate: arrived / 1e6 / (nanoseconds / 1e9),
    cpu: cpuMs / 1000 / million,
    lost: lines - arrived + disordered,
    peak: peakMb,
  };
}

/** A pipe as a container's stdout is one: what Node makes is a pair of sockets. */
function makePipe(path: string): [readEnd: number, writeEnd: number] {
  execFileSync('mkfifo', [path]);
  const both = openSync(path, constants.O_RDWR);
  const ends: [number, number] = [openSync(path, constants.O_RDONLY), openSync(path, constants.O_WRONLY)];
  closeSync(both);
  return ends;
}
