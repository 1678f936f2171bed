/** What can be done with the container of one server: where strategy ends and engine and transport begin. */
import type { Seen } from './engine.ts';

/** A server whose container runs. */
export interface Upstream {
  /** Where it is spoken to, for the curious: a URL, or `stdio`. */
  readonly endpoint: string;
  /** It has answered: clients may come. */
  readonly isConnected: boolean;
  /** It is heard no more, whatever its container does: what is asked of it now is never answered. */
  readonly isLost: boolean;
  /**
   * Speaks to it until it answers. Connected already: nothing. Aborted: rejects at once, and it may still answer later.
   * @throws Error if it will not answer any more
   */
  connect(signal: AbortSignal): Promise<void>;
  /** Lets go of it; the container runs on. */
  close(): void;
}

export interface Workshop<U extends Upstream = Upstream> {
  /** The container as it is now; absent: there is none. */
  look(signal: AbortSignal): Promise<Seen | undefined>;
  /**
   * From whatever is there to a container that runs. Aborted, or failed: something may be left, which `clear` takes away.
   * @param ended called when it is heard no more
   */
  open(seen: Seen | undefined, ended: () => void, signal: AbortSignal): Promise<U>;
  /** Stops the container; `remove`: and takes it away. None there: all the better. */
  clear(options: { readonly remove: boolean }, signal: AbortSignal): Promise<void>;
}
