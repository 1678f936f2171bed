/** How errors go out, wherever they come from: one shape, also where there is no request that could be read. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { ApiError, apiErrorOf, bodyOf, type Code } from './errors.ts';

/** @param onBug told of what nobody expected */
export function fail(reply: FastifyReply, error: unknown, onBug: (error: unknown) => void): FastifyReply {
  const failure = apiErrorOf(error);
  if (failure.code === 'INTERNAL') onBug(error);
  if (failure.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
  // As a text: a route's own schema for this status would leave out what it does not know.
  return reply
    .code(failure.status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(bodyOf(failure)));
}

const byParserCode: Readonly<Record<string, readonly [Code, string]>> = {
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'the request did not come to its end in time'],
};

/** What was no HTTP, or too much of it: there is a connection, and no request. */
export function failRaw({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || code === 'ECONNRESET') return void socket.destroy();
  const failure = new ApiError(...(byParserCode[code ?? ''] ?? (['BAD_REQUEST', 'the request is no HTTP'] as const)));
  const body = JSON.stringify(bodyOf(failure));
  const head = [
    `HTTP/1.1 ${failure.status} ${STATUS_CODES[failure.status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
