/** `/api/docker/…`: what operators see of the containers and do with them. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Fleet } from '../fleet.ts';
import type { Server } from '../server.ts';
import type { McpUpstream } from '../transport/upstream.ts';
import * as does from './docker-operations.ts';
import { ApiError, apiErrorOf, bodyOf } from './errors.ts';
import { hangUpOf } from './hang-up.ts';
import { pullFor } from './pulling.ts';

interface OneServer {
  Params: { server: string };
}

interface Start extends OneServer {
  Body: { connect?: boolean } | null;
}

interface Stop extends OneServer {
  Body: { remove?: boolean } | null;
}

/** @param fleet throws where Docker is disabled, and all of this answers so */
export function dockerRoutes(app: FastifyInstance, fleet: () => Fleet): void {
  const serverOf = (name: string): Server<McpUpstream> => {
    const server = fleet().servers.get(name);
    if (!server) throw new ApiError('UNKNOWN_SERVER', `no server "${name}" is configured`);
    return server;
  };
  // Before a body is read: where nothing is done, nothing can be wrong with it.
  app.addHook('onRequest', async () => void fleet());

  app.get('/status', { schema: does.status }, async () => {
    const { settings, servers, sessions } = fleet();
    const running = [...servers.values()].filter(({ view }) => view.state === 'running');
    return {
      enabled: settings.isEnabled,
      strategy: settings.strategy,
      maxContainers: settings.maxContainers,
      containerCount: running.length,
      connectionCount: sessions.count(),
    };
  });

  app.get('/containers', { schema: does.containers }, async () => {
    return { containers: [...fleet().servers.values()].map(viewOf) };
  });

  app.get<OneServer>('/containers/:server', { schema: does.container }, async ({ params }) => {
    return viewOf(serverOf(params.server));
  });

  app.post<Start>('/containers/:server/start', { schema: does.start }, async ({ params, body }, reply) => {
    return begin(serverOf(params.server), body?.connect ?? true, hangUpOf(reply));
  });

  app.post<Start>('/containers/:server/restart', { schema: does.restart }, async ({ params, body }, reply) => {
    const server = serverOf(params.server);
    const hangUp = hangUpOf(reply);
    await server.stop({ remove: true }, hangUp);
    return begin(server, body?.connect ?? true, hangUp);
  });

  app.post<Stop>('/containers/:server/stop', { schema: does.stop }, async ({ params, body }, reply) => {
    const remove = body?.remove ?? false;
    await serverOf(params.server).stop({ remove }, hangUpOf(reply));
    return { success: true, server: params.server, removed: remove };
  });

  app.post<{ Body: { servers: string[] } }>('/images/pull', { schema: does.pull }, async ({ body, headers }, reply) => {
    // Before anything is pulled: a name that nobody knows is a mistake in all of it.
    for (const name of body.servers) serverOf(name);
    const hangUp = hangUpOf(reply);
    if (headers.accept?.includes('text/event-stream')) return streamed(reply, body.servers, hangUp);
    const answer = await pullFor(fleet(), body.servers, () => {}, hangUp);
    return reply.code(answer.success ? 200 : 502).send(answer);
  });

  app.post('/cleanup', { schema: does.cleanup }, async (_request, reply) => {
    const result = await fleet().cleanUp(hangUpOf(reply));
    const success = result.failed.length === 0;
    return reply.code(success ? 200 : 502).send({ success, ...result });
  });

  async function streamed(reply: FastifyReply, servers: readonly string[], hangUp: AbortSignal): Promise<FastifyReply> {
    const tell = streamOf(reply);
    try {
      tell('result', await pullFor(fleet(), servers, (progress) => tell('progress', progress), hangUp));
    } catch (error) {
      tell('error', bodyOf(apiErrorOf(error)));
    }
    reply.raw.end();
    return reply;
  }
}

async function begin(server: Server<McpUpstream>, connect: boolean, signal: AbortSignal) {
  await server.start({ connect }, signal);
  const { name, view } = server;
  return { success: true, server: name, endpoint: view.endpoint ?? null, connected: view.isConnected };
}

function viewOf(server: Server<McpUpstream>) {
  const { name, strategy, state, endpoint, isConnected, startedAtMs, stoppedAtMs, error } = server.view;
  const dateOf = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    server: name,
    configured: true,
    containerState: state,
    endpoint: endpoint ?? null,
    connected: isConnected,
    strategy,
    startedAt: dateOf(startedAtMs),
    stoppedAt: state === 'running' ? null : dateOf(stoppedAtMs),
    error: error ?? null,
  };
}

/** Server-sent events in place of one answer. */
function streamOf(reply: FastifyReply): (event: string, data: object) => void {
  reply.hijack();
  reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  reply.raw.flushHeaders();
  return (event, data) => void reply.raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
