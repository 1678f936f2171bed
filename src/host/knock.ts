/** One TCP connect, hung up at once: the cheapest way to learn whether somebody listens (a refused one takes 0.2 ms). */
import { connect, type Socket } from 'node:net';

/** `open`, or the error code that the connect ended with. */
export type KnockAnswer = 'open' | (string & {});

/**
 * Connects once and hangs up. Aborted: `ABORTED` at once; the kernel's answer, which may be on its way, is still heard out
 * within the timeout, because it decides how to hang up.
 *
 * It closes with FIN, not RST: a server that accepts late then reads an orderly end, while after an RST `accept` hands
 * it a dead socket, which many log as an error.
 * @param host a literal address; a name is looked up
 */
export function knock(host: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<KnockAnswer> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve('ABORTED');
    const socket = connect({ host, port });
    const settle = (answer: KnockAnswer) => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      resolve(answer);
    };
    const abort = () => {
      socket.unref();
      resolve('ABORTED');
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.setTimeout(timeoutMs, () => settle('ETIMEDOUT'));
    socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'EUNKNOWN'));
    socket.once('connect', () => settle(hangUpOnItself(socket) ? 'ECONNREFUSED' : 'open'));
  });
}

/**
 * A connect to a port of the ephemeral range can meet itself: the kernel picks that very port as the source, and TCP's
 * simultaneous open succeeds with nobody listening. An RST then frees the port at once; after a FIN it would stay
 * in TIME_WAIT for a minute, and the service could not bind.
 * @returns true if that was so
 */
export function hangUpOnItself(socket: Socket): boolean {
  // A Unix socket has no ports.
  if (socket.localPort === undefined || socket.localPort !== socket.remotePort) return false;
  if (socket.localAddress !== socket.remoteAddress) return false;
  socket.resetAndDestroy();
  return true;
}
