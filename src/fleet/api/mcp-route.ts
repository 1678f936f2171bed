/** `/mcp/NAME`: a server, as streamable HTTP. Whoever asks starts it; whoever is in a session keeps it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Fleet } from '../fleet.ts';
import type { SessionWatch } from '../transport/upstream.ts';
import { ApiError, bodyOf } from './errors.ts';
import { hangUpOf } from './hang-up.ts';

interface OneServer {
  Params: { server: string };
}

export function mcpRoute(app: FastifyInstance, fleet: () => Fleet): void {
  // What is in a body is between client and server. No other type is taken: browsers send those to anybody, unasked.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.route<OneServer>({
    method: ['GET', 'POST', 'DELETE'],
    url: '/:server',
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      const { sessions, servers } = fleet();
      const name = request.params.server;
      const server = servers.get(name);
      if (!server) throw new ApiError('UNKNOWN_SERVER', `no server "${name}" is configured`);
      const id = sessionIdOf(request);
      if (id === undefined && request.method !== 'POST') throw new ApiError('BAD_REQUEST', 'Mcp-Session-Id is missing');
      const body = request.body as Buffer | undefined;
      // No server is started for what no server can read.
      if (id === undefined && !isJson(body)) throw new ApiError('BAD_REQUEST', 'the body is no JSON');
      const lease = id === undefined ? await server.acquire(hangUpOf(reply)) : sessions.enter(name, id);
      // A session that is over is no reason to start its server: the client begins a new one when it hears 404.
      if (!lease) throw new ApiError('SESSION_NOT_FOUND', `"${name}" has no session of this id; begin a new one`);
      const watch: SessionWatch = {
        opened: (opened) => sessions.begin(name, opened, lease.again()),
        closed: (closed) => sessions.finish(name, closed),
      };
      try {
        reply.hijack();
        await lease.upstream.handle({ request: request.raw, response: reply.raw, body }, watch);
      } catch (error) {
        answerLate(reply, error as Error);
      } finally {
        lease.release();
      }
      return reply;
    },
  });
}

function isJson(body: Buffer | undefined): boolean {
  try {
    JSON.parse(String(body));
    return true;
  } catch {
    return false;
  }
}

function sessionIdOf({ headers }: FastifyRequest): string | undefined {
  const id = headers['mcp-session-id'];
  return typeof id === 'string' ? id : undefined;
}

/** The server went while it answered. */
function answerLate(reply: FastifyReply, { message }: Error): void {
  if (reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  const failure = new ApiError('SERVER_FAILED', `the server did not answer: ${message}`);
  reply.raw.writeHead(failure.status, { 'content-type': 'application/json' }).end(JSON.stringify(bodyOf(failure)));
}
