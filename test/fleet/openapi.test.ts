/** The OpenAPI document: valid, whole, and true of every route. That answers are as it says, each test of the API checks. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import t, { test } from 'tap';
import { type Code, errors } from '../../src/fleet/api/errors.ts';
import { ask, documentOf, type Operation, problemOf } from './documented.ts';
import { type Made, makeFleet } from './fake-fleet.ts';

let made: Made;
t.before(async () => {
  made = await makeFleet({ stopTimeout: 1, serverConfigs: { one: {} } });
});
t.teardown(() => made.stop());

const text = { type: 'string' };
const content = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    properties: { schema: { type: 'object' } },
    required: ['schema'],
    additionalProperties: false,
  },
};
const parameter = {
  type: 'object',
  required: ['in', 'name', 'schema'],
  properties: {
    in: { enum: ['path', 'header', 'query'] },
    name: text,
    required: { type: 'boolean' },
    description: text,
    schema: { type: 'object' },
  },
  additionalProperties: false,
};
const response = {
  type: 'object',
  required: ['description'],
  properties: { description: { type: 'string', minLength: 5 }, content },
  additionalProperties: false,
};
const requirement = { type: 'object', additionalProperties: { type: 'array', items: text } };
const operation = {
  type: 'object',
  required: ['summary', 'responses'],
  properties: {
    summary: { type: 'string', minLength: 5 },
    parameters: { type: 'array', items: parameter },
    requestBody: {
      type: 'object',
      required: ['content'],
      properties: { required: { type: 'boolean' }, description: text, content },
      additionalProperties: false,
    },
    responses: { type: 'object', propertyNames: { pattern: '^[1-5]\\d\\d$' }, additionalProperties: response },
    security: { type: 'array', items: requirement },
  },
  additionalProperties: false,
};
/** Of OpenAPI 3.1 what is used here, by its specification. */
const form = {
  type: 'object',
  required: ['openapi', 'info', 'paths', 'components'],
  properties: {
    openapi: { const: '3.1.0' },
    info: { type: 'object', required: ['title', 'version'], properties: { title: text, version: text } },
    paths: {
      type: 'object',
      propertyNames: { pattern: '^/' },
      additionalProperties: {
        type: 'object',
        propertyNames: { enum: ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace', 'parameters'] },
        additionalProperties: operation,
      },
    },
    components: {
      type: 'object',
      required: ['schemas', 'securitySchemes'],
      properties: { schemas: { type: 'object', required: ['Error'] }, securitySchemes: { type: 'object' } },
      additionalProperties: false,
    },
    security: { type: 'array', items: requirement },
  },
  additionalProperties: false,
};

const operations = (): readonly (readonly [string, Operation])[] =>
  Object.entries(documentOf(made.app).paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, one]) => [`${method.toUpperCase()} ${path}`, one] as const),
  );

test('B42 GET /openapi.json is a valid document, with valid schemas and references that lead somewhere', async (t) => {
  const answer = await ask(made.app, { url: '/openapi.json' });
  const document = answer.json();
  const ajv = new Ajv2020({
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    formats: { 'date-time': true },
  });
  ajv.addVocabulary(['components']);
  t.ok(ajv.validate(form, document), JSON.stringify(ajv.errors));
  let count = 0;
  const visit = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return;
    for (const [key, value] of Object.entries(part)) {
      if (key !== 'schema') {
        visit(value);
        continue;
      }
      count += 1;
      t.doesNotThrow(() => ajv.compile({ components: document.components, ...value }), JSON.stringify(value));
    }
  };
  visit(document.paths);
  t.ok(count > 50);
});

/** As fastify prints them: a tree with four columns a level. */
function* knownRoutes(): Generator<string> {
  const above: string[] = [];
  for (const line of made.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, lead = '', path = '', methods = ''] = /^([│├└─ ]*)(\/\S*) \((.*)\)$/.exec(line) ?? [];
    above.splice(lead.length / 4 - 1, Infinity, path);
    for (const method of methods.split(', ').filter((one) => one !== '')) yield `${method} ${above.join('')}`;
  }
}

test('B42 every route that there is is in it, and nothing else', async (t) => {
  const known = new Set(knownRoutes());
  t.ok(known.size > 90, 'those that answer 405 are known, too');
  const documented = operations().map(([name]) => name);
  t.same([...documented].sort(), [
    'DELETE /mcp/{server}',
    'GET /api/docker/containers',
    'GET /api/docker/containers/{server}',
    'GET /api/docker/status',
    'GET /health',
    'GET /mcp/{server}',
    'GET /metrics',
    'GET /openapi.json',
    'POST /api/docker/cleanup',
    'POST /api/docker/containers/{server}/restart',
    'POST /api/docker/containers/{server}/start',
    'POST /api/docker/containers/{server}/stop',
    'POST /api/docker/images/pull',
    'POST /mcp/{server}',
  ]);
  // What is not documented, and no HEAD of what is, is refused as a method.
  const url = (path: string) => path.replace('{server}', 'one').replace(':server', 'one');
  for (const name of known) {
    const [method = '', path = ''] = name.split(' ');
    const isDocumented = documented.includes(`${method} ${path.replace(':server', '{server}')}`);
    if (isDocumented || method === 'HEAD') continue;
    const answer = await made.app.inject({ method: method as 'GET', url: url(path) });
    t.equal(answer.statusCode, 405, name);
  }
});

test('B42 each operation says which errors may come, in the one shape', (t) => {
  const statuses = (...codes: Code[]) => codes.map((code) => String(errors[code].status));
  for (const [name, { responses }] of operations()) {
    t.strictSame(
      statuses('UNAUTHORIZED', 'FORBIDDEN_HOST', 'BAD_REQUEST', 'INTERNAL', 'SHUTTING_DOWN').filter(
        (one) => !responses[one],
      ),
      [],
      name,
    );
    for (const [status, { content = {} }] of Object.entries(responses).filter(([status]) => status >= '400')) {
      const schema = JSON.stringify(content['application/json']?.schema);
      const isOwn = name.endsWith('/pull') && status === '502';
      if (!isOwn) t.match(schema, '"$ref":"#/components/schemas/Error"', `${name} ${status}`);
    }
  }
  const start = operations().find(([name]) => name.endsWith('/start'))?.[1].responses ?? {};
  for (const status of ['404', '409', '413', '415', '424', '502', '503', '504']) t.ok(start[status], status);
  t.match(start['424']?.description, '`IMAGE_MISSING`: the engine does not have the image');
  t.end();
});

test('B47 the document says that a token is needed, and where it is not', async (t) => {
  t.same(documentOf(made.app).security, [], 'none is needed here');
  const other = await makeFleet({ serverConfigs: {} }, { token: 'a-token-of-the-test' });
  t.teardown(() => other.stop());
  const document = documentOf(other.app);
  t.same(document.security, [{ bearer: [] }]);
  t.same(document.components.securitySchemes, { bearer: { type: 'http', scheme: 'bearer' } });
  const open = Object.entries(document.paths).filter(([, item]) =>
    Object.values(item).some(({ security }) => security),
  );
  t.same(
    open.map(([path]) => path),
    ['/health'],
  );
});

test('the check of answers can fail', (t) => {
  const document = documentOf(made.app);
  const answer = { method: 'GET', path: '/health', status: 200, type: 'application/json' };
  t.equal(problemOf(document, { ...answer, body: '{"status":"healthy"}' }), undefined);
  t.match(problemOf(document, { ...answer, body: '{"status":"fine"}' }), /allowed values/);
  t.match(problemOf(document, { ...answer, body: '{"status":"healthy","x":1}' }), /additional properties/);
  t.match(problemOf(document, { ...answer, status: 418, body: '{}' }), /418 is not documented/);
  t.match(problemOf(document, { ...answer, type: 'text/html', body: '' }), /"text\/html" is not/);
  t.end();
});
