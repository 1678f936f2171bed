/** Somebody who takes a port the moment it is free. */
import { createServer, type Server } from 'node:net';
import { until } from '../support/until.ts';

/** Holds the port; `undefined` if it was never free, or the run is over. */
export async function stealPort(port: number, isOver: () => boolean): Promise<Server | undefined> {
  let thief: Server | undefined;
  await until(
    'the port is stolen',
    async () => {
      thief = await tryPort(port);
      return thief !== undefined || isOver();
    },
    { withinMs: 250, everyMs: 1 },
  ).catch(() => undefined);
  return thief;
}

/** One try. */
export function tryPort(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.end());
  return new Promise((resolve) => {
    server.on('listening', () => resolve(server)).on('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1');
  });
}
