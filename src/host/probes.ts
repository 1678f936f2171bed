/**
 * Puts one question to a service, within one deadline, and never throws: whatever goes wrong is the answer. What each
 * protocol needs is loaded when the first such probe is asked.
 */
import type { Machine, ProbeResult } from '../core/ports.ts';
import type { ProbeSpec, ServiceSpec } from '../core/spec.ts';
import { systemClock } from './clock.ts';
import type { Launcher } from './processes.ts';
import { plain, reasonOf } from './reason.ts';

/**
 * Makes what asks once, and settles promptly when the signal is aborted, with a failure that nobody needs to read.
 * @param launcher what starts the command of an `exec` probe, as it starts the service's
 */
export function makeProbe(launcher: Launcher): Machine['probe'] {
  return (question, spec, timeoutMs, signal) =>
    askInTime((scope) => ask(question, { spec, launcher, timeoutMs }, scope), timeoutMs, signal);
}

async function askInTime(
  askOnce: (scope: AbortSignal) => Promise<ProbeResult>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const scope = new AbortController();
  const abort = () => scope.abort();
  signal.addEventListener('abort', abort);
  let isLate = false;
  void systemClock.sleep(timeoutMs, scope.signal).then(() => {
    isLate = !scope.signal.aborted;
    abort();
  });
  try {
    if (signal.aborted) return { ok: false, reason: 'aborted' };
    const result = await askOnce(scope.signal);
    if (result.ok) return result;
    return isLate ? noAnswer(timeoutMs) : { ok: false, reason: plain(result.reason) };
  } catch (error) {
    if (isLate) return noAnswer(timeoutMs);
    return { ok: false, reason: signal.aborted ? 'aborted' : reasonOf(error) };
  } finally {
    signal.removeEventListener('abort', abort);
    abort();
  }
}

const noAnswer = (timeoutMs: number): ProbeResult => ({ ok: false, reason: `no answer within ${timeoutMs} ms` });

interface Asked {
  readonly spec: ServiceSpec;
  readonly launcher: Launcher;
  readonly timeoutMs: number;
}

async function ask(question: ProbeSpec, { spec, launcher, timeoutMs }: Asked, signal: AbortSignal) {
  switch (question.kind) {
    case 'http':
      return (await import('./probe-http.ts')).probeHttp(question, signal);
    case 'tcp':
      return (await import('./probe-tcp.ts')).probeTcp(question.address, timeoutMs, signal);
    case 'exec':
      return (await import('./probe-exec.ts')).probeExec(question, spec, launcher, signal);
    case 'mcp':
      return (await import('./probe-mcp.ts')).probeMcp(question.url, signal);
    case 'postgres':
      return (await import('./probe-postgres.ts')).probePostgres(question, signal);
    case 'redis':
      return (await import('./probe-redis.ts')).probeRedis(question, signal);
  }
}
