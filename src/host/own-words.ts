/**
 * tandem's own words beside its log: why it cannot start, what a bug was. They never block, because what speaks may be
 * PID 1 and nobody may read: they go through the sink of stderr, and the end waits for them only so long.
 */
import { visibleLines } from '../core/visible.ts';
import { openSink, type Sink } from './output-sink.ts';

/** The most that the end waits for a reader. */
const limitMs = 1_000;

let sink: Sink | undefined;
let hide = (words: string) => words;

/** From now on everything that is said goes through this. */
export function hideInWords(hider: (words: string) => string): void {
  hide = hider;
}

/** Queues one line. */
export function say(words: string): void {
  sink ??= openSink(2, { shared: true });
  sink.write(`tandem: ${visibleLines(hide(words))}\n`);
}

/** Resolves when all that was said is out, at the latest after a second. */
export async function untilSaid(): Promise<void> {
  await sink?.flush(limitMs);
}
