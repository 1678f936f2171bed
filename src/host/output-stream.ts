/**
 * One stream of one process: read in chunks, cut into lines, formatted, handed to a sink; paused while that is full.
 * It owns the reading end and ends it, at the latest when `drained` has run out.
 */
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Readable } from 'node:stream';
import { systemClock } from './clock.ts';
import type { Format } from './output-format.ts';
import { type Join, type LineBlock, makeLineSplitter, maxLineBytes } from './output-lines.ts';
import { giveBack } from './output-room.ts';
import type { Sink } from './output-sink.ts';

export interface OutputStream {
  /** After the writer's exit: reads to the end, or until nothing has come for `quietMs`, but no longer than `limitMs`. */
  drained(limitMs: number): Promise<void>;
}

/**
 * What the process itself wrote lies in the pipe when it exits. What comes later is its descendants', and one that holds
 * the pipe open and is silent must cause no delay.
 */
const quietMs = 50;

/** Where chunks come from. */
export interface Source {
  /**
   * Starts reading. `take` is called with each chunk, which is good for the length of the call alone, and says whether the
   * next may come; if not, it comes after `resume`.
   */
  open(take: (chunk: Buffer) => boolean): Readable;
  readonly join?: Join;
}

/** What all pipes are read into: a chunk is done with before the next is read. Before it there is room for what was kept. */
const room = Buffer.allocUnsafeSlow(maxLineBytes + 64 * 1024);
const chunkRoom = room.subarray(maxLineBytes);

function joinInRoom(rest: Buffer, chunk: Buffer): Buffer {
  const start = maxLineBytes - rest.length;
  rest.copy(room, start);
  return room.subarray(start, maxLineBytes + chunk.length);
}

/** The reading end of a pipe, read without a buffer of its own and without the queue of Node's streams. */
export function fromPipe(fd: number): Source {
  return {
    open(take) {
      const onread = { buffer: chunkRoom, callback: (length: number) => take(chunkRoom.subarray(0, length)) };
      const options: SocketConstructorOpts & ConnectOpts = { fd, readable: true, writable: false, onread };
      return new Socket(options);
    },
    join: joinInRoom,
  };
}

/** What Node itself has opened. */
export function fromStream(stream: Readable): Source {
  return {
    open: (take) =>
      stream.on('data', (chunk: Buffer) => {
        if (!take(chunk)) stream.pause();
      }),
  };
}

/** Starts reading; goes on until the source ends. */
export function readStream({ open, join }: Source, format: Format, sink: Sink): OutputStream {
  const splitter = makeLineSplitter(maxLineBytes, join);
  let chunks = 0;
  let isEnded = false;
  let isBlocked = false;
  let announceEnd: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    announceEnd = resolve;
  });

  function forward(blocks: readonly LineBlock[]): boolean {
    let hasRoom = true;
    for (const block of blocks) {
      const bytes = format(block);
      hasRoom = sink.write(bytes, () => giveBack(bytes));
    }
    if (!hasRoom && !isBlocked) {
      isBlocked = true;
      sink.onceRoom(() => {
        isBlocked = false;
        source.resume();
      });
    }
    return !isBlocked;
  }

  function finish(): void {
    if (isEnded) return;
    isEnded = true;
    forward(splitter.end());
    source.destroy();
    announceEnd();
  }

  const source = open((chunk) => {
    chunks += 1;
    return forward(splitter.push(chunk));
  });
  source.on('error', finish);
  source.on('close', finish);

  return {
    async drained(limitMs) {
      const deadlineMs = systemClock.now() + limitMs;
      while (!isEnded) {
        const chunksBefore = chunks;
        const leftMs = deadlineMs - systemClock.now();
        await settledWithin(ended, Math.min(quietMs, leftMs));
        const isQuiet = chunks === chunksBefore && !isBlocked;
        if (isQuiet || leftMs <= quietMs) finish();
      }
    },
  };
}

/**
 * Resolves when `ended` does, or after `ms` and one more look at the descriptors: when the event loop was busy for longer
 * than `ms`, its timers run before it reads what has come meanwhile.
 */
function settledWithin(ended: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => setImmediate(resolve), Math.max(0, ms));
    void ended.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
