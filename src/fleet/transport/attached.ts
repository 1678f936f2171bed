/** MCP over a container's stdin and stdout, as the SDK's transports are used. Lines on stderr are somebody else's. */
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import type { Attachment } from '../engine.ts';

export class AttachedTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #attachment: Attachment;
  readonly #buffer = new ReadBuffer();
  #isStarted = false;
  #isClosed = false;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
  }

  /** Once more: nothing. */
  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { stdin, stdout, stderr } = this.#attachment;
    const end = () => void this.close();
    stdout.on('data', (chunk: Buffer) => this.#take(chunk)).on('end', end);
    stdout.on('error', end);
    stdin.on('error', end);
    // Nobody reads it here; what is not read would hold the server up.
    stderr.resume();
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new Error('the server is gone'));
      this.#attachment.stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#attachment.close();
    this.onclose?.();
  }

  #take(chunk: Buffer): void {
    try {
      this.#buffer.append(chunk);
    } catch (error) {
      // A line longer than the SDK takes: what came of it is lost, and with it somebody's answer.
      this.onerror?.(error as Error);
      void this.close();
      return;
    }
    while (this.#takeLine()) {}
  }

  /** @returns false if there is no whole line */
  #takeLine(): boolean {
    try {
      const message = this.#buffer.readMessage();
      if (message === null) return false;
      this.onmessage?.(message);
    } catch (error) {
      // No message, as of a server that greets people on stdout: it is left out.
      this.onerror?.(error as Error);
    }
    return true;
  }
}
