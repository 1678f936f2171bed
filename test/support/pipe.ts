/** A real pipe, without native help: a FIFO that is opened at both ends and unlinked. */
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `[readEnd, writeEnd]`, both close-on-exec. The caller closes them. */
export function makePipe(): [number, number] {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-pipe-'));
  const path = join(directory, 'pipe');
  try {
    execFileSync('mkfifo', [path]);
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return [readEnd, openSync(path, constants.O_WRONLY)];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What has come out of the reading end so far; reading starts with the first call of `start`. */
export class PipeReader {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];

  constructor(readEnd: number) {
    this.#socket = new Socket({ fd: readEnd, readable: true, writable: false });
    this.#socket.pause();
  }

  start(): this {
    this.#socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.#socket.resume();
    return this;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  /** The complete lines so far. */
  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  /** Goes away, as a reader that dies does. */
  close(): void {
    this.#socket.destroy();
  }
}
