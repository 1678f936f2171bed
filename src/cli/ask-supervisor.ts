/**
 * Finding the running supervisor and asking it, without any library: `tandem health` is paid for every 30 seconds.
 */
import { controlSockets, type RuntimeDirEnvironment } from '../http/runtime-dir.ts';
import type { Answer } from './http-answer.ts';
import { type Endpoint, httpGet, httpGetAny } from './http-get.ts';
import type { Question } from './http-question.ts';
import { httpsGet } from './https-get.ts';

/** The variables by which it is found. `process.env` is one. */
export interface SupervisorEnvironment extends RuntimeDirEnvironment {
  readonly TANDEM_HEALTH_HOST?: string | undefined;
  readonly TANDEM_HEALTH_PORT?: string | undefined;
}

const defaultHost = '127.0.0.1';
const defaultPort = '7399';

/**
 * The running supervisor's `/health`, whatever it says. The control sockets come first, because no service can have
 * taken their place; then the health port.
 */
export async function askSupervisor(env: SupervisorEnvironment, signal: AbortSignal): Promise<Answer> {
  const reasons: string[] = [];
  for (const path of controlSockets(env)) {
    const answer = await httpGet({ path }, { target: '/health', host: 'localhost' }, signal);
    if ('response' in answer) return answer;
    reasons.push(`${path}: ${answer.noAnswer}`);
  }
  const url = healthPortUrl(env);
  if (url !== undefined) {
    const answer = await getUrl(url, signal);
    if ('response' in answer) return answer;
    reasons.push(`${url.host}: ${answer.noAnswer}`);
  }
  return { noAnswer: `no supervisor answers (${reasons.join('; ') || 'no control socket and no health port'})` };
}

function healthPortUrl({
  TANDEM_HEALTH_HOST,
  TANDEM_HEALTH_PORT = defaultPort,
}: SupervisorEnvironment): URL | undefined {
  if (TANDEM_HEALTH_PORT === '') return undefined;
  const host = TANDEM_HEALTH_HOST || defaultHost;
  return parseHttpUrl(`http://${host.includes(':') ? `[${host}]` : host}:${TANDEM_HEALTH_PORT}/health`);
}

/** `undefined` if it is not an http or https URL. */
export function parseHttpUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}

/** One GET of any http or https URL; userinfo is sent as basic authorization. */
export function getUrl(url: URL, signal: AbortSignal): Promise<Answer> {
  const question: Question = {
    target: url.pathname + url.search,
    host: url.host,
    authorization: basicAuthorization(url),
  };
  return url.protocol === 'https:' ? httpsGet(url, question, signal) : httpGetAny(endpointsOf(url), question, signal);
}

/** `localhost` and the wildcard addresses are both families, whatever the resolver and the server think. */
function endpointsOf({ hostname, port }: URL): Endpoint[] {
  const host = hostname.replace(/^\[|\]$/g, '');
  const isBothFamilies = host === 'localhost' || host === '0.0.0.0' || host === '::';
  const hosts = isBothFamilies ? ['127.0.0.1', '::1'] : [host];
  return hosts.map((each) => ({ host: each, port: Number(port || 80) }));
}

function basicAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}
