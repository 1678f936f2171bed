/** `/api/docker/…`: what operators see of the containers and do with them. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Fleet } from '../fleet.ts';
import type { Server } from '../server.ts';
import type { McpUpstream } from '../transport/upstream.ts';
import { ApiError, apiErrorOf } from './errors.ts';
import { hangUpOf } from './hang-up.ts';
import {
  cleanupAnswer,
  containerAnswer,
  containersAnswer,
  pullAnswer,
  pullBody,
  serverParams,
  startAnswer,
  startBody,
  statusAnswer,
  stopAnswer,
  stopBody,
} from './schemas.ts';

interface OneServer {
  Params: { server: string };
}

type PullResults = { successful: string[]; failed: { server: string; error: string }[] };

/** @param fleet absent: Docker is disabled, and all of this answers so */
export function dockerRoutes(app: FastifyInstance, fleet: () => Fleet): void {
  const serverOf = (name: string): Server<McpUpstream> => {
    const server = fleet().servers.get(name);
    if (!server) throw new ApiError('UNKNOWN_SERVER', `no server "${name}" is configured`);
    return server;
  };

  app.get('/status', { schema: { response: { 200: statusAnswer } } }, async () => {
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

  app.get('/containers', { schema: { response: { 200: containersAnswer } } }, async () => {
    return { containers: [...fleet().servers.values()].map((server) => viewOf(server)) };
  });

  app.get<OneServer>(
    '/containers/:server',
    { schema: { params: serverParams, response: { 200: containerAnswer } } },
    async ({ params }) => viewOf(serverOf(params.server)),
  );

  app.post<OneServer & { Body: { connect?: boolean } | null }>(
    '/containers/:server/start',
    { schema: { params: serverParams, body: startBody, response: { 200: startAnswer } } },
    async ({ params, body }, reply) => begin(serverOf(params.server), body?.connect ?? true, reply),
  );

  app.post<OneServer & { Body: { connect?: boolean } | null }>(
    '/containers/:server/restart',
    { schema: { params: serverParams, body: startBody, response: { 200: startAnswer } } },
    async ({ params, body }, reply) => {
      const server = serverOf(params.server);
      await server.stop({ remove: true }, hangUpOf(reply));
      return begin(server, body?.connect ?? true, reply);
    },
  );

  app.post<OneServer & { Body: { remove?: boolean } | null }>(
    '/containers/:server/stop',
    { schema: { params: serverParams, body: stopBody, response: { 200: stopAnswer } } },
    async ({ params, body }, reply) => {
      const remove = body?.remove ?? false;
      await serverOf(params.server).stop({ remove }, hangUpOf(reply));
      return { success: true, server: params.server, removed: remove };
    },
  );

  app.post<{ Body: { servers: string[] } }>(
    '/images/pull',
    { schema: { body: pullBody, response: { 200: pullAnswer, 502: pullAnswer } } },
    async ({ body, headers }, reply) => {
      // Before anything is pulled: a name that nobody knows is a mistake in all of it.
      for (const name of body.servers) serverOf(name);
      const isStream = headers.accept?.includes('text/event-stream') === true;
      const tell = isStream ? streamOf(reply) : () => {};
      const results: PullResults = { successful: [], failed: [] };
      for (const server of new Set(body.servers)) {
        try {
          await fleet().pull(server, (progress) => tell('progress', { server, ...progress }), hangUpOf(reply));
          results.successful.push(server);
        } catch (error) {
          results.failed.push({ server, error: apiErrorOf(error).message });
        }
      }
      const answer = { success: results.failed.length === 0, results };
      if (!isStream) return reply.code(answer.success ? 200 : 502).send(answer);
      tell('result', answer);
      reply.raw.end();
      return reply;
    },
  );

  app.post(
    '/cleanup',
    { schema: { response: { 200: cleanupAnswer, 502: cleanupAnswer } } },
    async (_request, reply) => {
      const result = await fleet().cleanUp(hangUpOf(reply));
      return reply
        .code(result.failed.length === 0 ? 200 : 502)
        .send({ success: result.failed.length === 0, ...result });
    },
  );

  async function begin(server: Server<McpUpstream>, connect: boolean, reply: FastifyReply) {
    await server.start({ connect }, hangUpOf(reply));
    const { name, view } = server;
    return { success: true, server: name, endpoint: view.endpoint ?? null, connected: view.isConnected };
  }
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
  return (event, data) => void reply.raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
