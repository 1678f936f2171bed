/**
 * The far end of everything that tandem writes: one queue before one descriptor, which never blocks PID 1 and never
 * throws. A reader that stalls fills the queue; a reader that is gone makes it discard.
 *
 * How a descriptor can be written without blocking depends on what it is. Measured, Node 20 to 26:
 * - `fs.writeSync` on a full pipe or a stopped terminal blocks the event loop: no signals, no reaping.
 * - `fs.write` blocks a thread of the pool instead, and then `process.exit()` hangs, because it joins the pool.
 * - `process.stdout` does not block on a pipe (on a terminal it does), but sets O_NONBLOCK on the open file that every
 *   child with inherited output shares, whose own writes then fail with EAGAIN.
 * So a pipe or terminal is opened anew through /proc, which gives an open file of our own that may be non-blocking.
 */
import { fstatSync, type Stats, write } from 'node:fs';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { openAnew, PlainWriter } from './own-output.ts';

/** One destination. Whoever writes hands over whole lines; they are never mixed with another's. */
export interface Sink {
  /**
   * Queues the bytes. Never throws, never blocks.
   * @param settled called once the kernel has them, or they are discarded
   * @returns false if the writer should wait for `onceRoom` before it writes more
   */
  write(bytes: Buffer | string, settled?: () => void): boolean;
  /** Calls back, once, when the queue is empty after `write` returned false. */
  onceRoom(resume: () => void): void;
  /** Resolves with true when the kernel has everything written so far, with false after `limitMs`. */
  flush(limitMs: number): Promise<boolean>;
  /**
   * Calls back, once, with the error's code when something is lost: because the destination is gone (EPIPE, EIO, …) and
   * everything is discarded from then on, or because a disk is full and everything is until there is room.
   */
  onceLost(report: (code: string) => void): void;
}

/** From this many queued bytes on, writers are asked to wait. */
const highWaterBytes = 256 * 1024;

/** How long to wait before a full terminal is tried again: fast enough for eyes, nothing for the processor. */
const retryMs = 10;

const newline = Buffer.from('\n');

const opened = new Map<string, Sink>();

/**
 * The sink of a descriptor. Descriptors of the same file (`2>&1`, a terminal) get the same one: two queues before one
 * pipe would cut each other's lines whenever it is full.
 * They are never closed: the descriptor stays open for the life of the process.
 * @param shared true if children inherit this descriptor (mode `raw`): then its flags are never touched, and where it
 *   cannot be opened anew (a Unix socket, another user's pipe) a thread of the pool writes. A limit of that: if the reader
 *   has stalled, `process.exit()` waits until it reads on.
 */
export function openSink(descriptor: number, { shared }: { shared: boolean }): Sink {
  const stats = statOf(descriptor);
  if (stats === undefined) return makeSink(new DescriptorWriter(descriptor));
  const identity = `${stats.dev}:${stats.ino}:${stats.rdev}`;
  const sink = opened.get(identity) ?? makeSink(openWriter(descriptor, stats, shared));
  opened.set(identity, sink);
  return sink;
}

/** A descriptor that is not open (`2>&-`) is no error: its first write fails with EBADF and the sink is lost. */
function statOf(descriptor: number): Stats | undefined {
  try {
    return fstatSync(descriptor);
  } catch {
    return undefined;
  }
}

function openWriter(descriptor: number, stats: Stats, shared: boolean): Writable {
  const isPipe = stats.isFIFO();
  const isTerminal = isatty(descriptor);
  if (isPipe || isTerminal) {
    const own = openAnew(descriptor);
    if (own !== undefined) return isPipe ? pipeWriter(own) : new DescriptorWriter(own);
  }
  if ((isPipe || stats.isSocket()) && !shared) return inPlaceWriter(descriptor);
  return new DescriptorWriter(descriptor);
}

function pipeWriter(descriptor: number): Writable {
  return new Socket({ fd: descriptor, readable: false, writable: true });
}

/** Where Node has a stream on 1 and 2, that one is taken: libuv bears only one for each descriptor. */
function inPlaceWriter(descriptor: number): Writable {
  const own = nodeStream(descriptor);
  return own === undefined || own instanceof PlainWriter ? pipeWriter(descriptor) : own;
}

/** Not both at once: to look at one is to make it. */
function nodeStream(descriptor: number): Writable | undefined {
  if (descriptor === 1) return process.stdout;
  return descriptor === 2 ? process.stderr : undefined;
}

/** Writes files, terminals, and what is left, one write at a time through the thread pool. */
class DescriptorWriter extends Writable {
  readonly #descriptor: number;
  /** A line was cut by a full disk. */
  #isCut = false;

  constructor(descriptor: number) {
    super();
    this.#descriptor = descriptor;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#writeLines([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error) => void): void {
    this.#writeLines(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  /** A new line begins behind one that was cut, whatever there was room for since. */
  #writeLines(lines: readonly Buffer[], done: (error?: Error) => void): void {
    this.#writeAll(Buffer.concat(this.#isCut ? [newline, ...lines] : lines), done);
  }

  #writeAll(bytes: Buffer, done: (error?: Error) => void): void {
    if (bytes.length === 0) {
      done();
      return;
    }
    write(this.#descriptor, bytes, (error, written) => {
      if (error === null) {
        if (written > 0) this.#isCut = bytes[written - 1] !== newline[0];
        this.#writeAll(bytes.subarray(written), done);
      } else if (error.code === 'EAGAIN') setTimeout(() => this.#writeAll(bytes, done), retryMs);
      else if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
        // A full disk may have room again later: what does not fit is lost, what comes then is not.
        this.emit('discarded', error);
        done();
      } else done(error);
    });
  }
}

/** The queue itself, before any Writable. */
export function makeSink(device: Writable): Sink {
  let isGone = false;
  let lossCode: string | undefined;
  const waiting = new Set<() => void>();
  const reporters = new Set<(code: string) => void>();

  device.on('drain', resumeAll);
  device.on('discarded', reportLoss);
  device.on('error', (error: NodeJS.ErrnoException) => {
    isGone = true;
    resumeAll();
    reportLoss(error);
  });

  function reportLoss(error: NodeJS.ErrnoException): void {
    if (lossCode !== undefined) return;
    lossCode = error.code ?? error.message;
    for (const report of reporters) report(lossCode);
  }

  function resumeAll(): void {
    const resumes = [...waiting];
    waiting.clear();
    for (const resume of resumes) resume();
  }

  return {
    write(bytes, settled) {
      if (isGone) {
        settled?.();
        return true;
      }
      device.write(bytes, () => settled?.());
      return device.writableLength < highWaterBytes;
    },
    onceRoom(resume) {
      if (isGone) resume();
      else waiting.add(resume);
    },
    flush(limitMs) {
      if (isGone || device.writableLength === 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), limitMs);
        // Writes are settled in order: once this empty one is, all before it are.
        device.write('', () => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    },
    onceLost(report) {
      if (lossCode === undefined) reporters.add(report);
      else report(lossCode);
    },
  };
}
