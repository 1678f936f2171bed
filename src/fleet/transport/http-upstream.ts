/** A server that speaks streamable HTTP on a port of its container: requests are handed on as they are, streams as they flow. */
import { Agent, request as ask, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import type { Exchange, McpUpstream, SessionWatch } from './upstream.ts';

/** What is MCP's or says what the body is. All else (cookies, the fleet's own token) ends here. */
const handedOn = ['accept', 'content-type', 'mcp-session-id', 'mcp-protocol-version', 'last-event-id', 'user-agent'];
const handedBack = ['content-type', 'mcp-session-id', 'cache-control', 'allow', 'retry-after'];

/** How long after a failed knock the next one comes. */
const knockMs = 20;

export class HttpUpstream implements McpUpstream {
  readonly endpoint: string;
  readonly #stillRuns: (signal: AbortSignal) => Promise<void>;
  readonly #agent = new Agent({ keepAlive: true });
  #isConnected = false;

  /**
   * @param endpoint the URL of MCP in the container
   * @param stillRuns asked after each knock that nobody answered; rejects if nobody will
   */
  constructor(endpoint: string, stillRuns: (signal: AbortSignal) => Promise<void>) {
    this.endpoint = endpoint;
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
    const id = request.headers['mcp-session-id'];
    const given = answer.headers['mcp-session-id'];
    if (isInitializeRequest(body) && typeof given === 'string') watch.opened(given);
    const isOver = answer.statusCode === 404 || (request.method === 'DELETE' && (answer.statusCode ?? 500) < 300);
    if (typeof id === 'string' && isOver) watch.closed(id);
    response.writeHead(answer.statusCode ?? 502, only(answer.headers, handedBack));
    // A stream's first event may be far away: the client is to know now that it has one.
    response.flushHeaders();
    await pipeline(answer, response).catch(() => response.destroy());
  }

  forget(id: string): void {
    const asked = ask(this.endpoint, { method: 'DELETE', headers: { 'mcp-session-id': id }, agent: this.#agent });
    asked.on('response', (answer) => answer.resume()).on('error', () => {});
    asked.end();
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Whether somebody speaks HTTP there; what is said does not matter, as MCP says much with 4xx. */
  #knock(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const asked = ask(this.endpoint, { method: 'OPTIONS', agent: this.#agent, signal });
      asked.on('response', (answer) => {
        answer.resume();
        resolve(true);
      });
      asked.on('error', (error) => (signal.aborted ? reject(error) : resolve(false)));
      asked.end();
    });
  }

  #ask(from: IncomingMessage, body: unknown, begun: (asked: ClientRequest) => void): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const length = text === undefined ? {} : { 'content-length': Buffer.byteLength(text) };
    const headers = { ...only(from.headers, handedOn), ...length };
    return new Promise((resolve, reject) => {
      const asked = ask(this.endpoint, { method: from.method ?? 'GET', headers, agent: this.#agent });
      asked.on('response', resolve).on('error', reject);
      begun(asked);
      asked.end(text);
    });
  }
}

const only = (headers: IncomingHttpHeaders, names: readonly string[]): IncomingHttpHeaders =>
  Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
