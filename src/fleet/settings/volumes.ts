/** Which of the host's directories a server may have: below those that are allowed, and never with the engine in them. */
import { realpathSync } from 'node:fs';
import { isAbsolute, relative } from 'node:path';
import type { Mount } from '../engine.ts';

const usualSockets = [
  '/var/run/docker.sock',
  '/run/docker.sock',
  '/run/podman/podman.sock',
  '/run/containerd/containerd.sock',
];

/**
 * Why a volume is refused; absent: it is not. Links are followed as far as they can be seen from here.
 * @param sockets where the engine is, besides the usual places
 */
export function volumeProblem(
  { source }: Mount,
  allowed: readonly string[],
  sockets: readonly string[],
): string | undefined {
  const real = realPath(source);
  const places = [...usualSockets, ...sockets].flatMap((socket) => [socket, realPath(socket)]);
  const socket = places.find((one) => isBelow(one, source) || isBelow(one, real));
  if (socket) return `gives the container the engine's socket (${socket}); accepted: directories without it`;
  if (allowed.some((one) => isBelow(source, one) && isBelow(real, realPath(one)))) return undefined;
  return `is not below one of "allowedVolumes" (${allowed.join(', ') || 'none'})`;
}

/** Where a link leads; what is not here, on this machine, is itself. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isBelow(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
