/**
 * The answer to one request over streamable HTTP: JSON where it comes soon and alone, which is one write, else a stream of
 * events with the answer as its last. The client has said that it takes both.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 */
import type { ServerResponse } from 'node:http';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';

/** Who waits longer is to see that somebody works on it, and so is whatever stands between. */
const patienceMs = 1_000;
/** As the SDK's own transport does it. */
const keepAliveMs = 15_000;

export class Answer {
  readonly #response: ServerResponse;
  readonly #sessionId: string;
  #timer: NodeJS.Timeout;
  #isStream = false;

  constructor(response: ServerResponse, sessionId: string) {
    this.#response = response;
    this.#sessionId = sessionId;
    this.#timer = setTimeout(() => this.#stream(), patienceMs).unref();
    response.once('close', () => clearTimeout(this.#timer));
  }

  /** What belongs to the request and comes before its answer. */
  tell(message: JSONRPCMessage): void {
    this.#stream();
    this.#response.write(eventOf(message));
  }

  /** The answer itself: it is over. */
  end(message: JSONRPCMessage): void {
    if (this.#isStream) {
      this.#response.end(eventOf(message));
      return;
    }
    const text = JSON.stringify(message);
    const length = Buffer.byteLength(text);
    this.#response.writeHead(200, { ...this.#headersOf('application/json'), 'content-length': length });
    // With its headers in one write.
    this.#response.end(text);
  }

  /** There will be none, as the client has cancelled the request. */
  withdraw(): void {
    this.#stream();
    this.#response.end();
  }

  /** There will be none: the session is over. */
  abort(): void {
    if (this.#isStream) {
      this.#response.end();
      return;
    }
    const error = { jsonrpc: '2.0', error: { code: -32_001, message: 'Session not found' }, id: null };
    this.#response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify(error));
  }

  #stream(): void {
    if (this.#isStream || this.#response.headersSent) return;
    this.#isStream = true;
    clearTimeout(this.#timer);
    const more = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' };
    this.#response.writeHead(200, { ...this.#headersOf('text/event-stream'), ...more });
    this.#response.flushHeaders();
    this.#timer = setInterval(() => this.#response.write(': keepalive\n\n'), keepAliveMs).unref();
  }

  #headersOf(type: string) {
    return { 'content-type': type, 'mcp-session-id': this.#sessionId };
  }
}

const eventOf = (message: JSONRPCMessage): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`;
