/**
 * Whether one HTTP answer means healthy, and the words for it. Pure. The rule for the body is core's; here it is decided
 * which bodies are judged, and what an operator reads in Docker's health log.
 */
import { judgeHealthBody } from '../core/health-verdict.ts';
import { hideUserinfo } from '../core/userinfo.ts';
import type { HttpResponse } from './http-answer.ts';

/** `words` is a summary if healthy, else the reason. */
export interface ResponseVerdict {
  readonly isHealthy: boolean;
  readonly words: string;
}

/**
 * Healthy is HTTP 200 with a body that says nothing bad of itself. A body that is declared as JSON must be JSON.
 * @example judgeResponse({ status: 302, contentType: '', body: '' }).words // 'HTTP 302, redirects are not followed'
 */
export function judgeResponse({ status, contentType, body }: HttpResponse): ResponseVerdict {
  const unhealthy = (words: string): ResponseVerdict => ({ isHealthy: false, words: hideUserinfo(words) });
  const value = parseJson(body);
  if (value === undefined && /[/+]json\b/i.test(contentType))
    return unhealthy(`HTTP ${status}, the body is not valid JSON`);
  const judged = judgeHealthBody(value);
  if (!judged.ok) return unhealthy(describeSick(value) || judged.reason);
  if (status >= 300 && status < 400) return unhealthy(`HTTP ${status}, redirects are not followed`);
  if (status !== 200) return unhealthy(`HTTP ${status}`);
  return { isHealthy: true, words: hideUserinfo(summarize(value)) };
}

function parseJson(body: string): unknown {
  try {
    // A byte order mark is no part of the value.
    return JSON.parse(body.replace(/^\uFEFF/, ''));
  } catch {
    return undefined;
  }
}

/** Each component that is not healthy, with its reason: `gateway unhealthy: connection refused, hub pending`. */
function describeSick(value: unknown): string {
  return componentsOf(value)
    .filter(([name, component]) => !judgeHealthBody({ components: { [name]: component } }).ok)
    .map(([name, component]) => [`${name} ${wordOf(component)}`, ...reasonOf(component)].join(': '))
    .join(', ');
}

/** `migrations skipped, gateway healthy, hub healthy`, or what there is to say. */
function summarize(value: unknown): string {
  const components = componentsOf(value).map(([name, component]) => `${name} ${wordOf(component)}`);
  if (components.length > 0) return components.join(', ');
  const { status } = asRecord(value);
  return typeof status === 'string' ? `status ${status}` : 'HTTP 200';
}

function componentsOf(value: unknown): [string, unknown][] {
  return Object.entries(asRecord(asRecord(value).components)).map(([key, component]) => {
    const { name } = asRecord(component);
    return [typeof name === 'string' ? name : key, component];
  });
}

function wordOf(component: unknown): string {
  const word = asRecord(component).status ?? component;
  if (word === true) return 'ok';
  return typeof word === 'object' && word !== null ? 'present' : String(word);
}

/** What a probe said last is nearer to the cause than how the state came about. */
function reasonOf(component: unknown): string[] {
  const { probe, reason } = asRecord(component);
  const words = asRecord(probe).reason ?? reason;
  return typeof words === 'string' && words !== '' ? [words] : [];
}

interface KnownFields {
  readonly status?: unknown;
  readonly components?: unknown;
  readonly name?: unknown;
  readonly reason?: unknown;
  readonly probe?: unknown;
}

function asRecord(value: unknown): KnownFields {
  return typeof value === 'object' && value !== null ? value : {};
}
