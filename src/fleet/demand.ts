/** What clients and operators want of one server: who uses it, who asked for it, and whether it was stopped by name. */
import type { Demand as Wanted } from './strategy.ts';

export class Demand implements Wanted {
  /** Requests, streams and sessions that are not over, and those that wait for the server. */
  open = 0;
  /** Who waits for a start by name. */
  starting = 0;
  idleSinceMs: number | undefined;
  /** Stopped by name, and whether the container is to be taken away, too. */
  held: { readonly remove: boolean } | undefined;
  /** How often it was asked for so far. A start that failed answers all who had asked by then. */
  asks = 0;

  /** Somebody asks for it: a stop by name is over. */
  ask(): void {
    this.held = undefined;
    this.asks += 1;
  }

  /** Somebody comes, to wait or to use it. @returns to be called when they go; more than once does nothing */
  enter(): (at: { readonly nowMs: number; readonly wasServed: boolean }) => void {
    this.open += 1;
    let isOver = false;
    return ({ nowMs, wasServed }) => {
      if (isOver) return;
      isOver = true;
      this.open -= 1;
      // Who left before it served has not used it: a start that nobody waits for is called off.
      if (this.open === 0 && wasServed) this.idleSinceMs = nowMs;
    };
  }

  /** It is asked for by name: as if somebody had used it just now. */
  touch(nowMs: number): void {
    this.ask();
    this.idleSinceMs = nowMs;
  }

  /** It is to end, by name. What failed before is no answer to that. */
  hold(remove: boolean): void {
    this.asks += 1;
    this.held = { remove };
  }
}
