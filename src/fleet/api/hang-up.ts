/** A caller who goes away is not waited for any more. */
import type { FastifyReply } from 'fastify';

/** Aborted when the connection closes before the answer is out. */
export function hangUpOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
