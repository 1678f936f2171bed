/**
 * Who listens on a port, asked of the kernel by the addon (`src/native/listeners.c`): without a connect, and without a timer of
 * Node's, each turn of which costs more than ten such questions. Where the addon is missing or the kernel does not answer,
 * every function says so, and whoever asks has to connect, and to read `/proc/net`.
 */
import { type Addon, native } from './native.ts';
import { canonicalAddress, type ListenSocket } from './proc-net.ts';

/** All sockets that listen on a port, of both families; `undefined` where the kernel does not tell. */
export function listenersOf(port: number): ListenSocket[] | undefined {
  const found = native().reaper?.listeners(port);
  if (!Array.isArray(found)) return undefined;
  return found.map(({ address, uid, inode }) => ({ address: canonicalAddress(address), uid, inode: String(inode) }));
}

let canTell: boolean | undefined;

/** True where the kernel tells who listens; asked once. */
export function kernelTells(): boolean {
  canTell ??= listenersOf(1) !== undefined;
  return canTell;
}

/** True if a connect to this literal address would be accepted; false: refused, or the kernel does not tell. */
export function isAnswered(door: string, port: number): boolean {
  return native().reaper?.listensAt(door, port) === 1;
}

let isWatching: boolean | undefined;

/** What is called when somebody listens at a door, by the number that the addon gave to it. */
const hearers = new Map<number, () => void>();

/**
 * Resolves with true when somebody listens at one of these literal addresses, with false after `limitMs` or when aborted; with
 * `undefined` at once where that cannot be watched. True says no more than that a look is worth it.
 * @param time how long to wait at most, and how long somebody has waited for the same before
 */
export async function untilAnswered(
  doors: readonly string[],
  port: number,
  { limitMs, waitedMs = 0 }: { readonly limitMs: number; readonly waitedMs?: number },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const addon = native().reaper;
  if (addon === undefined || !startWatching(addon)) return undefined;
  const watched = doors.map((door) => addon.watchDoor(door, port, waitedMs));
  const isWatched = watched.length > 0 && watched.every((door) => door >= 0);
  const isHeard = isWatched && (await heard(watched, limitMs, signal));
  for (const door of watched) if (door >= 0) addon.forgetDoor(door);
  return isWatched ? isHeard : undefined;
}

/** The addon's thread tells by a SIGCHLD that there is something to hear: the way into the event loop that is there already. */
function startWatching(addon: Addon): boolean {
  if (isWatching !== undefined) return isWatching;
  isWatching = addon.startWatch() === 0;
  const listen = () => {
    for (const [door, hear] of hearers) if (addon.isOpen(door)) hear();
  };
  if (isWatching) process.on('SIGCHLD', listen);
  return isWatching;
}

function heard(doors: readonly number[], limitMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isHeard: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      for (const door of doors) hearers.delete(door);
      resolve(isHeard);
    };
    const abort = () => end(false);
    const timer = setTimeout(end, limitMs, false);
    for (const door of doors) hearers.set(door, () => end(true));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
}
