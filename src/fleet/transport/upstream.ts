/** How the fleet speaks to a server that runs, whichever transport that has. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Upstream } from '../workshop.ts';

/** One HTTP request at `/mcp/NAME`. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The body of a POST, as it came; absent: there is none. */
  readonly body: Buffer | undefined;
}

/** Told when a session begins and ends. */
export interface SessionWatch {
  opened(id: string): void;
  closed(id: string): void;
}

export interface McpUpstream extends Upstream {
  /** Answers it; resolves when the response is over, also where the client went away. */
  handle(exchange: Exchange, watch: SessionWatch): Promise<void>;
  /** The client has not been heard of for too long, or the server is closed to it. */
  forget(id: string): void;
}
