/**
 * One question and its answer over a byte stream: TCP, TLS or a Unix socket. What a protocol probe shares with every
 * other: all addresses of a name are tried, the answer is bounded in bytes, and nothing is left open.
 */
import { connect, isIP, type Socket } from 'node:net';
import type { Endpoint } from '../core/spec.ts';
import { doorOf, literalsOf } from './endpoints.ts';
import { hangUpOnItself } from './knock.ts';

/** What is longer is no answer to a probe. */
const longestAnswer = 16 * 1024;

export interface Question<T> {
  readonly endpoint: Endpoint;
  /** `unverified`: the certificate is not checked. */
  readonly tls?: 'verified' | 'unverified' | undefined;
  readonly request: Uint8Array;
  /** The verdict on what was received so far; `undefined`: more is needed. */
  readonly judge: (received: Buffer) => T | undefined;
  /** Sent before hanging up, if the verdict asks for that. */
  readonly farewell?: (verdict: T) => Uint8Array | undefined;
}

/** No verdict: the peer closed the connection, after some bytes or none, or it talked without end. */
export type NoVerdict = 'closed' | 'cut' | 'endless';

/**
 * Asks, and resolves with the verdict.
 * @throws the connection's error; an error with the code ENOTFOUND where the name does not resolve
 */
export async function converse<T>(question: Question<T>, signal: AbortSignal): Promise<T | NoVerdict> {
  const socket = await open(question, signal);
  const hangUp = () => socket.destroy();
  signal.addEventListener('abort', hangUp);
  try {
    if (signal.aborted) return 'closed';
    return await ask(socket, question);
  } finally {
    signal.removeEventListener('abort', hangUp);
    // FIN, not RST: what was said last is still read.
    socket.destroySoon();
  }
}

function ask<T>(socket: Socket, { request, judge, farewell }: Question<T>): Promise<T | NoVerdict> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const settle = (verdict: T | NoVerdict) => {
      socket.removeAllListeners('data');
      socket.resume();
      resolve(verdict);
    };
    socket.on('error', reject);
    socket.on('close', () => settle(received.length === 0 ? 'closed' : 'cut'));
    socket.on('end', () => settle(received.length === 0 ? 'closed' : 'cut'));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const verdict = judge(received);
      if (verdict === undefined) {
        if (received.length > longestAnswer) settle('endless');
        return;
      }
      const last = farewell?.(verdict);
      if (last) socket.write(last);
      settle(verdict);
    });
    socket.write(request);
  });
}

async function open({ endpoint, tls }: Pick<Question<unknown>, 'endpoint' | 'tls'>, signal: AbortSignal) {
  if ('path' in endpoint) return firstOpen([() => connect({ path: endpoint.path })], signal);
  const { host, port } = endpoint;
  const literals = await literalsOf(host, signal);
  const socket = await firstOpen(
    literals.map((literal) => () => connect({ host: doorOf(literal), port })),
    signal,
  );
  return tls === undefined ? socket : secure(socket, host, tls, signal);
}

/** The first connection that stands; the others are hung up. Addresses are tried side by side: one may swallow packets. */
function firstOpen(attempts: readonly (() => Socket)[], signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (attempts.length === 0) return reject(codedError(signal.aborted ? 'ABORT_ERR' : 'ENOTFOUND'));
    const errors: NodeJS.ErrnoException[] = [];
    const sockets = attempts.map((attempt) => attempt());
    const settle = (winner: Socket | undefined) => {
      signal.removeEventListener('abort', abort);
      for (const socket of sockets) if (socket !== winner) socket.destroy();
    };
    const abort = () => {
      settle(undefined);
      reject(codedError('ABORT_ERR'));
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    sockets.forEach((socket, index) => {
      const failed = (error: NodeJS.ErrnoException) => {
        errors[index] = error;
        if (Object.keys(errors).length < sockets.length) return;
        settle(undefined);
        // The first address is the one that the operator means: of `localhost`, IPv4.
        reject(errors[0]);
      };
      socket.on('error', failed);
      socket.once('connect', () => {
        if (hangUpOnItself(socket)) return failed(codedError('ECONNREFUSED'));
        socket.removeListener('error', failed);
        // Until somebody else listens: an error without a listener would end tandem.
        socket.on('error', () => {});
        settle(socket);
        resolve(socket);
      });
    });
  });
}

async function secure(socket: Socket, host: string, tls: 'verified' | 'unverified', signal: AbortSignal) {
  const { connect: connectTls } = await import('node:tls');
  return new Promise<Socket>((resolve, reject) => {
    const name = isIP(host) === 0 && { servername: host };
    const secured = connectTls({ socket, host, ...name, rejectUnauthorized: tls === 'verified' });
    const abort = () => secured.destroy(codedError('ABORT_ERR'));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    secured.once('secureConnect', () => resolve(secured));
    secured.on('error', reject);
    secured.once('close', () => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(codedError('ECONNRESET'));
    });
  });
}

function codedError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}

/** What is to be said where there was no verdict. */
export function reasonOfNoVerdict(verdict: NoVerdict, protocol: string): string {
  return verdict === 'closed' ? 'connection closed without an answer' : `not a ${protocol} answer`;
}
