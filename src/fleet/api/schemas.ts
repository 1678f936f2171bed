/** The API's bodies as JSON Schema: what is checked, and what the OpenAPI document says. */
import { strategies } from '../strategy.ts';

const text = { type: 'string' } as const;
const bool = { type: 'boolean' } as const;
const nullable = (schema: object) => ({ ...schema, nullable: true });

export const errorBody = {
  type: 'object',
  required: ['success', 'error', 'code'],
  properties: { success: { type: 'boolean', const: false }, error: text, code: text },
} as const;

export const serverParams = { type: 'object', required: ['server'], properties: { server: text } } as const;

/** A body may be left out, and has no keys that nobody reads. */
const optionalBody = (properties: object) => ({ type: ['object', 'null'], additionalProperties: false, properties });

export const startBody = optionalBody({ connect: { ...bool, default: true, description: 'wait until it answers' } });
export const stopBody = optionalBody({
  remove: { ...bool, default: false, description: 'take the container away, too' },
});
export const pullBody = {
  type: 'object',
  required: ['servers'],
  additionalProperties: false,
  properties: { servers: { type: 'array', minItems: 1, maxItems: 1_000, items: text } },
} as const;

export const statusAnswer = {
  type: 'object',
  properties: {
    enabled: bool,
    strategy: { type: 'string', enum: strategies },
    maxContainers: { type: 'integer' },
    containerCount: { type: 'integer', description: 'running now' },
    connectionCount: { type: 'integer', description: 'MCP sessions that are open' },
  },
} as const;

export const containerAnswer = {
  type: 'object',
  properties: {
    server: text,
    configured: bool,
    containerState: text,
    endpoint: nullable(text),
    connected: bool,
    strategy: { type: 'string', enum: strategies },
    startedAt: nullable({ type: 'string', format: 'date-time' }),
    stoppedAt: nullable({ type: 'string', format: 'date-time' }),
    error: nullable(text),
  },
} as const;

export const containersAnswer = {
  type: 'object',
  properties: { containers: { type: 'array', items: containerAnswer } },
};

export const startAnswer = {
  type: 'object',
  properties: { success: bool, server: text, endpoint: nullable(text), connected: bool },
} as const;

export const stopAnswer = { type: 'object', properties: { success: bool, server: text, removed: bool } } as const;

const failures = (name: string) => ({
  type: 'array',
  items: { type: 'object', properties: { [name]: text, error: text } },
});

export const pullAnswer = {
  type: 'object',
  properties: {
    success: bool,
    results: { type: 'object', properties: { successful: { type: 'array', items: text }, failed: failures('server') } },
  },
} as const;

export const cleanupAnswer = {
  type: 'object',
  properties: { success: bool, removed: { type: 'array', items: text }, failed: failures('container') },
} as const;
