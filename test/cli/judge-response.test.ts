import t from 'tap';
import type { HttpResponse } from '../../src/cli/http-answer.ts';
import { judgeResponse } from '../../src/cli/judge-response.ts';
import { healthyReport, unhealthyReport } from '../http/fixture.ts';

function served(body: unknown, { status = 200, contentType = 'application/json' } = {}): HttpResponse {
  return { status, contentType, body: typeof body === 'string' ? body : JSON.stringify(body) };
}

t.test('B21 what is healthy, and the words for it', async (t) => {
  const table: readonly [HttpResponse, string][] = [
    [served(healthyReport), 'migrations skipped, gateway healthy, hub healthy'],
    [served({ status: 'UP' }), 'status UP'],
    [served({ status: 'ok', components: { registry: true, cache: 'pass' } }), 'registry ok, cache pass'],
    [served({ components: [{ name: 'db', status: 'up' }] }), 'db up'],
    [served({}), 'HTTP 200'],
    [served('\uFEFF{"status":"ok"}'), 'status ok'],
    [served('<html>', { contentType: 'text/html' }), 'HTTP 200'],
    [served('', { contentType: '' }), 'HTTP 200'],
    [served('{"status": broken', { contentType: 'text/plain' }), 'HTTP 200'],
  ];
  for (const [response, words] of table) t.same(judgeResponse(response), { isHealthy: true, words });
});

t.test('B53 a password in what the service says is not shown', async (t) => {
  const url = 'postgres:\\/\\/hub:s3cret@db';
  for (const body of [
    `{"components":{"db":"no ${url}"}}`,
    `{"status":"ok, ${url}"}`,
    `{"components":{"${url}":"ok"}}`,
  ]) {
    const { words } = judgeResponse(served(body));
    t.match(words, 'postgres://***@db');
    t.notMatch(words, 's3cret');
  }
});

t.test('B21 what is not, and which component', async (t) => {
  const table: readonly [HttpResponse, string][] = [
    [served(unhealthyReport, { status: 503 }), 'gateway unhealthy: connection refused'],
    [served({ status: 'healthy', components: { registry: false, hub: 'ok' } }), 'registry false'],
    [
      served({ status: 'ok', components: { db: { status: 'down', reason: 'no route' }, hub: null } }),
      'db down: no route, hub null',
    ],
    [served({ status: 'unhealthy' }), 'status is "unhealthy"'],
    [served({ status: 'ok', db: 'error' }), 'component "db" is "error"'],
    [served({ status: 'starting' }, { status: 503 }), 'status is "starting"'],
    [served({ status: 'down' }, { contentType: 'text/plain' }), 'status is "down"'],
    [served('{"status":"hea'), 'HTTP 200, the body is not valid JSON'],
    [served('', { contentType: 'application/health+json; charset=utf-8' }), 'HTTP 200, the body is not valid JSON'],
    [served({ status: 'ok' }, { status: 500 }), 'HTTP 500'],
    [served('', { status: 204, contentType: '' }), 'HTTP 204'],
    [served('', { status: 302, contentType: '' }), 'HTTP 302, redirects are not followed'],
  ];
  for (const [response, words] of table) t.same(judgeResponse(response), { isHealthy: false, words });
});
