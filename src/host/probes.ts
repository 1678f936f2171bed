/**
 * Puts one question to a service, within one deadline, and never throws: whatever goes wrong is the answer. What each
 * protocol needs is loaded when the first such probe is asked.
 */
import type { ProbeResult } from '../core/ports.ts';
import type { ProbeSpec, ServiceSpec } from '../core/spec.ts';
import { systemClock } from './clock.ts';
import { reasonOf } from './reason.ts';

/**
 * Asks once. Settles promptly when the signal is aborted, with a failure that nobody needs to read.
 * @param spec whose directory, environment and identity an `exec` probe runs in
 */
export async function probe(
  question: ProbeSpec,
  spec: ServiceSpec,
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
    const result = await ask(question, spec, timeoutMs, scope.signal);
    return !result.ok && isLate ? noAnswer(timeoutMs) : result;
  } catch (error) {
    if (isLate) return noAnswer(timeoutMs);
    return { ok: false, reason: signal.aborted ? 'aborted' : reasonOf(error) };
  } finally {
    signal.removeEventListener('abort', abort);
    abort();
  }
}

const noAnswer = (timeoutMs: number): ProbeResult => ({ ok: false, reason: `no answer within ${timeoutMs} ms` });

async function ask(question: ProbeSpec, spec: ServiceSpec, timeoutMs: number, signal: AbortSignal) {
  switch (question.kind) {
    case 'http':
      return (await import('./probe-http.ts')).probeHttp(question, signal);
    case 'tcp':
      return (await import('./probe-tcp.ts')).probeTcp(question.address, timeoutMs, signal);
    case 'exec':
      return (await import('./probe-exec.ts')).probeExec(question, spec, signal);
    case 'mcp':
      return (await import('./probe-mcp.ts')).probeMcp(question.url, signal);
  }
}
