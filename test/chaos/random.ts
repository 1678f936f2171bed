/** Chance that can be had again: the same seed gives the same faults at the same times. */

/** mulberry32, of the public domain: small, fast, and good enough to choose with. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  oneOf<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new Error('there is nothing to choose from');
    return item;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }
}

/** The chance of one round, whatever came of those before it: a round can be had again alone. */
export function randomOfRound(seed: number, round: number): Random {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(round, 0x85ebca6b));
  random.next();
  return random;
}
