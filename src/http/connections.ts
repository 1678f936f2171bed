/**
 * The connections of one server, kept few and short: each has one deadline from accept to end, and where they are too
 * many the oldest goes. A client that never sends, never reads or sends a byte a minute costs a moment, not a place.
 */
import type { Server, Socket } from 'node:net';

/** How many connections a server holds, and how long each. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly connectionTimeoutMs: number;
}

/**
 * Limits the connections of a server, from now on.
 * @returns ends all that are open
 */
export function limitConnections(
  server: Server,
  { maxConnections, connectionTimeoutMs }: ConnectionLimits,
): () => void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    // A set keeps the order of arrival: the first is the oldest.
    const [oldest] = open;
    if (open.size >= maxConnections) oldest?.destroy();
    open.add(socket);
    const deadline = setTimeout(() => socket.destroy(), connectionTimeoutMs).unref();
    socket.once('close', () => {
      clearTimeout(deadline);
      open.delete(socket);
    });
  });
  return () => {
    for (const socket of open) socket.destroy();
  };
}
