/** What can go wrong with a request, as callers see it: a code for programs, a sentence for people. */
import { EngineError, type EngineTrouble } from '../engine.ts';
import { ClosedError } from '../server.ts';
import { LimitError } from '../slots.ts';

/** All of them: the status, and in one sentence when it is the answer. */
export const errors = {
  BAD_REQUEST: {
    status: 400,
    when: 'the request cannot be read, or its body has keys or values that are not accepted',
  },
  UNAUTHORIZED: { status: 401, when: 'a token is needed, and none or another one was sent' },
  FORBIDDEN_HOST: {
    status: 403,
    when: 'the `Host` header names another machine and there is no token: a page that points a name at this one',
  },
  FORBIDDEN_ORIGIN: { status: 403, when: 'a web page of another origin asks, by way of its visitor' },
  NOT_FOUND: { status: 404, when: 'there is nothing at this path' },
  UNKNOWN_SERVER: { status: 404, when: 'no server of this name is configured' },
  SESSION_NOT_FOUND: { status: 404, when: 'the MCP session is over, or never was; the client begins a new one' },
  METHOD_NOT_ALLOWED: { status: 405, when: 'the path is right and the method is not; `Allow` says which are' },
  REQUEST_TIMEOUT: { status: 408, when: 'the request did not come to its end in time' },
  LIMIT_REACHED: { status: 409, when: 'all `maxContainers` run, and none of them is idle' },
  CONFLICT: { status: 409, when: "another container has the server's name, or is being removed" },
  TOO_LARGE: { status: 413, when: 'the body has more than 4 MiB' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, when: 'the body is not `application/json`' },
  IMAGE_MISSING: { status: 424, when: 'the engine does not have the image: it has to be pulled or built' },
  HEADERS_TOO_LARGE: { status: 431, when: 'the headers have more than 16 KiB' },
  CLIENT_GONE: { status: 499, when: 'the caller hung up before there was an answer; in metrics only' },
  INTERNAL: { status: 500, when: 'a bug of the fleet; its log has more' },
  ENGINE_ERROR: { status: 502, when: 'the engine answered with an error that has no other code' },
  SERVER_FAILED: { status: 502, when: 'the server did not start, ended while it answered, or the engine refused it' },
  DOCKER_DISABLED: { status: 503, when: '`docker.enabled` is false' },
  SERVER_CLOSED: { status: 503, when: 'the server was stopped by name, or no window of its schedule is open' },
  SHUTTING_DOWN: { status: 503, when: 'the fleet ends' },
  ENGINE_UNREACHABLE: { status: 504, when: 'the engine does not answer' },
  SERVER_TIMEOUT: { status: 504, when: 'the server did not serve within its `startTimeout`' },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly when: string }>>;

export type Code = keyof typeof errors;

/** A request that cannot be answered as it was meant. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return errors[this.code].status;
  }
}

const byTrouble: Readonly<Record<EngineTrouble, Code>> = {
  unreachable: 'ENGINE_UNREACHABLE',
  'no-such-container': 'ENGINE_ERROR',
  'no-such-image': 'IMAGE_MISSING',
  conflict: 'CONFLICT',
  already: 'ENGINE_ERROR',
  refused: 'SERVER_FAILED',
  timeout: 'SERVER_TIMEOUT',
};

/** Of what HTTP itself found wrong, with words where its own say little. */
const byStatus: Readonly<Record<number, readonly [Code, string?]>> = {
  413: ['TOO_LARGE', 'the body is too large; accepted: at most 4 MiB'],
  415: ['UNSUPPORTED_MEDIA_TYPE', 'the body is of another type; accepted: application/json'],
};

/** Whatever was thrown, as an answer. What nobody expected is a bug, and its text is not for callers. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const options = { cause: error };
  if (error instanceof EngineError) return new ApiError(byTrouble[error.trouble], error.message, options);
  if (error instanceof LimitError) return new ApiError('LIMIT_REACHED', error.message, options);
  if (error instanceof ClosedError) return new ApiError('SERVER_CLOSED', error.message, options);
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode !== undefined && statusCode < 500) {
    const [code, words = message] = byStatus[statusCode] ?? ['BAD_REQUEST'];
    return new ApiError(code, words ?? 'bad request', options);
  }
  return new ApiError('INTERNAL', 'an error of the fleet itself; its log tells', options);
}

/** The one shape of all errors. */
export const bodyOf = ({ code, message }: ApiError) => ({ success: false, error: message, code });
