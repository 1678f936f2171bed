/** A caller who goes away is not waited for any more, and nobody is when the fleet ends. */
import type { FastifyReply } from 'fastify';
import { ApiError } from './errors.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborted when the fleet ends. */
    readonly ending: AbortSignal;
  }
}

/** Aborted when the connection closes before the answer is out, or when the fleet ends. The reason is an ApiError. */
export function hangUpOf(reply: FastifyReply): AbortSignal {
  const { ending } = reply.server;
  const controller = new AbortController();
  const end = () => controller.abort(new ApiError('SHUTTING_DOWN', 'the fleet ends'));
  ending.addEventListener('abort', end, { once: true });
  reply.raw.once('close', () => {
    ending.removeEventListener('abort', end);
    if (!reply.raw.writableFinished) controller.abort(new ApiError('CLIENT_GONE', 'the caller hung up'));
  });
  if (ending.aborted) end();
  return controller.signal;
}
