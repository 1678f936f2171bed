/** A path that is right with a method that is not: 405 and what is allowed, in place of 404. */
import type { FastifyInstance } from 'fastify';
import { ApiError } from './errors.ts';

/** To be called before any route is there. @returns to be called when all are */
export function watchMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set();
    known.set(url, methods);
    for (const one of [method].flat()) methods.add(one);
  });
  return () => {
    for (const [url, methods] of [...known]) refuseOthers(app, url, [...methods].sort());
  };
}

function refuseOthers(app: FastifyInstance, url: string, methods: readonly string[]): void {
  const others = app.supportedMethods.filter((method) => !methods.includes(method));
  app.route({
    method: others,
    url,
    schema: { hide: true },
    // Whatever its body is: it is not read.
    onRequest: async (_request, reply) => {
      reply.header('allow', methods.join(', '));
      throw new ApiError('METHOD_NOT_ALLOWED', `accepted here: ${methods.join(', ')}`);
    },
    handler: async () => undefined,
  });
}
