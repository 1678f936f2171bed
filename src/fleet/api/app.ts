/** The fleet's HTTP side, put together: who may ask, how errors look, and which room answers. */
import { createHash, timingSafeEqual } from 'node:crypto';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance } from 'fastify';
import { isOurHost } from '../../http/host-check.ts';
import type { Fleet } from '../fleet.ts';
import { dockerRoutes } from './docker-routes.ts';
import { ApiError, apiErrorOf, bodyOf } from './errors.ts';
import { mcpRoute } from './mcp-route.ts';
import { makeMetrics } from './metrics.ts';
import { errorBody } from './schemas.ts';

export interface AppOptions {
  /** Where it will listen: requests for other hosts are refused. */
  readonly host: string;
  /** Every request but those for /health has to have it. Absent: none is asked for. */
  readonly token: string | undefined;
  readonly version: string;
  /** Absent: Docker is disabled. */
  readonly fleet: Fleet | undefined;
  /** An answer with 500: what really happened. */
  readonly onBug: (error: unknown) => void;
}

/** A request with more in its body is refused; MCP's largest are files in a tool's arguments. */
const bodyLimit = 4 * 1024 * 1024;
/** And one with more in its headers. */
const maxHeaderSize = 16 * 1024;

export async function makeApp({ host, token, version, fleet, onBug }: AppOptions): Promise<FastifyInstance> {
  const app = fastify({ bodyLimit, forceCloseConnections: true, http: { maxHeaderSize } });
  const metrics = makeMetrics(fleet);
  const enabled = (): Fleet => {
    if (!fleet) throw new ApiError('DOCKER_DISABLED', 'docker.enabled is false in the configuration');
    return fleet;
  };

  app.addHook('onRequest', async ({ headers, url }) => {
    if (!isOurHost(headers.host, host)) throw new ApiError('FORBIDDEN_HOST', `"${headers.host}" is not this server`);
    if (token !== undefined && url !== '/health' && !isBearer(headers.authorization, token)) {
      throw new ApiError('UNAUTHORIZED', 'a bearer token is needed: "Authorization: Bearer …"');
    }
  });
  app.addHook('onResponse', async (request, reply) => metrics.answered(request, reply));
  app.setErrorHandler((error, _request, reply) => {
    const failure = apiErrorOf(error);
    if (failure.code === 'INTERNAL') onBug(error);
    if (failure.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
    return reply.code(failure.status).send(bodyOf(failure));
  });
  app.setNotFoundHandler((request, reply) => {
    const failure = new ApiError('NOT_FOUND', `nothing is at ${request.method} ${request.url.slice(0, 200)}`);
    return reply.code(404).send(bodyOf(failure));
  });

  await app.register(swagger, {
    openapi: {
      info: { title: 'tandem fleet', version, description: 'MCP servers as containers, on demand' },
      components: { schemas: { Error: structuredClone(errorBody) as object } },
    },
  });
  app.get('/health', { schema: { hide: false } }, async (_request, reply) => {
    const isHealthy = !fleet || fleet.isConnected;
    return reply
      .code(isHealthy ? 200 : 503)
      .send({ status: isHealthy ? 'healthy' : 'unhealthy', engine: fleet?.isConnected ?? 'disabled' });
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/openapi.json', async () => app.swagger());
  await app.register(async (room) => dockerRoutes(room, enabled), { prefix: '/api/docker' });
  await app.register(async (room) => mcpRoute(room, enabled), { prefix: '/mcp' });
  await app.ready();
  return app;
}

/** Compared by digest: equally long for any guess. */
function isBearer(header: string | undefined, token: string): boolean {
  const [, given = ''] = /^Bearer (.+)$/i.exec(header ?? '') ?? [];
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
