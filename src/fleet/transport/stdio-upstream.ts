/**
 * A server on stdin and stdout, seen as streamable HTTP: the SDK's transport a session, and a switchboard behind all of them.
 * Sessions, their streams, and whatever is out of the ordinary are the SDK's; a plain request in a session is answered
 * by itself (`answer.ts`), without the web's streams that the SDK's transport goes through.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { JSONRPCMessage, JSONRPCRequest, RequestId } from '@modelcontextprotocol/sdk/types.js';
import { type Attachment, EngineError } from '../engine.ts';
import { orAborted } from '../or-aborted.ts';
import { Answer } from './answer.ts';
import { AttachedTransport } from './attached.ts';
import { isCall } from './messages.ts';
import { loadSdk, supportedProtocolVersions } from './sdk.ts';
import { type Session, Switchboard } from './switchboard.ts';
import type { Exchange, McpUpstream, SessionWatch } from './upstream.ts';

interface Client extends Session {
  readonly transport: StreamableHTTPServerTransport;
  /** Of the requests that are not answered by the transport. */
  readonly answers: Map<RequestId, Answer>;
}

export interface StdioServer {
  readonly attachment: Attachment;
  readonly clientInfo: { readonly name: string; readonly version: string };
  /** Called when it is heard no more. */
  ended(): void;
  /** Why it did not answer, if the engine knows. */
  why(): Promise<string | undefined>;
}

const parseError = { jsonrpc: '2.0', error: { code: -32_700, message: 'Parse error: Invalid JSON' }, id: null };

export class StdioUpstream implements McpUpstream {
  readonly endpoint = 'stdio';
  readonly #server: AttachedTransport;
  readonly #board: Switchboard;
  readonly #greet: () => Promise<void>;
  readonly #clients = new Map<string, Client>();
  #greeted: Promise<void> | undefined;
  #isConnected = false;
  #isLost = false;

  constructor({ attachment, clientInfo, ended, why }: StdioServer) {
    this.#server = new AttachedTransport(attachment);
    this.#server.onclose = () => {
      this.#isLost = true;
      ended();
    };
    this.#board = new Switchboard(this.#server);
    // What it says before anybody greets it is not kept.
    void this.#server.start();
    this.#greet = async () => {
      const refusal = await this.#board.open(clientInfo).catch((error: Error) => error);
      if (refusal) throw new EngineError('refused', (await why()) ?? refusal.message, { cause: refusal });
      this.#isConnected = true;
    };
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#isLost;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** It is greeted once; who waits for its answer may change. @throws EngineError if it will not answer */
  async connect(signal: AbortSignal): Promise<void> {
    this.#greeted ??= this.#greet();
    await orAborted(this.#greeted, signal);
  }

  async handle({ request, response, body }: Exchange, watch: SessionWatch): Promise<void> {
    const message = messageIn(body);
    if (message === unreadable) {
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(parseError));
      return;
    }
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? this.#clients.get(id) : undefined;
    if (known && isCall(message) && isOrdinary(request) && !known.answers.has(message.id)) {
      await this.#answer(known, message, response);
      return;
    }
    const client = known ?? (await this.#welcome(watch));
    const over = new Promise<void>((resolve) => {
      response.once('close', () => {
        if (!response.writableFinished) this.#abandon(client, message);
        resolve();
      });
    });
    // What is no greeting and has no session is refused by the transport itself.
    await client.transport.handleRequest(request, response, message);
    await over;
    if (!known && !client.transport.sessionId) await client.transport.close();
  }

  forget(id: string): void {
    void this.#clients.get(id)?.transport.close();
  }

  close(): void {
    // First of all, so that who waits for an answer is told while there is a stream for that.
    void this.#server.close();
    for (const { transport } of this.#clients.values()) void transport.close();
  }

  #answer(client: Client, message: JSONRPCRequest, response: ServerResponse): Promise<void> {
    client.answers.set(message.id, new Answer(response, client.transport.sessionId ?? ''));
    return new Promise((resolve) => {
      response.once('close', () => {
        if (!response.writableFinished) this.#board.abandon(client, message.id);
        client.answers.delete(message.id);
        resolve();
      });
      this.#board.receive(client, message);
    });
  }

  async #welcome({ opened, closed }: SessionWatch): Promise<Client> {
    const { StreamableHTTPServerTransport } = await loadSdk();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => {
        this.#clients.set(id, client);
        this.#board.join(client);
        opened(id);
      },
    });
    const answers = new Map<RequestId, Answer>();
    const client: Client = {
      transport,
      answers,
      send: (message, relatedRequestId) => {
        const answer = relatedRequestId === undefined ? undefined : answers.get(relatedRequestId);
        if (answer) {
          if ('method' in message) answer.tell(message);
          else answer.end(message);
          return;
        }
        const options = relatedRequestId === undefined ? {} : { relatedRequestId };
        // Nobody is there to take it: the client has hung up, or has no stream open.
        transport.send(message, options).catch(() => {});
      },
    };
    transport.onmessage = (message) => {
      this.#board.receive(client, message);
      // What is cancelled is not answered: without this its stream would be open for as long as the session is.
      const cancelled = cancelledBy(message);
      if (cancelled !== undefined) answers.get(cancelled)?.withdraw();
    };
    transport.onclose = () => {
      this.#board.leave(client);
      for (const answer of answers.values()) answer.abort();
      const { sessionId } = transport;
      if (sessionId === undefined || !this.#clients.delete(sessionId)) return;
      closed(sessionId);
    };
    await transport.start();
    return client;
  }

  /** Whoever hangs up on a request does not want its answer. */
  #abandon(client: Client, message: unknown): void {
    const messages: unknown[] = Array.isArray(message) ? message : [message];
    for (const one of messages) if (isCall(one)) this.#board.abandon(client, one.id);
  }
}

function cancelledBy(message: JSONRPCMessage): RequestId | undefined {
  if (!('method' in message) || message.method !== 'notifications/cancelled') return undefined;
  return message.params?.['requestId'] as RequestId | undefined;
}

/** A request's headers are as every client's are; what is not is refused by the SDK's transport, in its own words. */
function isOrdinary({ headers, method }: IncomingMessage): boolean {
  const { accept = '', 'mcp-protocol-version': version = '2025-03-26' } = headers;
  if (method !== 'POST' || !supportedProtocolVersions.some((known) => known === version)) return false;
  return accept.includes('application/json') && accept.includes('text/event-stream');
}

const unreadable = Symbol('no JSON');

function messageIn(body: Buffer | undefined): unknown {
  if (body === undefined) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    return unreadable;
  }
}
