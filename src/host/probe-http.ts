/** The HTTP probe: the status as expected, then what the body says. */
import type { IncomingMessage } from 'node:http';
import { judgeHealthBody } from '../core/health-verdict.ts';
import type { ProbeResult } from '../core/ports.ts';
import type { JsonPattern, ProbeSpec } from '../core/spec.ts';
import { exchange, readBody } from './http-exchange.ts';
import { mismatch } from './json-match.ts';
import { tidy } from './reason.ts';

/** @throws the connection's error, or an AbortError */
export async function probeHttp(
  probe: Extract<ProbeSpec, { kind: 'http' }>,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const question = { url: probe.url, method: 'GET', headers: { accept: 'application/json, */*' } } as const;
  const response = await exchange(question, signal);
  try {
    const status = response.statusCode ?? 0;
    if (!isExpected(status, probe.status)) return { ok: false, reason: await reasonOfRefusal(status, response) };
    return await judgeBody(response, probe.json);
  } finally {
    response.destroy();
  }
}

function isExpected(status: number, expected: number | undefined): boolean {
  return expected === undefined ? status >= 200 && status < 300 : status === expected;
}

/** The status, and what a JSON body adds to it: which component is down. A body that does not come adds nothing. */
async function reasonOfRefusal(status: number, response: IncomingMessage): Promise<string> {
  const words = reasonOfStatus(status);
  if (!/[/+]json\b/i.test(response.headers['content-type'] ?? '')) return words;
  const text = await readBody(response).catch(() => undefined);
  const judged = judgeHealthBody(text === undefined ? undefined : parseJson(text));
  return judged.ok ? words : `${words}, ${judged.reason}`;
}

function reasonOfStatus(status: number): string {
  return status >= 300 && status < 400 ? `HTTP ${status} (redirects are not followed)` : `HTTP ${status}`;
}

async function judgeBody(response: IncomingMessage, pattern: JsonPattern | undefined): Promise<ProbeResult> {
  // An event stream has no end to wait for.
  if (pattern === undefined && /event-stream/.test(response.headers['content-type'] ?? '')) return { ok: true };
  const text = await readBody(response);
  const body = text === undefined ? undefined : parseJson(text);
  if (pattern === undefined) return judgeHealthBody(body);
  if (text === undefined) return { ok: false, reason: 'the body is longer than 1 MiB' };
  if (body === undefined) return { ok: false, reason: 'the body is not JSON' };
  const reason = mismatch(pattern, body);
  return reason === undefined ? { ok: true } : { ok: false, reason: tidy(reason) };
}

/** JSON is recognised by its text: many services serve it as `text/plain` or `text/html`. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
