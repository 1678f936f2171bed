/**
 * One stream of one process: read in chunks, cut into lines, formatted, handed to a sink; paused while that is full.
 * It owns the reading end and ends it, at the latest when `drained` has run out.
 */
import type { Readable } from 'node:stream';
import { systemClock } from './clock.ts';
import type { Format } from './output-format.ts';
import { type LineBlock, makeLineSplitter } from './output-lines.ts';
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

/** Starts reading; goes on until the source ends. */
export function readStream(source: Readable, format: Format, sink: Sink): OutputStream {
  const splitter = makeLineSplitter();
  let chunks = 0;
  let isEnded = false;
  let isBlocked = false;
  let announceEnd: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    announceEnd = resolve;
  });

  function forward(blocks: readonly LineBlock[]): void {
    let hasRoom = true;
    for (const block of blocks) hasRoom = sink.write(format(block));
    if (hasRoom || isBlocked) return;
    isBlocked = true;
    source.pause();
    sink.onceRoom(() => {
      isBlocked = false;
      source.resume();
    });
  }

  function finish(): void {
    if (isEnded) return;
    isEnded = true;
    forward(splitter.end());
    source.destroy();
    announceEnd();
  }

  source.on('data', (chunk: Buffer) => {
    chunks += 1;
    forward(splitter.push(chunk));
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
