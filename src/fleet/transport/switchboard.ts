/**
 * Many sessions, one server that knows only one: JSON-RPC messages are given numbers of our own on the way in, and answers
 * find the way back by them. So nobody ever sees an answer that is somebody else's.
 *
 * The server is greeted once, by the fleet, which offers it nothing (no sampling, no roots, no elicitation): a question of
 * the server's could be meant for any client. Each client's greeting is answered with what the server said to ours, in a
 * version of MCP that the client knows.
 */
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type {
  JSONRPCErrorResponse,
  JSONRPCMessage,
  JSONRPCNotification,
  JSONRPCRequest,
  JSONRPCResultResponse,
  RequestId,
  Result,
} from '@modelcontextprotocol/sdk/types.js';
import { latestProtocolVersion, supportedProtocolVersions } from './sdk.ts';

type Token = string | number;

/** A client's side. */
export interface Session {
  /** Takes what is for this client. @param relatedRequestId the request of the client's that it belongs to */
  send(message: JSONRPCMessage, relatedRequestId?: RequestId): void;
}

/** A request that the server has not answered. */
interface Pending {
  readonly session: Session;
  readonly id: RequestId;
  /** What the client calls its progress. */
  readonly progressToken?: Token | undefined;
}

const methodNotFound = -32_601;
const gone = { code: -32_000, message: 'the server is gone' } as const;

export class Switchboard {
  readonly #server: Transport;
  readonly #sessions = new Set<Session>();
  readonly #pending = new Map<RequestId, Pending>();
  readonly #subscribers = new Map<string, Set<Session>>();
  #greeting: Result | undefined;
  #greeted: ((result: Result | Error) => void) | undefined;
  #last = 0;

  /** @param server not started yet */
  constructor(server: Transport) {
    this.#server = server;
    server.onmessage = (message) => this.#fromServer(message);
  }

  /**
   * Starts the transport and greets the server.
   * @throws Error if the server refuses, or the transport closes
   */
  async open(clientInfo: { readonly name: string; readonly version: string }): Promise<void> {
    const answered = new Promise<Result | Error>((resolve) => {
      this.#greeted = resolve;
    });
    const closed = this.#server.onclose;
    this.#server.onclose = () => {
      this.#greeted?.(new Error('the server closed its output before it answered "initialize"'));
      this.close();
      closed?.();
    };
    await this.#server.start();
    const params = { protocolVersion: latestProtocolVersion, capabilities: {}, clientInfo: { ...clientInfo } };
    await this.#server.send({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
    const result = await answered;
    if (result instanceof Error) throw result;
    this.#greeting = result;
    await this.#server.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  }

  /** A client comes. */
  join(session: Session): void {
    this.#sessions.add(session);
  }

  /** A client goes: what it still waits for is cancelled. */
  leave(session: Session): void {
    this.#sessions.delete(session);
    for (const [number, pending] of this.#pending) {
      if (pending.session === session) this.#cancel(number, 'the client is gone');
    }
    for (const [uri, subscribers] of this.#subscribers) {
      if (subscribers.delete(session) && subscribers.size === 0) this.#unsubscribe(uri);
    }
  }

  /** The client hangs up on one of its requests. */
  abandon(session: Session, id: RequestId): void {
    const number = this.#numberOf(session, id);
    if (number !== undefined) this.#cancel(number, 'the client hung up');
  }

  /** From a client. */
  receive(session: Session, message: JSONRPCMessage): void {
    if (isRequest(message)) this.#request(session, message);
    else if (isNotification(message)) this.#notification(session, message);
    // Answers are to questions that nobody asked.
  }

  /** Whoever waits is told that there will be no answer. */
  close(): void {
    for (const { session, id } of this.#pending.values()) {
      session.send({ jsonrpc: '2.0', id, error: gone }, id);
    }
    this.#pending.clear();
    this.#sessions.clear();
  }

  #request(session: Session, message: JSONRPCRequest): void {
    const { id, method, params } = message;
    if (method === 'initialize') {
      session.send({ jsonrpc: '2.0', id, result: this.#greetingFor(params?.['protocolVersion']) }, id);
      return;
    }
    this.#last += 1;
    const number = this.#last;
    const progressToken = params?._meta?.progressToken;
    this.#pending.set(number, { session, id, progressToken });
    const uri = params?.['uri'];
    if (method === 'resources/subscribe' && typeof uri === 'string') this.#subscribersOf(uri).add(session);
    if (method === 'resources/unsubscribe' && typeof uri === 'string') {
      const subscribers = this.#subscribersOf(uri);
      subscribers.delete(session);
      // The server knows of one subscription; it stays for the others.
      if (subscribers.size > 0) {
        this.#answer(number, { result: {} });
        return;
      }
    }
    const withToken =
      progressToken === undefined ? params : { ...params, _meta: { ...params?._meta, progressToken: number } };
    const request = { jsonrpc: '2.0' as const, id: number, method, ...(withToken && { params: withToken }) };
    // `close` has answered those before it.
    this.#server.send(request).catch(() => this.#answer(number, { error: gone }));
  }

  /** A client hangs up when it hears of a version that it does not know: an older one than the server's stays its own. */
  #greetingFor(version: unknown): Result {
    const { protocolVersion, ...rest } = this.#greeting ?? {};
    const isOlder = supportedProtocolVersions.some((known) => known === version && known < String(protocolVersion));
    return { ...rest, protocolVersion: isOlder ? version : protocolVersion };
  }

  #notification(session: Session, message: JSONRPCNotification): void {
    const { method, params } = message;
    if (method === 'notifications/initialized') return;
    if (method !== 'notifications/cancelled') {
      this.#tell(message);
      return;
    }
    const number = this.#numberOf(session, params?.['requestId'] as RequestId);
    if (number === undefined) return;
    this.#pending.delete(number);
    this.#tell({ ...message, params: { ...params, requestId: number } });
  }

  #fromServer(message: JSONRPCMessage): void {
    if (isRequest(message)) this.#question(message);
    else if (isNotification(message)) this.#announce(message);
    else if (message.id === 0) this.#greeted?.(greetingOf(message));
    else if (message.id === undefined) return;
    else if (isResult(message)) this.#answer(message.id, { result: message.result });
    else this.#answer(message.id, { error: message.error });
  }

  #answer(number: RequestId, body: { result: Result } | { error: { code: number; message: string; data?: unknown } }) {
    const pending = this.#pending.get(number);
    if (!pending) return;
    this.#pending.delete(number);
    pending.session.send({ jsonrpc: '2.0', id: pending.id, ...body }, pending.id);
  }

  /** The server asks: only whether somebody is there can be answered for everybody. */
  #question({ id, method }: JSONRPCRequest): void {
    if (method === 'ping') {
      this.#tell({ jsonrpc: '2.0', id, result: {} });
      return;
    }
    const error = {
      code: methodNotFound,
      message: `"${method}" was not offered: this server is shared by several clients`,
    };
    this.#tell({ jsonrpc: '2.0', id, error });
  }

  #announce(message: JSONRPCNotification): void {
    const { method, params } = message;
    if (method === 'notifications/progress') {
      const pending = this.#pending.get(params?.['progressToken'] as Token);
      if (pending?.progressToken === undefined) return;
      const own = { ...message, params: { ...params, progressToken: pending.progressToken } };
      pending.session.send(own, pending.id);
      return;
    }
    const isForSome = method === 'notifications/resources/updated';
    const receivers = isForSome ? this.#subscribers.get(String(params?.['uri'])) : this.#sessions;
    for (const session of receivers ?? []) session.send(message);
  }

  #cancel(number: RequestId, reason: string): void {
    this.#pending.delete(number);
    this.#tell({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: number, reason } });
  }

  #unsubscribe(uri: string): void {
    this.#subscribers.delete(uri);
    this.#last += 1;
    this.#tell({ jsonrpc: '2.0', id: this.#last, method: 'resources/unsubscribe', params: { uri } });
  }

  #subscribersOf(uri: string): Set<Session> {
    const known = this.#subscribers.get(uri) ?? new Set();
    this.#subscribers.set(uri, known);
    return known;
  }

  #numberOf(session: Session, id: RequestId): RequestId | undefined {
    for (const [number, pending] of this.#pending) {
      if (pending.session === session && pending.id === id) return number;
    }
    return undefined;
  }

  /** What cannot be sent any more is answered by `close`. */
  #tell(message: JSONRPCMessage): void {
    this.#server.send(message).catch(() => {});
  }
}

// Transports take nothing but messages: what is left to ask is which.
const isRequest = (message: JSONRPCMessage): message is JSONRPCRequest => 'method' in message && 'id' in message;
const isNotification = (message: JSONRPCMessage): message is JSONRPCNotification =>
  'method' in message && !('id' in message);
const isResult = (message: JSONRPCMessage): message is JSONRPCResultResponse => 'result' in message;

function greetingOf(message: JSONRPCResultResponse | JSONRPCErrorResponse): Result | Error {
  return isResult(message) ? message.result : new Error(message.error.message);
}
