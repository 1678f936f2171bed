/** A server that speaks streamable HTTP on a port of its container: requests are handed on as they are, streams as they flow. */
import {
  Agent,
  request as ask,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exchange, McpUpstream, SessionWatch } from './upstream.ts';

/** What is MCP's or says what the body is. All else (cookies, the fleet's own token) ends here. */
const handedOn = ['accept', 'content-type', 'mcp-session-id', 'mcp-protocol-version', 'last-event-id', 'user-agent'];
const handedBack = ['content-type', 'mcp-session-id', 'cache-control', 'allow', 'retry-after'];

/** Servers close idle connections after 5 s (Node, uvicorn): a request on its way just then would be lost. */
const idleConnectionMs = 4_000;

/** How long after a failed knock the next one comes. */
const knockMs = 20;

export class HttpUpstream implements McpUpstream {
  readonly endpoint: string;
  /** Each request has a connection of its own, and fails by itself. */
  readonly isLost = false;
  readonly #stillRuns: (signal: AbortSignal) => Promise<void>;
  readonly #agent = new Agent({ keepAlive: true, timeout: idleConnectionMs });
  readonly #place: { readonly hostname: string; readonly port: string; readonly path: string };
  #isConnected = false;

  /**
   * @param endpoint the URL of MCP in the container
   * @param stillRuns asked after each knock that nobody answered; rejects if nobody will
   */
  constructor(endpoint: string, stillRuns: (signal: AbortSignal) => Promise<void>) {
    this.endpoint = endpoint;
    const { hostname, port, pathname, search } = new URL(endpoint);
    this.#place = { hostname, port, path: pathname + search };
    this.#stillRuns = stillRuns;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  async connect(signal: AbortSignal): Promise<void> {
    while (!(await this.#knock(signal))) {
      await this.#stillRuns(signal);
      await sleep(knockMs, undefined, { signal });
    }
    this.#isConnected = true;
  }

  async handle({ request, response, body }: Exchange, watch: SessionWatch): Promise<void> {
    const answer = await this.#ask(request, body, (asked) => {
      // The client's hanging up is the server's, too.
      response.once('close', () => asked.destroy());
    }).catch((error: Error) => error);
    if (answer instanceof Error) {
      if (response.destroyed) return;
      throw answer;
    }
    const { statusCode: status = 502, headers } = answer;
    const id = request.headers['mcp-session-id'];
    const given = headers['mcp-session-id'];
    // Nothing but the answer to a greeting names a session to somebody who has none.
    if (id === undefined && typeof given === 'string' && status < 300) watch.opened(given);
    const isOver = status === 404 || (request.method === 'DELETE' && status < 300);
    if (typeof id === 'string' && isOver) watch.closed(id);
    await handBack(answer, response);
  }

  forget(id: string): void {
    const asked = ask({ ...this.#place, method: 'DELETE', headers: { 'mcp-session-id': id }, agent: this.#agent });
    asked.on('response', (answer) => answer.resume()).on('error', () => {});
    asked.end();
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Whether somebody speaks HTTP there; what is said does not matter, as MCP says much with 4xx. */
  #knock(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const asked = ask({ ...this.#place, method: 'OPTIONS', agent: this.#agent, signal });
      asked.on('response', (answer) => {
        answer.resume();
        resolve(true);
      });
      asked.on('error', (error) => (signal.aborted ? reject(error) : resolve(false)));
      asked.end();
    });
  }

  #ask(
    from: IncomingMessage,
    body: Buffer | undefined,
    begun: (asked: ClientRequest) => void,
  ): Promise<IncomingMessage> {
    const headers = only(from.headers, handedOn);
    if (body !== undefined) headers['content-length'] = String(body.length);
    return new Promise((resolve, reject) => {
      const asked = ask({ ...this.#place, method: from.method ?? 'GET', headers, agent: this.#agent });
      asked.on('response', resolve).on('error', reject);
      begun(asked);
      asked.end(body);
    });
  }
}

/** Until all of it is there, or one of the two has gone. */
function handBack(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers: OutgoingHttpHeaders = only(answer.headers, handedBack);
  const length = Number(answer.headers['content-length'] ?? Number.NaN);
  if (!Number.isNaN(length)) headers['content-length'] = length;
  response.writeHead(answer.statusCode ?? 502, headers);
  // With the first of the body in one write; but a stream's first event may be far away, and the client is to know that it has one.
  const soon = setImmediate(() => response.flushHeaders());
  return new Promise((resolve) => {
    response.once('close', () => {
      clearImmediate(soon);
      resolve();
    });
    // A stream that broke off is not to look like one that ended.
    answer.on('error', () => response.destroy());
    answer.pipe(response);
  });
}

function only(headers: IncomingHttpHeaders, names: readonly string[]): IncomingHttpHeaders {
  const some: IncomingHttpHeaders = {};
  for (const name of names) if (headers[name] !== undefined) some[name] = headers[name];
  return some;
}
