/** A route's schema: what is checked of a request, what answers look like, and which errors may come instead. */
import { type Code, errors } from './errors.ts';

/** What any request can meet. */
const anywhere: readonly Code[] = [
  ...(['BAD_REQUEST', 'UNAUTHORIZED', 'FORBIDDEN_HOST', 'FORBIDDEN_ORIGIN', 'HEADERS_TOO_LARGE'] as const),
  ...(['INTERNAL', 'SHUTTING_DOWN'] as const),
];

/** What a request meets that has a body. */
export const bodyFailures: readonly Code[] = ['TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];
/** What is met on the way to a server that runs. */
export const startFailures: readonly Code[] = [
  ...(['LIMIT_REACHED', 'CONFLICT', 'IMAGE_MISSING', 'ENGINE_ERROR', 'SERVER_FAILED', 'SERVER_CLOSED'] as const),
  ...(['ENGINE_UNREACHABLE', 'SERVER_TIMEOUT'] as const),
];
export const engineFailures: readonly Code[] = ['CONFLICT', 'ENGINE_ERROR', 'SERVER_FAILED', 'ENGINE_UNREACHABLE'];

interface Answer {
  readonly description: string;
  /** By the type of the content. */
  readonly content: Readonly<Record<string, { readonly schema: object }>>;
}

export interface Operation {
  readonly params?: object;
  readonly headers?: object;
  readonly body?: object;
  /** By status. */
  readonly answers: Readonly<Record<number, Answer>>;
  readonly failures?: readonly Code[];
  /** It is asked without a token, too. */
  readonly isOpen?: boolean;
}

export const errorName = 'Error';
const errorRef = { $ref: `${errorName}#` };

export const json = (description: string, schema: object): Answer => ({
  description,
  content: { 'application/json': { schema } },
});

/** @param summary what it does, for people */
export function operation(summary: string, { answers, failures = [], isOpen = false, ...checked }: Operation) {
  const response: Record<number, Answer> = { ...answers };
  for (const [status, codes] of byStatus([...anywhere, ...failures])) {
    const description = codes.map((code) => `\`${code}\`: ${errors[code].when}`).join('. ');
    const own = response[status];
    response[status] = own ? either(own, description) : json(description, errorRef);
  }
  return { summary, ...checked, response, ...(isOpen && { security: [] }) };
}

function byStatus(codes: readonly Code[]): ReadonlyMap<number, readonly Code[]> {
  const found = new Map<number, Code[]>();
  for (const code of new Set(codes)) {
    const { status } = errors[code];
    found.set(status, [...(found.get(status) ?? []), code]);
  }
  return found;
}

/** An answer of the route's own, or an error of the same status. */
function either({ description, content }: Answer, failure: string): Answer {
  const schemas = Object.entries(content).map(([type, { schema }]) => [
    type,
    { schema: { anyOf: [schema, errorRef] } },
  ]);
  return { description: `${description}. Or ${failure}`, content: Object.fromEntries(schemas) };
}
