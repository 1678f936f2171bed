/**
 * The control socket: binds it so that at no moment anybody but its owner can connect, replaces what a dead tandem has
 * left behind, and never takes a living one's place.
 *
 * Two tandems that start within the same millisecond on the same left-over can both believe that it is theirs; the
 * health port, which is bound first, then tells them apart.
 */
import { lstatSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { UnavailableError } from '../core/errors.ts';
import { bind } from './bind.ts';
import { openRuntimeDir, type RuntimeDirs, socketName } from './runtime-dir.ts';

/** What a socket address can hold: 107 bytes on Linux, 103 elsewhere. */
const maxPathBytes = process.platform === 'linux' ? 107 : 103;
const onlyOwner = 0o177;

/** Binds the server in the first runtime directory that can be used; or says of each why it cannot. */
export async function bindControlSocket(
  server: Server,
  runtimeDirs: RuntimeDirs,
): Promise<{ readonly path: string } | { readonly reasons: readonly string[] }> {
  const reasons: string[] = [];
  for (const directory of runtimeDirs.candidates) {
    const reason = openRuntimeDir(directory) ?? (await bindIn(server, `${directory}/${socketName}`));
    if (reason === undefined) return { path: `${directory}/${socketName}` };
    reasons.push(reason);
  }
  return { reasons };
}

/**
 * @returns why this place cannot be used, or `undefined` if the server is bound
 * @throws UnavailableError if another tandem listens here
 */
async function bindIn(server: Server, path: string): Promise<string | undefined> {
  if (Buffer.byteLength(path) > maxPathBytes)
    return `${path} is longer than the ${maxPathBytes} bytes of a socket address`;
  const obstacle = await clearTheWay(path);
  if (obstacle !== undefined) return obstacle;
  const errno = await withUmask(onlyOwner, () => bind(server, { path }));
  if (errno === undefined) return undefined;
  if (errno.code === 'EADDRINUSE') throw taken(path);
  return `cannot listen on ${path}: ${errno.code}`;
}

/** Removes the socket of a dead tandem; whatever else is in the way stays. */
async function clearTheWay(path: string): Promise<string | undefined> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isSocket()) return `${path} is in the way and is no socket`;
  if (await isAlive(path)) throw taken(path);
  rmSync(path, { force: true });
  return undefined;
}

/** Whether somebody listens. The kernel refuses only where nobody does: a stopped or a busy tandem is alive. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}

function taken(path: string): UnavailableError {
  return new UnavailableError(
    `cannot listen on ${path}: another tandem listens there; set TANDEM_RUNTIME_DIR to another directory`,
  );
}

/** `act` must do what the mask is for before it first waits: the mask is the whole process's. */
function withUmask<T>(mask: number, act: () => T): T {
  const before = process.umask(mask);
  try {
    return act();
  } finally {
    process.umask(before);
  }
}
