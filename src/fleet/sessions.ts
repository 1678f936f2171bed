/**
 * Who is in a session with which server. A session keeps its server running until the client ends it, until its server is
 * gone, or until it was not heard of for long enough: most clients go without a word.
 */
import type { Clock } from '../core/ports.ts';
import type { Lease } from './server.ts';
import type { McpUpstream } from './transport/upstream.ts';

interface Entry {
  readonly server: string;
  readonly id: string;
  /** What keeps the server running for it. */
  readonly lease: Lease<McpUpstream>;
  /** Heard when the server is gone. */
  readonly gone: () => void;
  /** Requests and streams of it that are not over. */
  open: number;
  quietSinceMs: number;
}

export class Sessions {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** By server and id: each server makes ids of its own. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** How many there are, of a server or of all. */
  count(server?: string): number {
    if (server === undefined) return this.#entries.size;
    return [...this.#entries.values()].filter((entry) => entry.server === server).length;
  }

  begin(server: string, id: string, lease: Lease<McpUpstream>): void {
    this.finish(server, id); // a server that gives an id once more has forgotten whom it gave it to
    const gone = () => this.finish(server, id);
    this.#entries.set(keyOf(server, id), { server, id, lease, gone, open: 0, quietSinceMs: this.#clock.now() });
    if (lease.lost.aborted) gone();
    else lease.lost.addEventListener('abort', gone, { once: true });
  }

  /** The client ended it, or its server did. */
  finish(server: string, id: string): void {
    const entry = this.#entries.get(keyOf(server, id));
    if (!entry) return;
    this.#entries.delete(keyOf(server, id));
    // A server that is always on would keep one for every session that ever was.
    entry.lease.lost.removeEventListener('abort', entry.gone);
    entry.lease.release();
  }

  /**
   * A request or a stream of it begins: on the run of the server that it began with, and with no other.
   * @returns a hold of its own, to be released when it is over; absent: the server has no such session
   */
  enter(server: string, id: string): Lease<McpUpstream> | undefined {
    const entry = this.#entries.get(keyOf(server, id));
    if (!entry) return undefined;
    entry.open += 1;
    const lease = entry.lease.again();
    let isOver = false;
    return {
      ...lease,
      release: () => {
        lease.release();
        if (isOver) return;
        isOver = true;
        entry.open -= 1;
        entry.quietSinceMs = this.#clock.now();
      },
    };
  }

  /** Ends those that were quiet for too long, now and then, until aborted. */
  async run(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      await this.#clock.sleep(Math.max(100, Math.min(this.#timeoutMs / 4, 30_000)), scope);
      const before = this.#clock.now() - this.#timeoutMs;
      for (const { server, id, open, quietSinceMs, lease } of this.#entries.values()) {
        if (open > 0 || quietSinceMs > before) continue;
        lease.upstream.forget(id);
        this.finish(server, id);
      }
    }
  }
}

/** A server's name has no space in it. */
const keyOf = (server: string, id: string): string => `${server} ${id}`;
