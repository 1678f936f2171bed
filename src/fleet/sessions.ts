/**
 * Who is in a session with which server. A session keeps its server running until the client ends it, until its server is
 * gone, or until it was not heard of for long enough: most clients go without a word.
 */
import type { Clock } from '../core/ports.ts';

export interface SessionEnd {
  /** The server is not kept for it any more. */
  release(): void;
  /** It was not heard of for too long. */
  expire(): void;
}

interface Entry {
  readonly server: string;
  readonly end: SessionEnd;
  /** Requests and streams of it that are not over. */
  open: number;
  quietSinceMs: number;
}

export class Sessions {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
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

  has(server: string, id: string): boolean {
    return this.#entries.get(id)?.server === server;
  }

  begin(server: string, id: string, end: SessionEnd): void {
    this.#entries.set(id, { server, end, open: 0, quietSinceMs: this.#clock.now() });
  }

  /** The client ended it, or its server did. */
  finish(id: string): void {
    const entry = this.#entries.get(id);
    if (!this.#entries.delete(id)) return;
    entry?.end.release();
  }

  /** A request or a stream of it begins. @returns to be called when it is over */
  enter(id: string): () => void {
    const entry = this.#entries.get(id);
    if (!entry) return () => {};
    entry.open += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      entry.open -= 1;
      entry.quietSinceMs = this.#clock.now();
    };
  }

  /** Ends those that were quiet for too long, now and then, until aborted. */
  async run(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      await this.#clock.sleep(Math.max(100, Math.min(this.#timeoutMs / 4, 30_000)), scope);
      const before = this.#clock.now() - this.#timeoutMs;
      for (const [id, { open, quietSinceMs, end }] of this.#entries) {
        if (open > 0 || quietSinceMs > before) continue;
        end.expire();
        this.finish(id);
      }
    }
  }
}
