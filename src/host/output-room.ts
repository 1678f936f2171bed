/**
 * Room for output that is on its way: taken for a block, given back once the kernel has it. A buffer a block would be fifty
 * megabytes of garbage before V8 looks at it.
 */

/** Enough for a chunk of ordinary lines in any dress. */
export const roomBytes = 256 * 1024;

/** What is queued before writers wait is not much more. */
const mostKept = 8;

const free: Buffer[] = [];
const taken = new Map<ArrayBufferLike, Buffer>();

export function takeRoom(): Buffer {
  const room = free.pop() ?? Buffer.allocUnsafeSlow(roomBytes);
  taken.set(room.buffer, room);
  return room;
}

/** Takes back what these bytes lie in, if it is from here. */
export function giveBack(bytes: Buffer): void {
  const room = taken.get(bytes.buffer);
  if (room === undefined) return;
  taken.delete(bytes.buffer);
  if (free.length < mostKept) free.push(room);
}
