/**
 * Any plan, any manners, any events: what must hold for every run. 500 runs; TANDEM_MODEL_RUNS for more. A failure
 * prints its seed; TANDEM_MODEL_SEED runs it again.
 */
import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import t from 'tap';
import type { DependencyCondition, ServiceSpec } from '../../src/core/spec.ts';
import { isTerminal } from '../../src/core/state.ts';
import type { Deed } from '../support/fake-machine.ts';
import { expectedCode, type Loss, type Sight } from './exit-code-oracle.ts';
import { type Happening, type Run, signalNumber, start } from './harness.ts';
import { nameOf, portOf, type Scenario, scenario } from './model-scenario.ts';

const runs = Number(process.env['TANDEM_MODEL_RUNS'] ?? 500);
const seed = process.env['TANDEM_MODEL_SEED'];

/** What core adds to the budget for a process that hangs in the kernel. */
const unkillableAllowanceMs = 2_000;
/** What each later service keeps at least, and what tandem keeps for itself. */
const reserveMs = 1_500;
const ownShareMs = 250;

/** Every abort signal that core makes, so that a listener that is left behind can be seen. */
const signals: AbortSignal[] = [];
const { AbortController: RealAbortController } = globalThis;
class WatchedAbortController extends RealAbortController {
  constructor() {
    super();
    signals.push(this.signal);
  }
}

/** A run, over, with what it was made of. */
interface Story {
  readonly scenario: Scenario;
  readonly run: Run;
  /** When the run was over. */
  readonly endedAt: number;
  /** The first happening by which the end was decided, and when. */
  readonly decision: Decision;
}

type Decision = { readonly by: Sight['decidedBy']; readonly index: number; readonly at: number };

async function play(scene: Scenario): Promise<Story> {
  const run = start(scene.specs, scene.scripts, scene.policy);
  await run.clock.advance(0);
  for (const { afterMs, what } of [
    ...scene.events,
    { afterMs: 20_000, what: { kind: 'stop', by: 'SIGTERM' } } as const,
  ]) {
    await run.clock.advance(afterMs);
    if (run.outcome) break;
    if (what.kind === 'take-port') run.machine.holders.set(portOf(what.service), { pid: 9 });
    else if (what.kind === 'exit')
      run.machine.processes.findLast((one) => one.service === nameOf(what.service))?.end(what.exit);
    // A kill is a second stop: it never comes first.
    else if (what.kind === 'kill' && run.requests.stop.aborted) run.requests.kill.aborted || run.kill(what.by);
    else if (!run.requests.stop.aborted) run.stop(what.by);
    await run.clock.advance(0);
  }
  await run.toTheEnd();
  return { scenario: scene, run, endedAt: run.endedAt ?? Infinity, decision: decisionOf(scene, run.history) };
}

function decisionOf({ specs }: Scenario, history: readonly Happening[]): Decision {
  const essential = new Set(specs.filter((spec) => spec.essential).map(({ name }) => name));
  const index = history.findIndex((one) => {
    if (one.kind === 'request') return one.request === 'stop';
    if (one.kind !== 'transition' || !essential.has(one.transition.service)) return false;
    return one.transition.to === 'failed' || one.transition.event === 'dependency-failed';
  });
  const found = history[index];
  if (!found) return { by: 'nothing', index: history.length, at: Infinity };
  return { by: found.kind === 'request' ? 'stop' : 'loss', index, at: found.at };
}

/** All that must hold. Each returns what is wrong. */
const promises: Readonly<Record<string, (story: Story) => string[]>> = {
  'transitions of a service follow each other, from pending to a terminal state': ({ scenario: { specs }, run }) => {
    return specs.flatMap(({ name }) => {
      let state = 'pending';
      const broken = run.transitions.filter((one) => {
        const isNext = one.service !== name || one.from === state;
        if (one.service === name) state = one.to;
        return !isNext;
      });
      const { state: last } = run.supervisor.views.find((view) => view.name === name) ?? {};
      return [
        ...broken.map(({ from, to }) => `${name}: ${from} > ${to} out of turn`),
        ...(last && last === state && isTerminal(last) ? [] : [`${name} is left ${last}`]),
      ];
    });
  },

  'nothing starts before its conditions hold': ({ scenario: { specs }, run: { history } }) => {
    return history.flatMap((one, index) => {
      if (one.kind !== 'transition' || one.transition.event !== 'dependencies-met') return [];
      const { dependsOn } = specOf(specs, one.transition.service);
      return Object.entries(dependsOn)
        .filter(([name, condition]) => !holds(condition, specOf(specs, name), history.slice(0, index)))
        .map(([name, condition]) => `${one.transition.service} started before ${name} was ${condition}`);
    });
  },

  'nothing is launched once the end is decided': ({ run, decision }) => {
    // What fails in the same moment in which another one starts was not there before it.
    const isLate = ({ at }: Deed) => decision.by === 'stop' || at > decision.at;
    return deedsOf(run.history.slice(decision.index), 'launch')
      .filter(isLate)
      .map(({ service, at }) => `${service} launched at ${at}`);
  },

  'every process that was started is seen to its end': ({ run }) => {
    return run.machine.processes.flatMap(({ service, pid, exit, manners }) => {
      const hangs = manners.diesAfterMs === Infinity;
      const did = (what: Deed['did']) => run.machine.deeds.some((deed) => deed.did === what && deed.pid === pid);
      return [
        ...(exit || hangs ? [] : [`${service} ${pid} still runs`]),
        ...(did('cleanUp') && did('cleaned') ? [] : [`${service} ${pid} was not cleaned up`]),
      ];
    });
  },

  'no process is asked twice, none is killed unasked': ({ scenario: { specs }, run: { machine } }) => {
    return machine.processes.flatMap(({ service, pid }) => {
      const { stopSignal } = specOf(specs, service);
      const mine = machine.deeds.filter((deed) => deed.pid === pid);
      const asked = mine.findIndex((deed) => deed.did === 'signal' && deed.signal === stopSignal);
      const killed = mine.findIndex((deed) => deed.did === 'kill');
      const times = mine.filter((deed) => deed.did === 'signal' && deed.signal === stopSignal).length;
      return [
        ...(times > 1 ? [`${service} ${pid} was asked ${times} times`] : []),
        ...(killed >= 0 && (asked < 0 || asked > killed) ? [`${service} ${pid} was killed unasked`] : []),
      ];
    });
  },

  'the stop goes against the dependencies, unless the grace is over': ({
    scenario: { specs, policy },
    run,
    decision,
  }) => {
    const graceEndsAt = Math.min(decision.at + policy.stopTimeoutMs, killedAt(run.history));
    return run.history.flatMap((one, index) => {
      if (one.kind !== 'transition' || one.transition.event !== 'stop' || one.at >= graceEndsAt) return [];
      const { service } = one.transition;
      const before = run.history.slice(0, index);
      if (!isAlive(service, before)) return [];
      return specs
        .filter(({ name, dependsOn }) => service in dependsOn && isAlive(name, before))
        .map(({ name }) => `${service} was stopped at ${one.at} while ${name} ran`);
    });
  },

  'the whole stop stays within its budget': ({ scenario: { policy, scripts }, run, decision, endedAt }) => {
    if (decision.by === 'nothing') return [];
    const manners = Object.values(scripts).flat();
    const most = (of: (one: (typeof manners)[number]) => number | undefined) =>
      Math.max(...manners.map((one) => of(one) ?? 0));
    // What cannot be cut short: a spawn that is under way, and the last drain.
    const machineMs =
      most(({ lookMs }) => lookMs) + most(({ launchMs }) => launchMs) + most(({ cleanUpMs }) => cleanUpMs);
    const graceEndsAt = Math.min(decision.at + policy.stopTimeoutMs, killedAt(run.history));
    const lateMs = endedAt - graceEndsAt;
    const allowanceMs = (hung(run) ? unkillableAllowanceMs : 0) + machineMs;
    return lateMs <= allowanceMs ? [] : [`it took ${lateMs} ms longer; allowed: ${allowanceMs}`];
  },

  'who was asked has its share of the budget before it is killed': ({ scenario: { specs, policy }, run, decision }) => {
    // A second signal ends every grace, what hangs in the kernel costs time that is nobody's.
    if (decision.by === 'nothing' || killedAt(run.history) < Infinity || hung(run)) return [];
    // A look at the port or a spawn that was under way is nobody's share either.
    if (wasLaunching(run.history.slice(0, decision.index))) return [];
    const evenShareMs = Math.max(0, policy.stopTimeoutMs - policy.drainDelayMs - ownShareMs) / specs.length;
    return run.machine.processes.flatMap(({ service, pid }) => {
      const killed = run.machine.deeds.find((deed) => deed.pid === pid && deed.did === 'kill');
      const asked = run.machine.deeds.find((deed) => deed.pid === pid && deed.did === 'signal');
      if (!killed || !asked || asked.at < decision.at) return [];
      const leastMs = Math.min(specOf(specs, service).stopGraceMs ?? Infinity, reserveMs, evenShareMs);
      const hadMs = killed.at - asked.at;
      return hadMs < leastMs - 1 ? [`${service} had ${hadMs} ms of ${leastMs}`] : [];
    });
  },

  'restarts stay within their limit': ({ scenario: { specs }, run }) => {
    return specs.flatMap(({ name, restart: { maxRestarts, windowMs } }) => {
      const times = run.history.flatMap((one) => {
        return one.kind === 'transition' && one.transition.service === name && one.transition.to === 'backoff'
          ? [one.at]
          : [];
      });
      return times.some((at) => times.filter((other) => other > at - windowMs && other <= at).length > maxRestarts)
        ? [`${name} was restarted more than ${maxRestarts} times in ${windowMs} ms`]
        : [];
    });
  },

  'the exit code is that of the table': (story) => {
    const { run, decision } = story;
    const code = expectedCode(sightOf(story));
    if (run.code === code) return [];
    return [`decided by ${decision.by}: ${run.code} instead of ${code}`];
  },

  'no timer, no wait and no listener is left': ({ run }) => {
    const heard = signals.filter((signal) => getEventListeners(signal, 'abort').length > 0).length;
    const { clock, machine } = run;
    return [
      ...(clock.pendingTimers > 0 ? [`${clock.pendingTimers} timers are left`] : []),
      ...(machine.waits > 0 ? [`${machine.waits} waits are left`] : []),
      ...(heard > 0 ? [`${heard} signals have listeners`] : []),
      ...(machine.processes.some(({ waiters }) => waiters > 0) ? ['an exit is waited for'] : []),
    ];
  },
};

/** A process was killed in vain, or might have been. */
function hung({ machine }: Run): boolean {
  return machine.processes.some(({ pid, manners }) => {
    return manners.diesAfterMs === Infinity && machine.deeds.some((deed) => deed.pid === pid && deed.did === 'kill');
  });
}

function wasLaunching(before: readonly Happening[]): boolean {
  return [...lastStates(before)].some(([name, state]) => state === 'starting' && !isAlive(name, before));
}

function lastStates(before: readonly Happening[]): Map<string, string> {
  return new Map(
    before.flatMap((one) => (one.kind === 'transition' ? [[one.transition.service, one.transition.to]] : [])),
  );
}

function specOf(specs: readonly ServiceSpec[], name: string): ServiceSpec {
  const spec = specs.find((one) => one.name === name);
  if (!spec) throw new Error(`no ${name}`);
  return spec;
}

function deedsOf(history: readonly Happening[], did: Deed['did']): Deed[] {
  return history.flatMap((one) => (one.kind === 'deed' && one.deed.did === did ? [one.deed] : []));
}

function killedAt(history: readonly Happening[]): number {
  return history.find((one) => one.kind === 'request' && one.request === 'kill')?.at ?? Infinity;
}

/** A process of the service runs and was not given up. */
function isAlive(name: string, before: readonly Happening[]): boolean {
  const last = before.findLast((one) => {
    return one.kind === 'deed' && one.deed.service === name && ['spawn', 'exit', 'kill'].includes(one.deed.did);
  });
  return last?.kind === 'deed' && last.deed.did === 'spawn';
}

function holds(condition: DependencyCondition, { name, type }: ServiceSpec, before: readonly Happening[]): boolean {
  const passed = before.flatMap((one) =>
    one.kind === 'transition' && one.transition.service === name ? [one.transition.to] : [],
  );
  const now = passed.at(-1) ?? 'pending';
  const isThere = ['ready', 'completed', 'skipped'].includes(now);
  switch (condition) {
    case 'started':
      return isThere || isAlive(name, before);
    case 'ready':
      return isThere;
    case 'completed':
      return now === 'completed' || now === 'skipped';
    case 'ended':
      return type === 'oneshot' ? ['stopped', 'failed', 'completed', 'skipped'].includes(now) : isThere;
  }
}

function sightOf({ scenario: { specs, policy }, run: { history }, decision }: Story): Sight {
  const second = history.find((one) => one.kind === 'request' && one.request === 'kill');
  const isInTime = second !== undefined && second.at < decision.at + policy.stopTimeoutMs;
  return {
    decidedBy: decision.by,
    loss: decision.by === 'loss' ? lossOf(specs, history.slice(0, decision.index + 1)) : undefined,
    secondSignal: second?.kind === 'request' && isInTime ? signalNumber(second.by) : undefined,
    wasForced: deedsOf(history.slice(decision.index), 'kill').length > 0,
  };
}

/** How the service was lost with whose loss this history ends. */
function lossOf(specs: readonly ServiceSpec[], history: readonly Happening[]): Loss {
  const last = history.at(-1);
  if (last?.kind !== 'transition') throw new Error('no loss');
  const { service, event } = last.transition;
  const life = history.slice(
    history.findLastIndex(
      (one) => one.kind === 'transition' && one.transition.service === service && one.transition.to === 'starting',
    ),
  );
  const events = life.flatMap((one) =>
    one.kind === 'transition' && one.transition.service === service ? [one.transition.event] : [],
  );
  if (event === 'dependency-failed') return lossOf(specs, untilLossOfDependency(specs, service, history));
  if (events.includes('start-timeout')) return { how: 'never-ready' };
  if (events.includes('liveness-lost')) return { how: 'liveness-lost' };
  if (events.includes('port-taken')) return { how: 'port-taken' };
  if (event === 'not-launched') return launchLoss(specOf(specs, service), life);
  const exit = life.findLast((one) => one.kind === 'deed' && one.deed.did === 'exit' && one.deed.service === service);
  if (exit?.kind !== 'deed' || exit.deed.did !== 'exit') throw new Error(`${service} was lost without an exit`);
  return 'code' in exit.deed.exit
    ? { how: 'exit-code', code: exit.deed.exit.code }
    : { how: 'signal', number: signalNumber(exit.deed.exit.signal) };
}

/** The history up to the end of the first dependency that is lost: its loss is the loss of who needs it. */
function untilLossOfDependency(
  specs: readonly ServiceSpec[],
  name: string,
  history: readonly Happening[],
): readonly Happening[] {
  const needs = Object.entries(specOf(specs, name).dependsOn).filter(([dependency, condition]) => {
    return !holds(condition, specOf(specs, dependency), history);
  });
  const ends = needs.map(([dependency]) =>
    history.findLastIndex(
      (one) =>
        one.kind === 'transition' &&
        one.transition.service === dependency &&
        ['failed', 'stopped'].includes(one.transition.to),
    ),
  );
  const end = ends.find((index) => index >= 0);
  if (end === undefined) throw new Error(`${name} lost no dependency`);
  return history.slice(0, end + 1);
}

/** Where no launch was refused it was the port. */
function launchLoss({ name }: ServiceSpec, life: readonly Happening[]): Loss {
  const refused = deedsOf(life, 'refused').find(({ service }) => service === name);
  if (refused?.did !== 'refused') return { how: 'port-taken' };
  return { how: refused.code === 126 ? 'not-executable' : 'not-found' };
}

t.setTimeout(30_000 + runs * 10);

t.test('whatever happens, the promises hold', async (t) => {
  globalThis.AbortController = WatchedAbortController;
  t.teardown(() => {
    globalThis.AbortController = RealAbortController;
  });
  const check = async (scene: Scenario) => {
    signals.length = 0;
    const story = await play(scene);
    const broken = Object.entries(promises).flatMap(([promise, look]) =>
      look(story).map((what) => `${promise}: ${what}`),
    );
    if (broken.length > 0) throw new Error([...broken, ...story.run.history.map(tell)].join('\n'));
  };
  await fc.assert(fc.asyncProperty(scenario, check), { numRuns: runs, ...(seed && { seed: Number(seed) }) });
  t.pass(`in ${runs} runs`);
});

function tell(one: Happening): string {
  if (one.kind === 'request') return `${one.at} ${one.request} ${one.by}`;
  if (one.kind === 'transition')
    return `${one.at} ${one.transition.service} ${one.transition.from} > ${one.transition.to} (${one.transition.event})`;
  const { service, did, pid } = one.deed;
  return `${one.at} ${service} ${did} ${pid}${one.deed.did === 'signal' ? ` ${one.deed.signal}` : ''}`;
}
