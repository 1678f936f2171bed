/** Whether an answer is one that the OpenAPI document promises. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';

interface Media {
  readonly schema?: object;
}

interface Response {
  readonly description: string;
  readonly content?: Readonly<Record<string, Media>>;
}

export interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, Response>>;
  readonly security?: readonly object[];
}

export interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>>; readonly securitySchemes: object };
  readonly security: readonly object[];
}

const documents = new WeakMap<FastifyInstance, Document>();

export function documentOf(app: FastifyInstance): Document {
  const document = documents.get(app) ?? (app.swagger() as unknown as Document);
  documents.set(app, document);
  return document;
}

const validators = new WeakMap<object, ValidateFunction>();

function validatorOf({ components }: Document, schema: object): ValidateFunction {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = validators.get(schema) ?? ajv.compile({ components, ...schema });
  validators.set(schema, validate);
  return validate;
}

/** What is wrong with an answer; absent: it is as the document says. */
export function problemOf(
  document: Document,
  { method, path, status, type, body }: { method: string; path: string; status: number; type: string; body: string },
): string | undefined {
  const [, item] = Object.entries(document.paths).find(([template]) => matches(template, path)) ?? [];
  const response = item?.[method.toLowerCase()]?.responses[status];
  if (!response) return `${method} ${path}: ${status} is not documented`;
  const [only = ''] = type.split(';');
  const media = response.content?.[only];
  if (!media?.schema) return `${method} ${path}: ${status} is documented, and "${only}" is not`;
  if (only !== 'application/json') return undefined;
  const validate = validatorOf(document, media.schema);
  if (validate(JSON.parse(body))) return undefined;
  return `${method} ${path}: ${status}: ${JSON.stringify(validate.errors)}: ${body}`;
}

/** Asks, and throws if the answer is not as documented. */
export async function ask(app: FastifyInstance, options: InjectOptions): Promise<LightMyRequestResponse> {
  const answer = await app.inject(options);
  const [path = ''] = String(options.url).split('?');
  const { statusCode: status, headers, body } = answer;
  const type = String(headers['content-type'] ?? '');
  const problem = problemOf(documentOf(app), { method: options.method ?? 'GET', path, status, type, body });
  if (problem) throw new Error(problem);
  return answer;
}

function matches(template: string, path: string): boolean {
  const parts = path.split('/');
  const steps = template.split('/');
  return steps.length === parts.length && steps.every((step, index) => step.startsWith('{') || step === parts[index]);
}
