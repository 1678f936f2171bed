/**
 * What is answered to which request, as a table and a pure function: method, path and report in, reply out.
 * It knows no socket; `server.ts` carries the replies. Both servers have the same routes.
 */
import type { HealthReport } from '../core/health.ts';
import { renderMetrics } from './metrics.ts';

/** An answer, ready to be sent. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** The methods that would have been accepted; with 405 only. */
  readonly allow?: string;
}

type Route = (report: HealthReport) => Reply;

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/livez', ({ live }) => json(live ? 200 : 503, { live })],
  ['/readyz', ({ ready }) => json(ready ? 200 : 503, { ready })],
  ['/healthz', health],
  ['/health', health],
  [
    '/metrics',
    (report) => ({ status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: renderMetrics(report) }),
  ],
]);

/**
 * @param target the request's target as sent; a query is ignored
 * @param report asked only if there is a route, once
 */
export function reply(method: string, target: string, report: () => HealthReport): Reply {
  const [path = ''] = target.split('?', 1);
  const route = routes.get(path);
  if (route === undefined) return json(404, { error: 'not found', paths: [...routes.keys()] });
  if (method !== 'GET' && method !== 'HEAD')
    return { ...json(405, { error: 'method not allowed' }), allow: 'GET, HEAD' };
  return route(report());
}

/** A reply with a JSON body of one line. */
export function json(status: number, value: unknown): Reply {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

function health(report: HealthReport): Reply {
  return json(report.status === 'healthy' ? 200 : 503, report);
}
