/** Two services, a gateway and a hub that comes after it: what tandem is made for, and most measures are of. */
import { type Bench, eventsIn, freePort, type Started } from '../bench.ts';
import type { Child, Launch } from '../peers/peer.ts';

export interface Pair {
  readonly started: Started;
  readonly directory: string;
}

/** Resolves when both listen. `delayMs`: from the gateway's exec to its listen(). */
export async function startPair(
  bench: Bench,
  way: (children: readonly Child[], directory: string) => Launch,
  { delayMs = 0 } = {},
): Promise<Pair> {
  const pair = await beginPair(bench, way, { delayMs });
  await Promise.all([pair.started.event('gateway', 'listen'), pair.started.event('hub', 'listen')]);
  return pair;
}

/** The same, and does not wait. */
export async function beginPair(
  bench: Bench,
  way: (children: readonly Child[], directory: string) => Launch,
  { delayMs = 0 } = {},
): Promise<Pair> {
  const directory = bench.directory();
  const events = eventsIn(directory);
  const children = [
    bench.child('gateway', events, { port: await freePort(), delayMs }),
    bench.child('hub', events, { port: await freePort(), after: 'gateway' }),
  ];
  return { started: bench.start(way(children, directory), directory), directory };
}
