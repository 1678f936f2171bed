/**
 * Memory that a start has taken and a run does not need: what compiled the plan, read the files and lies about since.
 * V8 collects when there is more to do, which in an idle supervisor is never; so it is told once.
 */
import { native } from './native.ts';

/** Whatever comes right after the start goes first: a collection holds everything up for some 6 ms. */
const restMs = 500;

/** How often: what the first collection has emptied, the second can move together and give back. */
const times = 2;

/** Gives it back to the system when the start is over. Without the addon nothing is. */
export function giveBackSoon(): void {
  const { reaper } = native();
  for (let turn = 1; turn <= times; turn++) setTimeout(() => reaper?.giveBack(), turn * restMs).unref();
}
