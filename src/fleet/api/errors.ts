/** What can go wrong with a request, as callers see it: a code for programs, a sentence for people. */
import { EngineError, type EngineTrouble } from '../engine.ts';
import { ClosedError } from '../server.ts';
import { LimitError } from '../slots.ts';

export type Code =
  | 'BAD_REQUEST'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN_HOST'
  | 'NOT_FOUND'
  | 'UNKNOWN_SERVER'
  | 'SESSION_NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'LIMIT_REACHED'
  | 'CONFLICT'
  | 'TOO_LARGE'
  | 'IMAGE_MISSING'
  | 'INTERNAL'
  | 'ENGINE_ERROR'
  | 'ENGINE_UNREACHABLE'
  | 'SERVER_FAILED'
  | 'SERVER_TIMEOUT'
  | 'SERVER_CLOSED'
  | 'DOCKER_DISABLED'
  | 'SHUTTING_DOWN';

export const statusOf: Readonly<Record<Code, number>> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN_HOST: 403,
  NOT_FOUND: 404,
  UNKNOWN_SERVER: 404,
  SESSION_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  LIMIT_REACHED: 409,
  CONFLICT: 409,
  TOO_LARGE: 413,
  IMAGE_MISSING: 424,
  INTERNAL: 500,
  ENGINE_ERROR: 502,
  ENGINE_UNREACHABLE: 504,
  SERVER_FAILED: 502,
  SERVER_TIMEOUT: 504,
  SERVER_CLOSED: 503,
  DOCKER_DISABLED: 503,
  SHUTTING_DOWN: 503,
};

/** A request that cannot be answered as it was meant. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return statusOf[this.code];
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

/** Whatever was thrown, as an answer. What nobody expected is a bug, and its text is not for callers. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const options = { cause: error };
  if (error instanceof EngineError) return new ApiError(byTrouble[error.trouble], error.message, options);
  if (error instanceof LimitError) return new ApiError('LIMIT_REACHED', error.message, options);
  if (error instanceof ClosedError) return new ApiError('SERVER_CLOSED', error.message, options);
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode === 413) return new ApiError('TOO_LARGE', message ?? 'too large', options);
  if (statusCode !== undefined && statusCode < 500)
    return new ApiError('BAD_REQUEST', message ?? 'bad request', options);
  return new ApiError('INTERNAL', 'an error of the fleet itself; its log tells', options);
}

/** The one shape of all errors. */
export const bodyOf = ({ code, message }: ApiError) => ({ success: false, error: message, code });
