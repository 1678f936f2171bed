/** MCP over a container's stdin and stdout, as the SDK's transports are used. Lines on stderr are somebody else's. */
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import type { Attachment } from '../engine.ts';
import { isMessage } from './messages.ts';

const newline = 10;
/** As the SDK has it. */
const longestLineBytes = 10 * 1024 * 1024;

export class AttachedTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #attachment: Attachment;
  /** Of a line that is not over. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isGathering = false;
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
      this.#gather();
      this.#attachment.stdin.write(`${JSON.stringify(message)}\n`, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** What many clients ask in one turn of the event loop goes to the engine in one write. */
  #gather(): void {
    const { stdin } = this.#attachment;
    if (this.#isGathering) return;
    this.#isGathering = true;
    stdin.cork();
    setImmediate(() => {
      this.#isGathering = false;
      stdin.uncork();
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#attachment.close();
    this.onclose?.();
  }

  /** The SDK's own buffer copies all that it holds with each chunk of a long line. */
  #take(chunk: Buffer): void {
    let from = 0;
    for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
      const end = chunk.subarray(from, to);
      from = to + 1;
      const line = this.#held.length === 0 ? end : Buffer.concat([...this.#held, end]);
      this.#held = [];
      this.#heldBytes = 0;
      this.#takeLine(line.toString());
    }
    const rest = chunk.subarray(from);
    if (rest.length === 0) return;
    this.#held.push(rest);
    this.#heldBytes += rest.length;
    if (this.#heldBytes <= longestLineBytes) return;
    // A line longer than the SDK takes: what came of it is lost, and with it somebody's answer.
    this.#held = [];
    this.onerror?.(new Error(`a line of more than ${longestLineBytes} bytes`));
    void this.close();
  }

  #takeLine(line: string): void {
    try {
      const message: unknown = JSON.parse(line);
      if (!isMessage(message)) throw new Error('a line that is no JSON-RPC message');
      this.onmessage?.(message);
    } catch (error) {
      // No message, as of a server that greets people on stdout: it is left out.
      this.onerror?.(error as Error);
    }
  }
}
