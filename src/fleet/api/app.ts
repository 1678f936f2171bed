/** The fleet's HTTP side, put together: who may ask, how errors look, and which room answers. */
import { setMaxListeners } from 'node:events';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance } from 'fastify';
import type { Fleet } from '../fleet.ts';
import { fail, failRaw } from './answers.ts';
import { dockerRoutes } from './docker-routes.ts';
import { ApiError } from './errors.ts';
import { guard, isTrusted, openRoute } from './guard.ts';
import { mcpRoute } from './mcp-route.ts';
import { watchMethods } from './methods.ts';
import { makeMetrics } from './metrics.ts';
import { openapi } from './openapi.ts';
import { errorName, json, operation } from './operation.ts';
import { errorBody, healthAnswer } from './schemas.ts';

export interface AppOptions {
  /** Where it will listen: requests for other hosts are refused. */
  readonly host: string;
  /** Every request but those for /health has to have it. Absent: none is asked for. */
  readonly token: string | undefined;
  readonly version: string;
  /** Absent: Docker is disabled. */
  readonly fleet: Fleet | undefined;
  /** Aborted when the fleet ends: who asks from then on, or still waits, hears that. */
  readonly ending: AbortSignal;
  /** An answer with 500: what really happened. */
  readonly onBug: (error: unknown) => void;
}

/** A request with more in its body is refused; MCP's largest are files in a tool's arguments. */
const bodyLimit = 4 * 1024 * 1024;
/** And one with more in its headers. */
const maxHeaderSize = 16 * 1024;

export async function makeApp(options: AppOptions): Promise<FastifyInstance> {
  const { token, version, fleet, ending, onBug } = options;
  const app = fastify({
    bodyLimit,
    forceCloseConnections: true,
    // Who leaves out Host is told so in the shape of all errors, by the guard.
    http: { maxHeaderSize, requireHostHeader: false },
    // A key that nobody reads, or of another type, is the caller's mistake.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    return503OnClosing: false,
    clientErrorHandler: failRaw,
    frameworkErrors: (error, _request, reply) => void fail(reply, error, onBug),
  });
  app.decorate('ending', ending);
  setMaxListeners(0, ending);
  const metrics = makeMetrics(fleet);
  const enabled = (): Fleet => {
    if (!fleet) throw new ApiError('DOCKER_DISABLED', 'docker.enabled is false in the configuration');
    return fleet;
  };

  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  // Where a body may be left out, clients that always name its type leave it out, too.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, null);
    else parse(request, String(body), done);
  });
  app.addHook('onRequest', async (request) => guard(request, options));
  app.addHook('onResponse', async (request, reply) => metrics.answered(request, reply));
  app.setErrorHandler((error, _request, reply) => fail(reply, error, onBug));
  app.setNotFoundHandler((request, reply) => {
    return fail(
      reply,
      new ApiError('NOT_FOUND', `nothing is at ${request.method} ${request.url.slice(0, 200)}`),
      onBug,
    );
  });

  const refuseOtherMethods = watchMethods(app);
  app.addSchema({ $id: errorName, ...errorBody });
  await app.register(swagger, openapi(version, token !== undefined));
  app.get(openRoute, { schema: health }, async (request, reply) => {
    const isWell = !ending.aborted && (!fleet || fleet.isConnected);
    const engine = fleet ? (fleet.isConnected ? 'up' : 'down') : 'disabled';
    const status = isWell ? 'healthy' : 'unhealthy';
    return reply.code(isWell ? 200 : 503).send({ status, ...(isTrusted(request, token) && { engine }) });
  });
  app.get('/metrics', { schema: prometheus }, async (_request, reply) => {
    return reply.type(metrics.contentType).send(await metrics.text());
  });
  app.get('/openapi.json', { schema: description }, async () => app.swagger());
  await app.register(async (room) => dockerRoutes(room, enabled), { prefix: '/api/docker' });
  await app.register(async (room) => mcpRoute(room, enabled), { prefix: '/mcp' });
  refuseOtherMethods();
  await app.ready();
  return app;
}

const health = operation('Whether the fleet can do its work', {
  answers: { 200: json('It can', healthAnswer), 503: json('It ends, or the engine does not answer', healthAnswer) },
  isOpen: true,
});

const prometheus = operation('What the fleet does, for Prometheus', {
  answers: { 200: { description: 'Metrics', content: { 'text/plain': { schema: { type: 'string' } } } } },
});

const description = operation('This document', {
  answers: { 200: json('OpenAPI 3.1', { type: 'object', additionalProperties: true }) },
});
