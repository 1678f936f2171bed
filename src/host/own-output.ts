/**
 * tandem's own `process.stdout` and `process.stderr`, for a few words: plain writes, which leave the descriptor as it is.
 *
 * Node's own streams make the open file non-blocking, and they come unasked: every socket that is destroyed compares itself
 * with `process.stderr`. Children that inherit the output share that open file, and what they write into a full pipe would
 * fail with EAGAIN. What may be much goes through output-sink.ts.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';

/** How long to wait before a full pipe is tried again. */
const retryMs = 10;

/** The same pipe or terminal as an open file of our own, or nothing: sockets, other systems, missing permission. */
export function openAnew(descriptor: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
}

/**
 * Writes at once, and waits for a slow reader without blocking, except on a socket, which cannot be opened anew. That nobody
 * reads is no error: there is nobody to tell.
 */
export class PlainWriter extends Writable {
  readonly fd: number;
  #own: number | undefined;

  constructor(descriptor: number) {
    super();
    this.fd = descriptor;
  }

  get isTTY(): boolean {
    return isatty(this.fd);
  }

  override _write(bytes: Buffer, encoding: BufferEncoding, done: () => void): void {
    try {
      this.#own ??= canStall(this.fd) ? (openAnew(this.fd) ?? this.fd) : this.fd;
      const written = writeSync(this.#own, bytes);
      if (written < bytes.length) this._write(bytes.subarray(written), encoding, done);
      else done();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') done();
      else setTimeout(() => this._write(bytes, encoding, done), retryMs);
    }
  }
}

/** A file is written where its offset is: opened anew, it would be written from its beginning. */
function canStall(descriptor: number): boolean {
  return fstatSync(descriptor).isFIFO() || isatty(descriptor);
}

/** Puts plain writers in the place of Node's streams; to be called before anything has looked at those. */
export function writePlainly(): void {
  for (const [name, descriptor] of [
    ['stdout', 1],
    ['stderr', 2],
  ] as const) {
    let writer: PlainWriter | undefined;
    const get = () => {
      writer ??= new PlainWriter(descriptor);
      return writer;
    };
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get });
  }
}
