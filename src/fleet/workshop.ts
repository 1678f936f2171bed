/** What can be done with the container of one server: where strategy ends and engine and transport begin. */
import type { Seen } from './engine.ts';

/** A server that serves. */
export interface Upstream {
  /** Where it is spoken to, for the curious: a URL, or `stdio`. */
  readonly endpoint: string;
  /** Lets go of it; the container runs on. */
  close(): void;
}

export interface Workshop<U extends Upstream = Upstream> {
  /** The container as it is now; absent: there is none. */
  look(signal: AbortSignal): Promise<Seen | undefined>;
  /**
   * From whatever is there to a server that serves. Aborted, or failed: something may be left, which `clear` takes away.
   * @param ended called when a server that served is heard no more
   */
  open(seen: Seen | undefined, ended: () => void, signal: AbortSignal): Promise<U>;
  /** Stops the container; `remove`: and takes it away. None there: all the better. */
  clear(options: { readonly remove: boolean }, signal: AbortSignal): Promise<void>;
}
