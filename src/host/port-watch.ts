/**
 * Who listens on a port, asked of the kernel by the addon (`src/native/listeners.c`): without a connect, and without a timer of
 * Node's, each turn of which costs more than ten such questions. Where the addon is missing or the kernel does not answer,
 * every function says so, and whoever asks has to connect, and to read `/proc/net`.
 */
import { Socket } from 'node:net';
import { systemClock } from './clock.ts';
import { type Addon, native } from './native.ts';
import { canonicalAddress, type ListenSocket } from './proc-net.ts';

/** All sockets that listen on a port, of both families; `undefined` where the kernel does not tell. */
export function listenersOf(port: number): ListenSocket[] | undefined {
  const found = native().reaper?.listeners(port);
  if (!Array.isArray(found)) return undefined;
  return found.map(({ address, uid, inode }) => ({ address: canonicalAddress(address), uid, inode: String(inode) }));
}

/** True if a connect to this literal address would be accepted; false: refused, or the kernel does not tell. */
export function isAnswered(door: string, port: number): boolean {
  return native().reaper?.listensAt(door, port) === 1;
}

/** Waits for doors. */
interface Watch {
  /** @returns what is to be called when the wait is over, or nothing if this door cannot be watched */
  add(door: string, port: number, hear: () => void): (() => void) | undefined;
}

let watch: Watch | 'none' | undefined;

/**
 * Resolves with true when somebody listens at one of these literal addresses, with false after `limitMs` or when aborted; with
 * `undefined` at once where that cannot be watched. True says no more than that a look is worth it.
 */
export async function untilAnswered(
  doors: readonly string[],
  port: number,
  limitMs: number,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  watch ??= startWatch(native().reaper) ?? 'none';
  if (watch === 'none') return undefined;
  const over = new AbortController();
  let isHeard = false;
  const hear = () => {
    isHeard = true;
    over.abort();
  };
  const abort = () => over.abort();
  const { add } = watch;
  const watched = doors.map((door) => add(door, port, hear));
  const isWatched = watched.length > 0 && !watched.includes(undefined);
  signal.addEventListener('abort', abort);
  if (isWatched && !signal.aborted) await systemClock.sleep(limitMs, over.signal);
  signal.removeEventListener('abort', abort);
  for (const forget of watched) forget?.();
  return isWatched ? isHeard : undefined;
}

/** The addon's thread reports by a pipe; a pipe, because it needs nothing of Node at its other end. */
function startWatch(addon: Addon | undefined): Watch | undefined {
  const fd = addon?.startWatch() ?? -1;
  if (addon === undefined || fd < 0) return undefined;
  const hearers = new Map<number, () => void>();
  const reports = new Socket({ fd, readable: true, writable: false }).unref();
  reports.on('data', (chunk: Buffer) => {
    for (let at = 0; at + 1 < chunk.length; at += 2) hearers.get(chunk.readUInt16LE(at))?.();
  });
  reports.on('error', () => {}); // whoever waits looks by itself after a while
  return {
    add(door, port, hear) {
      const slot = addon.watchDoor(door, port);
      if (slot < 0) return undefined;
      hearers.set(slot, hear);
      return () => {
        hearers.delete(slot);
        addon.forgetDoor(slot);
      };
    },
  };
}
