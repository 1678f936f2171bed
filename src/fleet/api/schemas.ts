/** The API's bodies as JSON Schema: what is checked, and what the OpenAPI document says. */
import { type State, transitions } from '../state.ts';
import { strategies } from '../strategy.ts';
import { errors } from './errors.ts';

const text = { type: 'string' } as const;
const bool = { type: 'boolean' } as const;
const whole = { type: 'integer', minimum: 0 } as const;
const orNull = (schema: { readonly type: string }) => ({ ...schema, type: [schema.type, 'null'] });
const moment = { type: 'string', format: 'date-time' } as const;
const strategy = { type: 'string', enum: strategies } as const;
const states = Object.keys(transitions) as State[];

/** All keys are always there. */
const answer = (properties: Readonly<Record<string, object>>) => ({
  type: 'object',
  required: Object.keys(properties),
  additionalProperties: false,
  properties,
});

export const errorBody = answer({
  success: { type: 'boolean', const: false },
  error: { ...text, description: 'a sentence for people' },
  code: { ...text, enum: Object.keys(errors), description: 'a word for programs' },
});

export const serverParams = { type: 'object', required: ['server'], properties: { server: text } } as const;

/** A body may be left out, and has no keys that nobody reads. */
const optionalBody = (properties: object) => ({ type: ['object', 'null'], additionalProperties: false, properties });

export const startBody = optionalBody({
  connect: { ...bool, default: true, description: 'wait until the server has answered; else until its container runs' },
});
export const stopBody = optionalBody({
  remove: { ...bool, default: false, description: 'take the container away, too' },
});
export const pullBody = {
  type: 'object',
  required: ['servers'],
  additionalProperties: false,
  properties: { servers: { type: 'array', minItems: 1, maxItems: 1_000, items: text } },
} as const;

export const healthAnswer = {
  type: 'object',
  required: ['status'],
  additionalProperties: false,
  properties: {
    status: { ...text, enum: ['healthy', 'unhealthy'] },
    engine: { ...text, enum: ['up', 'down', 'disabled'], description: 'for callers with the token' },
  },
} as const;

export const statusAnswer = answer({
  enabled: bool,
  strategy,
  maxContainers: whole,
  containerCount: { ...whole, description: 'running now' },
  connectionCount: { ...whole, description: 'MCP sessions that are open' },
});

export const containerAnswer = answer({
  server: text,
  configured: bool,
  containerState: { ...text, enum: states },
  endpoint: { ...orNull(text), description: 'where the fleet speaks to it: a URL, or `stdio`' },
  connected: { ...bool, description: 'it runs and has answered' },
  strategy,
  startedAt: orNull(moment),
  stoppedAt: orNull(moment),
  error: { ...orNull(text), description: 'why it failed at last' },
});

export const containersAnswer = answer({ containers: { type: 'array', items: containerAnswer } });

const success = { ...bool, description: 'whether all of it was done' };

export const startAnswer = answer({ success, server: text, endpoint: orNull(text), connected: bool });

export const stopAnswer = answer({ success, server: text, removed: bool });

const failures = (name: string) => ({ type: 'array', items: answer({ [name]: text, error: text }) });

export const pullAnswer = answer({
  success,
  results: answer({ successful: { type: 'array', items: text }, failed: failures('server') }),
});

export const cleanupAnswer = answer({
  success,
  removed: { type: 'array', items: text },
  failed: failures('container'),
});
