/** Binding a server, with the error as a value: a taken port is nothing exceptional. */
import type { ListenOptions, Server } from 'node:net';

/** Listens; the socket is created before this returns, what it resolves with tells whether that went well. */
export function bind(
  server: Server,
  where: ListenOptions | { readonly fd: number },
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const settle = (error?: NodeJS.ErrnoException) => {
      server.off('error', settle);
      server.off('listening', settle);
      resolve(error);
    };
    server.once('error', settle);
    server.once('listening', settle);
    server.listen(where);
  });
}
