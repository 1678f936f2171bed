/** A small MCP server over streamable HTTP, as it runs in a container: it remembers what reached it, and does what a test asks for. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Heard {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly response: ServerResponse;
  /** The caller hung up before it was answered. */
  isHungUp: boolean;
}

export class HttpMcp {
  readonly heard: Heard[] = [];
  readonly sessions = new Set<string>();
  /** Answers in place of the usual: absent, and the usual comes. */
  answer: ((heard: Heard) => boolean) | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => void this.#take(request, response));

  /** @returns the port */
  async listen(port = 0): Promise<number> {
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** All connections break. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What reached it but knocks. */
  get requests(): readonly Heard[] {
    return this.heard.filter(({ method }) => method !== 'OPTIONS');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', headers } = request;
    const heard = { method, headers, body: Buffer.concat(chunks).toString(), response, isHungUp: false };
    response.on('close', () => {
      heard.isHungUp = !response.writableFinished;
    });
    this.heard.push(heard);
    if (!this.answer?.(heard)) this.#usual(heard);
  }

  #usual({ method, headers, body, response }: Heard): void {
    const id = headers['mcp-session-id'];
    if (method === 'OPTIONS') return void response.writeHead(405).end();
    const message = body === '' ? {} : JSON.parse(body);
    if (message.method === 'initialize') return void this.#greet(message.id, response);
    if (typeof id !== 'string' || !this.sessions.has(id)) return void response.writeHead(404).end('no such session');
    if (method === 'DELETE') {
      this.sessions.delete(id);
      return void response.writeHead(200).end();
    }
    if (method === 'GET') return void response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    if (message.id === undefined) return void response.writeHead(202).end();
    response.writeHead(200, { 'content-type': 'application/json', 'x-own': 'inside', 'set-cookie': 'a=b' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { echo: message.params ?? null } }));
  }

  #greet(id: unknown, response: ServerResponse): void {
    const session = randomUUID();
    this.sessions.add(session);
    const result = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'http', version: '1' } };
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': session });
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  }
}

/** A client's side of the fleet's `/mcp/NAME`, without the SDK: every header and byte is seen. */
export class PlainClient {
  readonly #url: string;
  readonly #more: Readonly<Record<string, string>>;
  session: string | undefined;

  constructor(url: string, more: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#more = more;
  }

  async greet(): Promise<Response> {
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
    const answer = await this.post({ id: 0, method: 'initialize', params });
    this.session = answer.headers.get('mcp-session-id') ?? undefined;
    return answer;
  }

  post(message: object, signal?: AbortSignal): Promise<Response> {
    return this.#ask('POST', JSON.stringify({ jsonrpc: '2.0', ...message }), signal);
  }

  get(signal?: AbortSignal): Promise<Response> {
    return this.#ask('GET', undefined, signal);
  }

  end(): Promise<Response> {
    return this.#ask('DELETE', undefined, undefined);
  }

  #ask(method: string, body: string | undefined, signal: AbortSignal | undefined): Promise<Response> {
    const headers = {
      accept: 'application/json, text/event-stream',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(this.session !== undefined && { 'mcp-session-id': this.session }),
      ...this.#more,
    };
    return fetch(this.#url, { method, headers, ...(body !== undefined && { body }), ...(signal && { signal }) });
  }
}
