/** Who may ask: whoever names this machine, comes from no other web page, and has the token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { isOurHost } from '../../http/host-check.ts';
import { ApiError } from './errors.ts';

export interface Guarded {
  readonly host: string;
  readonly token: string | undefined;
  readonly ending: AbortSignal;
}

/** The one route that orchestrators ask without a token: what it says then is one word. */
export const openRoute = '/health';

/** @throws ApiError if the request is not to be answered */
export function guard(request: FastifyRequest, { host, token, ending }: Guarded): void {
  const { headers, routeOptions, raw } = request;
  const { origin } = headers;
  if (headers.host === undefined && raw.httpVersion === '1.1') throw new ApiError('BAD_REQUEST', '"Host" is missing');
  // A page that points a name at this machine has no token; services of a network call this one by its name there.
  const hasAccess = isTrusted(request, token);
  const hasToken = token !== undefined && hasAccess;
  if (!hasToken && !isOurHost(headers.host, host))
    throw new ApiError('FORBIDDEN_HOST', `"${headers.host}" is not this server`);
  if (origin !== undefined && !isOwn(origin, headers.host)) {
    throw new ApiError('FORBIDDEN_ORIGIN', `a page of "${origin}" may not ask this server`);
  }
  if (routeOptions.url === openRoute) return;
  if (!hasAccess) throw new ApiError('UNAUTHORIZED', 'a bearer token is needed: "Authorization: Bearer …"');
  if (ending.aborted) throw new ApiError('SHUTTING_DOWN', 'the fleet ends');
}

/** Whether all may be said to whoever asks: without a token only this machine can. */
export function isTrusted({ headers }: FastifyRequest, token: string | undefined): boolean {
  return token === undefined || isBearer(headers.authorization, token);
}

/** A browser says where a page is from; everybody else says nothing. */
function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** Compared by digest: equally long for any guess. */
function isBearer(header: string | undefined, token: string): boolean {
  const [, given = ''] = /^Bearer (.+)$/i.exec(header ?? '') ?? [];
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
