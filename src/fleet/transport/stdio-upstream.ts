/** A server on stdin and stdout, seen as streamable HTTP: the SDK's transport a session, and a switchboard behind all of them. */
import { randomUUID } from 'node:crypto';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest, isJSONRPCRequest, type RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Attachment } from '../engine.ts';
import { orAborted } from '../or-aborted.ts';
import { AttachedTransport } from './attached.ts';
import { type Session, Switchboard } from './switchboard.ts';
import type { Exchange, McpUpstream, SessionWatch } from './upstream.ts';

interface Client extends Session {
  readonly transport: StreamableHTTPServerTransport;
}

export class StdioUpstream implements McpUpstream {
  readonly endpoint = 'stdio';
  readonly #server: AttachedTransport;
  readonly #board: Switchboard;
  readonly #greet: () => Promise<void>;
  readonly #clients = new Map<string, Client>();
  #greeted: Promise<void> | undefined;
  #isConnected = false;

  /** @param ended called when it is heard no more */
  constructor(
    attachment: Attachment,
    clientInfo: { readonly name: string; readonly version: string },
    ended: () => void,
  ) {
    this.#server = new AttachedTransport(attachment);
    this.#server.onclose = ended;
    this.#board = new Switchboard(this.#server);
    // What it says before anybody greets it is not kept.
    void this.#server.start();
    this.#greet = () => this.#board.open(clientInfo);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** It is greeted once; who waits for its answer may change. */
  async connect(signal: AbortSignal): Promise<void> {
    this.#greeted ??= this.#greet().then(() => {
      this.#isConnected = true;
    });
    await orAborted(this.#greeted, signal);
  }

  async handle({ request, response, body }: Exchange, watch: SessionWatch): Promise<void> {
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? this.#clients.get(id) : undefined;
    const client = known ?? (await this.#welcome(watch));
    const over = new Promise<void>((resolve) => {
      response.once('close', () => {
        if (!response.writableFinished) this.#abandon(client, body);
        resolve();
      });
    });
    // What is no greeting and has no session is refused by the transport itself.
    await client.transport.handleRequest(request, response, body);
    await over;
    if (!known && !client.transport.sessionId) await client.transport.close();
  }

  forget(id: string): void {
    void this.#clients.get(id)?.transport.close();
  }

  close(): void {
    for (const { transport } of this.#clients.values()) void transport.close();
    void this.#server.close();
  }

  async #welcome({ opened, closed }: SessionWatch): Promise<Client> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => {
        this.#clients.set(id, client);
        this.#board.join(client);
        opened(id);
      },
    });
    const client: Client = {
      transport,
      send: (message, relatedRequestId) => {
        const options = relatedRequestId === undefined ? {} : { relatedRequestId };
        // Nobody is there to take it: the client has hung up, or has no stream open.
        transport.send(message, options).catch(() => {});
      },
    };
    transport.onmessage = (message) => this.#board.receive(client, message);
    transport.onclose = () => {
      this.#board.leave(client);
      const { sessionId } = transport;
      if (sessionId === undefined || !this.#clients.delete(sessionId)) return;
      closed(sessionId);
    };
    await transport.start();
    return client;
  }

  /** Whoever hangs up on a request does not want its answer. */
  #abandon(client: Client, body: unknown): void {
    for (const id of requestsIn(body)) this.#board.abandon(client, id);
  }
}

function requestsIn(body: unknown): RequestId[] {
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  return messages.flatMap((one) => (isJSONRPCRequest(one) && !isInitializeRequest(one) ? [one.id] : []));
}
