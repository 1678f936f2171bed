/**
 * Readiness: the two stages from spawned to ready, and the watch that follows. Decides when to ask and how to count;
 * how a question is put is the machine's affair, what follows from the answers is the service's.
 */
import type { Listening, Machine, ProbeResult, Process } from './ports.ts';
import { forever } from './scope.ts';
import type { LivenessSpec, ProbeSpec, ProbeTiming, ServiceSpec } from './spec.ts';

/** Pauses between tries while a service starts: close together at first, then wider. A late start is felt, a probe is cheap. */
const startPause = { firstMs: 10, factor: 1.5, lastMs: 250 };

/** What is elsewhere is not ours to hammer. */
const longestExternalPauseMs = 1_000;

/** Who is asked, by what, and who is told of every answer. */
export interface Inquiry {
  readonly spec: ServiceSpec;
  readonly machine: Machine;
  readonly heard: (result: ProbeResult) => void;
}

/**
 * Resolves once the service is ready, or as soon as its port turns out to be somebody else's; when aborted, at once.
 * @returns who listens; `undefined` where no port is declared
 */
export async function becomeReady(
  inquiry: Inquiry,
  process: Process,
  signal: AbortSignal,
): Promise<Listening | undefined> {
  const { port } = inquiry.spec.readiness ?? {};
  const listening = port && (await inquiry.machine.listening(port, process, signal));
  if (listening?.owner !== 'foreign') await untilAnswered(inquiry, signal);
  return listening;
}

/** Stage two: resolves once the probes have succeeded, the lasting one also after the time to settle; when aborted, at once. */
export async function untilAnswered(inquiry: Inquiry, signal: AbortSignal): Promise<void> {
  const { startProbe, probe, timing, settleMs = 0 } = inquiry.spec.readiness ?? {};
  for (const question of [startProbe, probe]) {
    if (question && timing) await untilSuccess(inquiry, question, timing, signal);
  }
  if (!probe || !timing || settleMs === 0) return;
  await inquiry.machine.clock.sleep(settleMs, signal);
  await untilSuccess(inquiry, probe, timing, signal);
}

async function untilSuccess(inquiry: Inquiry, probe: ProbeSpec, timing: ProbeTiming, signal: AbortSignal) {
  const longestPauseMs = inquiry.spec.isExternal ? longestExternalPauseMs : startPause.lastMs;
  const { startIntervalMs } = timing;
  for (let pauseMs = startIntervalMs ?? startPause.firstMs; !signal.aborted; ) {
    const result = await inquiry.machine.probe(probe, inquiry.spec, timing.timeoutMs, signal);
    if (signal.aborted) return;
    inquiry.heard(result);
    if (result.ok) return;
    await inquiry.machine.clock.sleep(pauseMs, signal);
    pauseMs = startIntervalMs ?? Math.min(pauseMs * startPause.factor, longestPauseMs);
  }
}

/** The question that goes on for as long as the service lives, if there is one. */
export function lastingQuestion(spec: ServiceSpec): LivenessSpec | undefined {
  if (!spec.readiness) return undefined;
  const { port, timing } = spec.readiness;
  const probe = spec.readiness.probe ?? (port && { kind: 'tcp', address: port });
  return probe && { probe, timing };
}

/**
 * Asks for ever and counts: `turned(false)` at the failure threshold, `turned(true)` at the success threshold. One try
 * at a time, `intervalMs` apart. Resolves only when aborted; where there is nothing to ask it waits for that.
 */
export async function watch(
  inquiry: Inquiry,
  question: LivenessSpec | undefined,
  turned: (result: ProbeResult) => void,
  signal: AbortSignal,
): Promise<void> {
  if (!question) return forever(signal);
  const { probe, timing } = question;
  let ok = true;
  let against = 0;
  for (;;) {
    await inquiry.machine.clock.sleep(timing.intervalMs, signal);
    if (signal.aborted) return;
    const result = await inquiry.machine.probe(probe, inquiry.spec, timing.timeoutMs, signal);
    if (signal.aborted) return;
    inquiry.heard(result);
    against = result.ok === ok ? 0 : against + 1;
    if (against < (ok ? timing.failureThreshold : timing.successThreshold)) continue;
    ok = result.ok;
    against = 0;
    turned(result);
  }
}
