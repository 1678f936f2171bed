/**
 * `tandem health`: asks the running supervisor, or with `--url` any service, and says in one line and an exit code
 * whether it is healthy. Docker pays for it every 30 seconds, so it loads no more than a raw socket.
 *
 * Everything happens inside one deadline. Tried again is: no answer, always; with `--url` an unhealthy answer too. The
 * supervisor's own "unhealthy" or "starting" is final: it has counted failures already, and so will Docker.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../host/clock.ts';
import { askSupervisor, getUrl, parseHttpUrl, type SupervisorEnvironment } from './ask-supervisor.ts';
import { judgeResponse } from './judge-response.ts';
import { printable } from './printable.ts';

/** The variables that are read. `process.env` is one. */
export interface HealthEnvironment extends SupervisorEnvironment {
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

const firstPauseMs = 50;
const maxPauseMs = 1_000;

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
  const startedAt = systemClock.now();
  const elapsedMs = () => Math.round(systemClock.now() - startedAt);
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
  if (url === undefined) return () => askRunning(env, signal);
  const parsed = parseHttpUrl(url);
  return parsed === undefined ? refuseUrl : () => askUrl(parsed, signal);
}

async function refuseUrl(): Promise<Verdict> {
  // Without the value: a mistyped URL can hold a password too.
  return { isHealthy: false, words: 'cannot ask: --url takes an http or https URL', isFinal: true };
}

async function askRunning(env: HealthEnvironment, signal: AbortSignal): Promise<Verdict> {
  const answer = await askSupervisor(env, signal);
  if ('response' in answer) return { ...judgeResponse(answer.response), isFinal: true };
  return { isHealthy: false, words: answer.noAnswer, isFinal: false };
}

async function askUrl(url: URL, signal: AbortSignal): Promise<Verdict> {
  const answer = await getUrl(url, signal);
  if ('response' in answer) return { ...judgeResponse(answer.response), isFinal: false };
  // Host and port only: userinfo and query can be secrets.
  return { isHealthy: false, words: `${url.host}: ${answer.noAnswer}`, isFinal: false };
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
