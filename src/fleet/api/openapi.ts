/** The OpenAPI document: made from the routes' schemas, and for MCP, whose bodies the fleet does not read, by hand. */
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { bodyFailures, json, type Operation, operation, startFailures } from './operation.ts';

const ofMcp = ['DOCKER_DISABLED', 'UNKNOWN_SERVER', 'SESSION_NOT_FOUND', ...startFailures] as const;
const message = { description: 'JSON-RPC 2.0', type: ['object', 'array'] };
const stream = { 'text/event-stream': { schema: { type: 'string', description: 'JSON-RPC 2.0 messages as events' } } };
const empty = (description: string) => ({ description, content: {} });

const mcp: Readonly<Record<string, Operation & { readonly summary: string }>> = {
  post: {
    summary: 'Messages for a server: it is started if need be',
    answers: {
      200: { description: 'What it answers', content: { ...json('', message).content, ...stream } },
      202: empty('It has nothing to answer'),
    },
    failures: [...ofMcp, ...bodyFailures],
  },
  get: {
    summary: 'What a server says by itself, within a session',
    answers: { 200: { description: 'Until one of the two ends it', content: stream } },
    failures: [...ofMcp, 'METHOD_NOT_ALLOWED'],
  },
  delete: {
    summary: 'Ends a session',
    answers: { 200: empty('It is over'), 204: empty('It is over') },
    failures: [...ofMcp, 'METHOD_NOT_ALLOWED'],
  },
};

const header = (name: string, description: string, required: boolean) => {
  return { in: 'header', name, required, description, schema: { type: 'string' } };
};

function operationOf([method, { summary, ...rest }]: readonly [string, Operation & { readonly summary: string }]) {
  const { response } = operation(summary, rest);
  const isPost = method === 'post';
  const parameters = [
    { in: 'path', name: 'server', required: true, schema: { type: 'string' } },
    header('Mcp-Session-Id', isPost ? 'of all but the first message' : 'of the session', !isPost),
    header('MCP-Protocol-Version', 'as agreed in the first message', false),
  ];
  const requestBody = { required: true, content: json('', message).content };
  return [method, { summary, parameters, ...(isPost && { requestBody }), responses: response }] as const;
}

/** References as fastify writes them, as OpenAPI does. */
const localised = (part: object): object =>
  JSON.parse(JSON.stringify(part).replace(/"\$ref":"(\w+)#"/g, '"$ref":"#/components/schemas/$1"'));

/** @param hasToken whether requests need one */
export function openapi(version: string, hasToken: boolean): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'tandem fleet', version, description: 'MCP servers as containers, on demand' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: hasToken ? [{ bearer: [] }] : [],
    },
    refResolver: { buildLocalReference: ({ $id }) => String($id) },
    transformObject: (document) => {
      const made = 'openapiObject' in document ? document.openapiObject : {};
      const byHand = localised(Object.fromEntries(Object.entries(mcp).map(operationOf)));
      return { ...made, paths: { ...made.paths, '/mcp/{server}': byHand } };
    },
  };
}
