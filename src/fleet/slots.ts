/**
 * At most so many containers at once. Servers that are kept running have a place that nobody else gets. Over the limit the
 * on-demand server that was idle for longest yields; if none is idle, the next one is refused.
 */

/** Who may hold a slot. */
export interface Holder {
  readonly name: string;
  /** It runs, on demand, and nobody uses it: since when. Absent: it does not yield. */
  readonly idleSinceMs: number | undefined;
  /** It is about to give its slot back by itself. */
  readonly isLeaving: boolean;
  /** Ends it, whoever comes meanwhile. */
  yield(): void;
}

export class LimitError extends Error {
  override readonly name = 'LimitError';
}

interface Claim {
  readonly claimer: Holder;
  readonly granted: () => void;
}

export class Slots {
  readonly #most: number;
  readonly #reserved = new Set<Holder>();
  readonly #held = new Set<Holder>();
  /** Slots that are promised to somebody as soon as their holder gives them back. */
  readonly #claims = new Map<Holder, Claim>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Places that are in use or kept free for somebody. */
  get taken(): number {
    return this.#reserved.size + this.#held.size;
  }

  /** A place that is this one's for ever. */
  reserve(holder: Holder): void {
    this.#reserved.add(holder);
  }

  /**
   * Resolves when the slot is the caller's; it has it already: at once. Aborted: perhaps not, see `holds`.
   * @throws LimitError if all are taken and nobody yields
   */
  async take(holder: Holder, signal: AbortSignal): Promise<void> {
    if (this.holds(holder)) return;
    if (this.taken < this.#most) {
      this.#held.add(holder);
      return;
    }
    const leaving = this.#nextToLeave();
    if (!leaving) throw new LimitError(`all ${this.#most} containers (maxContainers) are in use`);
    await new Promise<void>((resolve) => {
      const granted = () => {
        signal.removeEventListener('abort', givenUp);
        resolve();
      };
      const givenUp = () => {
        this.#claims.delete(leaving);
        resolve();
      };
      this.#claims.set(leaving, { claimer: holder, granted });
      signal.addEventListener('abort', givenUp, { once: true });
      if (!leaving.isLeaving) leaving.yield();
    });
  }

  holds(holder: Holder): boolean {
    return this.#reserved.has(holder) || this.#held.has(holder);
  }

  /** It has come to the slot without asking: its container ran when the fleet came. */
  adopt(holder: Holder): void {
    if (!this.#reserved.has(holder)) this.#held.add(holder);
  }

  /** Gives it back, and to whom it is promised. Who has none: nothing happens. */
  release(holder: Holder): void {
    if (!this.#held.delete(holder)) return;
    const claim = this.#claims.get(holder);
    this.#claims.delete(holder);
    if (!claim) return;
    if (this.taken < this.#most) this.#held.add(claim.claimer);
    claim.granted();
  }

  #nextToLeave(): Holder | undefined {
    const free = [...this.#held].filter((holder) => !this.#claims.has(holder));
    const leaving = free.find(({ isLeaving }) => isLeaving);
    if (leaving) return leaving;
    const idle = free.flatMap((holder) => {
      const { idleSinceMs } = holder;
      return idleSinceMs === undefined ? [] : [{ holder, idleSinceMs }];
    });
    return idle.sort((one, other) => one.idleSinceMs - other.idleSinceMs)[0]?.holder;
  }
}
