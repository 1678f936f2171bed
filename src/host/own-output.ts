/**
 * tandem's own `process.stdout` and `process.stderr`, for a few words: plain writes, which leave the descriptor as it is.
 *
 * Node's own streams make the open file non-blocking, and they come unasked: every socket that is destroyed compares itself
 * with `process.stderr`. Children that inherit the output share that open file, and what they write into a full pipe would
 * fail with EAGAIN. What may be much goes through output-sink.ts.
 */
import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';

/** How long to wait before a full pipe is tried again that somebody else has made non-blocking. */
const retryMs = 10;

/** Writes at once, and waits for a slow reader. That nobody reads is no error: there is nobody to tell. */
export class PlainWriter extends Writable {
  readonly fd: number;

  constructor(descriptor: number) {
    super();
    this.fd = descriptor;
  }

  get isTTY(): boolean {
    return isatty(this.fd);
  }

  override _write(bytes: Buffer, encoding: BufferEncoding, done: () => void): void {
    try {
      const written = writeSync(this.fd, bytes);
      if (written < bytes.length) this._write(bytes.subarray(written), encoding, done);
      else done();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') done();
      else setTimeout(() => this._write(bytes, encoding, done), retryMs);
    }
  }
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
