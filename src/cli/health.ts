/**
 * `tandem health`: asks the running supervisor, or with `--url` any service, and says in one line and an exit code
 * whether it is healthy. Docker pays for it every 30 seconds, so it loads no more than a raw socket.
 *
 * Everything happens inside one deadline. Tried again is: no answer, always; with `--url` an unhealthy answer too. The
 * supervisor's own "unhealthy" or "starting" is final: it has counted failures already, and so will Docker.
 */
import { writeSync } from 'node:fs';
import { controlSockets, type RuntimeDirEnvironment } from '../http/runtime-dir.ts';
import type { Answer } from './http-answer.ts';
import { type Endpoint, httpGet, httpGetAny, type Question } from './http-get.ts';
import { httpsGet } from './https-get.ts';
import { judgeResponse } from './judge-response.ts';

/** The variables that are read. `process.env` is one. */
export interface HealthEnvironment extends RuntimeDirEnvironment {
  readonly TANDEM_HEALTH_HOST?: string | undefined;
  readonly TANDEM_HEALTH_PORT?: string | undefined;
  readonly HEALTHCHECK_DEBUG?: string | undefined;
}

/** What is asked, and how long. */
export interface HealthOptions {
  /** Any http or https URL. Absent: the running supervisor. */
  readonly url?: string | undefined;
  /** The one deadline for all tries. */
  readonly timeoutMs: number;
  readonly env: HealthEnvironment;
  /** Receives the line with the result. Default: stdout. */
  readonly print?: (line: string) => void;
  /** Receives each try under `HEALTHCHECK_DEBUG`. Default: stderr. */
  readonly debug?: (line: string) => void;
}

interface Verdict {
  readonly isHealthy: boolean;
  /** A summary if healthy, else the reason. */
  readonly words: string;
  /** Asking again could not change it. */
  readonly isFinal: boolean;
}

type Ask = () => Promise<Verdict>;

/** Below Docker's usual timeout, so that the reason is told before Docker gives up. */
export const defaultHealthTimeoutMs = 4_000;

const defaultHost = '127.0.0.1';
const defaultPort = '7399';
const firstPauseMs = 50;
const maxPauseMs = 1_000;
/** Docker keeps 4096 bytes of a check's output. */
const maxLineLength = 1_000;

/**
 * Asks, prints one line and returns the exit code: 0 healthy, 1 not. Never throws and never returns another code:
 * Docker keeps 2 for itself.
 * @example
 * process.exitCode = await runHealth({ timeoutMs: defaultHealthTimeoutMs, env: process.env });
 */
export async function runHealth(options: HealthOptions): Promise<0 | 1> {
  const { timeoutMs, print = writeLineTo(1) } = options;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  try {
    const { isHealthy, words } = await askUntilFinal(options, deadline.signal);
    print(printable(`${isHealthy ? 'healthy' : 'unhealthy'}: ${words}`));
    return isHealthy ? 0 : 1;
  } catch (error) {
    print(printable(`unhealthy: the check itself failed: ${String(error)}`));
    return 1;
  } finally {
    clearTimeout(timer);
  }
}

/** Repeats the question with growing pauses while there is time and something to hope for. */
async function askUntilFinal(options: HealthOptions, deadline: AbortSignal): Promise<Verdict> {
  const { timeoutMs, env, debug } = options;
  const ask = makeAsk(options, deadline);
  const trace = isOn(env.HEALTHCHECK_DEBUG) ? (debug ?? writeLineTo(2)) : () => {};
  const startedAt = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedAt);
  let previous: Verdict | undefined;
  for (let attempt = 1, pauseMs = firstPauseMs; ; attempt++, pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
    const verdict = await ask();
    const { isHealthy, words, isFinal } = verdict;
    trace(printable(`try ${attempt}, ${elapsedMs()} ms: ${isHealthy ? 'healthy' : 'unhealthy'}: ${words}`));
    // A try that the deadline cut short tells less than the one before it.
    if (deadline.aborted && !isHealthy) return previous ?? verdict;
    if (isHealthy || isFinal || elapsedMs() + pauseMs >= timeoutMs) return verdict;
    previous = verdict;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function makeAsk({ url, env }: HealthOptions, signal: AbortSignal): Ask {
  if (url === undefined) return () => askSupervisor(env, signal);
  const parsed = parseHttpUrl(url);
  return parsed === undefined ? refuseUrl : () => askUrl(parsed, signal);
}

async function refuseUrl(): Promise<Verdict> {
  // Without the value: a mistyped URL can hold a password too.
  return { isHealthy: false, words: 'cannot ask: --url takes an http or https URL', isFinal: true };
}

/** The control sockets first: no service can have taken their place. Then the health port. */
async function askSupervisor(env: HealthEnvironment, signal: AbortSignal): Promise<Verdict> {
  const reasons: string[] = [];
  for (const path of controlSockets(env)) {
    const answer = await httpGet({ path }, { target: '/health', host: 'localhost' }, signal);
    if ('response' in answer) return { ...judgeResponse(answer.response), isFinal: true };
    reasons.push(`${path}: ${answer.noAnswer}`);
  }
  const url = healthPortUrl(env);
  if (url !== undefined) {
    const answer = await get(url, signal);
    if ('response' in answer) return { ...judgeResponse(answer.response), isFinal: true };
    reasons.push(`${url.host}: ${answer.noAnswer}`);
  }
  const words = `no supervisor answers (${reasons.join('; ') || 'no control socket and no health port'})`;
  return { isHealthy: false, words, isFinal: false };
}

async function askUrl(url: URL, signal: AbortSignal): Promise<Verdict> {
  const answer = await get(url, signal);
  if ('response' in answer) return { ...judgeResponse(answer.response), isFinal: false };
  // Host and port only: userinfo and query can be secrets.
  return { isHealthy: false, words: `${url.host}: ${answer.noAnswer}`, isFinal: false };
}

function healthPortUrl({ TANDEM_HEALTH_HOST, TANDEM_HEALTH_PORT = defaultPort }: HealthEnvironment): URL | undefined {
  if (TANDEM_HEALTH_PORT === '') return undefined;
  const host = TANDEM_HEALTH_HOST || defaultHost;
  return parseHttpUrl(`http://${host.includes(':') ? `[${host}]` : host}:${TANDEM_HEALTH_PORT}/health`);
}

function parseHttpUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}

function get(url: URL, signal: AbortSignal): Promise<Answer> {
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

/** One line of bounded length without control characters: a foreign service wrote parts of it. */
function printable(text: string): string {
  const line = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return line.length <= maxLineLength ? line : `${line.slice(0, maxLineLength - 1)}…`;
}

function isOn(value: string | undefined): boolean {
  return /^(1|true|yes|on)$/i.test(value ?? '');
}

/** Straight to the descriptor: `process.stdout` would load what the check does not need. */
function writeLineTo(descriptor: 1 | 2): (line: string) => void {
  return (line) => {
    try {
      writeSync(descriptor, `${line}\n`);
    } catch {
      // Nobody reads; the exit code still tells.
    }
  };
}
