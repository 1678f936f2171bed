/**
 * What must hold for every run: at each happening by what was known before it, at each rest, when nothing more can happen
 * without time, and when all is over. What is looked at is what could be seen from outside; the rules are told here a
 * second time.
 */
import type { Happening, Run } from '../core/harness.ts';
import { expectedCode } from './exit-code-oracle.ts';
import { overallOf, wordFor } from './health-oracle.ts';
import { causeOf, isAlive, type Known, type Ledger, ownShareMs, reserveMs } from './ledger.ts';
import { isRestarted } from './restart-oracle.ts';
import { illBodies, wellBodies } from './scenario.ts';
import { isLegal, isOver } from './table.ts';
import { watched } from './watched.ts';

/** Each returns what is wrong. */
export interface Promised {
  readonly during?: (one: Happening, ledger: Ledger) => string[];
  readonly atRest?: (known: Known, now: number, ledger: Ledger, run: Run) => string[];
  readonly afterwards?: (ledger: Ledger, run: Run) => string[];
}

/** What core adds to the budget for a process that hangs in the kernel. */
const unkillableAllowanceMs = 2_000;
/** How often who waits for somebody else is told of it. */
const progressMs = 5_000;
/** Times are sums of fractions. */
const tiny = 1e-6;

const running: ReadonlySet<string> = new Set(['starting', 'ready', 'unready']);

export const handedOn = 'a signal is handed on to those that ask for it, each time, once';

export const promises: Readonly<Record<string, Promised>> = {
  'the plan puts each service after what it needs, and leaves the rest as it was given': {
    afterwards: ({ scene: { specs } }, { supervisor: { views } }) => {
      const order = views.map(({ name }) => name);
      const isInOrder = (names: readonly string[]) =>
        specs.every(({ name, dependsOn }) =>
          Object.keys(dependsOn).every((other) => names.indexOf(other) < names.indexOf(name)),
        );
      const given = specs.map(({ name }) => name);
      return [
        ...(isInOrder(order) && order.length === given.length ? [] : [`the order is ${order.join(' ')}`]),
        ...(isInOrder(given) && `${order}` !== `${given}` ? [`${given} became ${order}`] : []),
      ];
    },
  },

  'a service walks the table, from pending to a terminal state': {
    during: (one, ledger) => {
      if (one.kind !== 'transition') return [];
      const { service, from, event, to, reason, elapsedMs } = one.transition;
      const { state, since } = ledger.of(service);
      return [
        ...(from === state && isLegal(from, event, to)
          ? []
          : [`${service}: ${from} > ${to} by ${event} from ${state}`]),
        ...(elapsedMs === one.at - since ? [] : [`${service} was ${from} for ${elapsedMs} ms?`]),
        ...(reason === '' ? [`${service} has no reason for ${event}`] : []),
      ];
    },
    afterwards: ({ all }) =>
      [...all.values()].flatMap(({ spec, state }) => (isOver(state) ? [] : [`${spec.name} is left ${state}`])),
  },

  'nothing starts before its conditions hold, and then it does at once': {
    during: (one, ledger) => {
      if (one.kind !== 'transition') return [];
      const { service, event } = one.transition;
      const known = ledger.of(service);
      const { unmet, lost } = ledger.needsOf(known);
      const isSkipped = known.spec.skip !== undefined;
      if (event === 'skip') return isSkipped ? [] : [`${service} is skipped for nothing`];
      if (event === 'dependency-failed') return lost.length > 0 ? [] : [`${service} lost nothing`];
      if (event !== 'dependencies-met') return [];
      return [
        ...(isSkipped ? [`${service} is not skipped`] : []),
        ...unmet.map((name) => `${service} did not wait for ${name}`),
      ];
    },
    atRest: (known, _, ledger) => {
      if (known.state !== 'pending' || ledger.decision) return [];
      const { unmet, lost } = ledger.needsOf(known);
      if (unmet.length > 0 && lost.length === 0) return [];
      return [`${known.spec.name} waits for ${lost.length > 0 ? `what is lost: ${lost.join(', ')}` : 'nothing'}`];
    },
  },

  'nothing is started once the end is decided': {
    during: (one, { decision }) => {
      // What fails in the same moment in which another one starts was not there before it.
      const isLate = decision && (decision.by === 'stop' || one.at > decision.at);
      if (!isLate || one.kind === 'request') return [];
      if (one.kind === 'deed' && one.deed.did === 'launch') return [`${one.deed.service} is launched`];
      if (one.kind !== 'transition' || one.transition.to !== 'starting') return [];
      return [`${one.transition.service} is started`];
    },
    atRest: ({ spec: { name, isExternal }, state }, _, { decision }) => {
      const isWaiting = ['pending', 'backoff'].includes(state) || (isExternal && state === 'starting');
      return decision && isWaiting ? [`${name} is still ${state}`] : [];
    },
  },

  'every process is seen to its end, and no service has two': {
    during: (one, ledger) => {
      if (one.kind !== 'deed') return [];
      const { service, did, pid } = one.deed;
      const { body, state, spec, isLaunching } = ledger.of(service);
      const who = `${service} ${pid}`;
      if (did === 'launch') {
        const before = ledger.bodies.filter((other) => other.service === service);
        const isFree = before.every((other) => other.body.exit && other.body.cleanedAt !== undefined);
        return state === 'starting' && !body && !isLaunching && isFree && !spec.isExternal
          ? []
          : [`${who} is launched while ${state}`];
      }
      if (did !== 'cleanUp') return [];
      const isGivenUp = body?.killedAt !== undefined && one.at >= body.killedAt + unkillableAllowanceMs;
      return body?.exit || isGivenUp ? [] : [`${who} is cleaned up while it runs`];
    },
    atRest: ({ spec, state, body, isLaunching, since, oracle }, now, ledger) => {
      const { name } = spec;
      const isRunning = running.has(state) || state === 'stopping';
      if (spec.isExternal) return body || isLaunching ? [`${name} is not ours to run`] : [];
      if (!isRunning) return body && body.cleanUps !== 1 ? [`${name} was cleaned up ${body.cleanUps} times`] : [];
      if (body?.exit) return [`the end of ${name} was not noticed`];
      if (body || isLaunching) return [];
      const isLooking = spec.readiness?.port !== undefined && !oracle.owner && now < since + ledger.lookMs;
      return isLooking ? [] : [`nothing happens to ${name}`];
    },
    afterwards: ({ bodies }) => {
      return bodies.flatMap(({ service, body: { pid, exit, killedAt, cleanUps, cleanedAt } }) => [
        // Killed in vain: it hangs in the kernel.
        ...(exit || killedAt !== undefined ? [] : [`${service} ${pid} still runs`]),
        ...(cleanUps === 1 && cleanedAt !== undefined ? [] : [`${service} ${pid} was not cleaned up`]),
      ]);
    },
  },

  'a process gets its own stop signal, once, and is killed only if that was in vain': {
    during: (one, ledger) => {
      if (one.kind !== 'deed') return [];
      const { service, pid, did } = one.deed;
      const { spec, state, body, owed } = ledger.of(service);
      if (did === 'kill')
        return body?.askedAt === undefined || body.killedAt !== undefined
          ? [`${service} ${pid} is killed unasked`]
          : [];
      if (did !== 'signal' || owed[0] === one.deed.signal) return [];
      const isStop = one.deed.signal === spec.stopSignal && body?.askedAt === undefined;
      const isContinue = one.deed.signal === 'SIGCONT' && body?.askedAt !== undefined && !body.isContinued;
      return state === 'stopping' && (isStop || isContinue)
        ? []
        : [`${service} ${pid} gets ${one.deed.signal} while ${state}`];
    },
    atRest: ({ spec: { name }, state, body, events }) => {
      if (body && (body.killedAt !== undefined) !== events.includes('grace-elapsed'))
        return [`nobody was told that ${name} is killed`];
      if (state !== 'stopping' || !body) return [];
      return body.askedAt !== undefined && body.isContinued ? [] : [`${name} is stopping and was not asked to`];
    },
  },

  'the stop goes against the dependencies, after the drain, and goes on': {
    during: (one, ledger) => {
      if (one.kind !== 'transition' || one.transition.event !== 'stop') return [];
      const known = ledger.of(one.transition.service);
      const isThere = running.has(known.state) && (known.body !== undefined || known.isLaunching);
      if (isThere ? ledger.isItsTurn(known, one.at) : ledger.decision) return [];
      return [`${one.transition.service} is stopped out of turn`];
    },
    atRest: (known, now, ledger) => {
      if (!running.has(known.state) || !ledger.isItsTurn(known, now)) return [];
      return [`${known.spec.name} is ${known.state}, and its turn to stop has come`];
    },
  },

  'who was asked has its share of the budget, and no more': {
    during: (one, ledger) => {
      if (one.kind !== 'deed' || one.deed.did !== 'kill') return [];
      const { body } = ledger.of(one.deed.service);
      if (!body || ledger.isGraceOver(one.at) || one.at >= body.graceUntil.least - tiny) return [];
      return [`${one.deed.service} is killed at ${one.at}, and its grace was until ${body.graceUntil.least} at least`];
    },
    atRest: ({ spec: { name }, state, body }, now, ledger) => {
      if (state !== 'stopping' || !body || body.exit || body.askedAt === undefined) return [];
      if (body.killedAt !== undefined)
        return now < body.killedAt + unkillableAllowanceMs ? [] : [`${name} is not given up`];
      const most = Math.min(body.graceUntil.most, ledger.graceEndsAt);
      return now < most + tiny ? [] : [`${name} is not killed, and its grace was over at ${most}`];
    },
  },

  'nobody is killed because others were slow': {
    afterwards: ({ decision, bodies, killAsked, jumpedMs, scene: { policy, specs } }) => {
      // A second signal or a jump of time ends every grace; what dies slowly costs time that is nobody's.
      const hangs = bodies.some(({ body: { killedAt = Infinity, exitedAt = Infinity } }) => killedAt < exitedAt);
      if (!decision || killAsked || jumpedMs > 0 || hangs) return [];
      const evenShareMs = Math.max(0, policy.stopTimeoutMs - policy.drainDelayMs - ownShareMs) / specs.length;
      return bodies.flatMap(({ service, body: { askedAt, killedAt } }) => {
        if (askedAt === undefined || killedAt === undefined || askedAt < decision.at) return [];
        const { stopGraceMs = Infinity } = specs.find(({ name }) => name === service) ?? {};
        const leastMs = Math.min(stopGraceMs, reserveMs, evenShareMs);
        const hadMs = killedAt - askedAt;
        return hadMs < leastMs - 1 ? [`${service} had ${hadMs} ms of ${leastMs}`] : [];
      });
    },
  },

  'the whole stop stays within its budget': {
    afterwards: ({ decision, graceEndsAt, scene: { scripts }, jumpedMs }, run) => {
      if (!decision) return [];
      const manners = Object.values(scripts).flat();
      // What cannot be cut short: the last drain, and a kill.
      const cleanUpMs = Math.max(...manners.map((one) => one.cleanUpMs ?? 0));
      const killMs = Math.min(Math.max(...manners.map((one) => one.diesAfterMs ?? 0)), unkillableAllowanceMs);
      const lateMs = (run.endedAt ?? Infinity) - graceEndsAt;
      const allowanceMs = killMs + cleanUpMs + jumpedMs;
      return lateMs <= allowanceMs ? [] : [`it took ${lateMs} ms longer; allowed: ${allowanceMs}`];
    },
  },

  'a service becomes ready when all has answered, and stays so by its answers': {
    during: (one, ledger) => {
      if (one.kind === 'sign') return wrongSign(one.sign, ledger);
      if (one.kind !== 'transition') return [];
      const { service, from, event } = one.transition;
      const { oracle, since, spec } = ledger.of(service);
      const isRight: Readonly<Record<string, () => boolean>> = {
        'probe-succeeded': () => (from === 'starting' ? oracle.isReady : oracle.isWell),
        answered: () => oracle.isReady,
        'probe-failed': () => !oracle.isWell,
        'liveness-lost': () => oracle.isDead,
        'port-taken': () => oracle.isForeign,
        'start-timeout': () => one.at >= since + (spec.readiness?.startTimeoutMs ?? Infinity) - tiny,
      };
      return isRight[event]?.() === false ? [`${service}: ${event}, against the answers`] : [];
    },
    atRest: (known, now) => {
      const { spec, state, since, oracle, body, isLaunching } = known;
      const isThere = isAlive(known) || (spec.isExternal && state === 'starting');
      const limitMs = spec.readiness?.startTimeoutMs ?? Infinity;
      const isLate = state === 'starting' && (isThere || isLaunching) && now >= since + limitMs;
      return [
        ...(isLate ? [`${spec.name} has not started in time`] : []),
        ...(isThere || body ? oracle.overdue(state, now).map((what) => `${spec.name}: ${what}`) : []),
      ];
    },
  },

  'what could not be launched failed for its command or its port': {
    during: (one, ledger) => {
      if (one.kind !== 'transition' || one.transition.event !== 'not-launched') return [];
      const { spec, refused, body } = ledger.of(one.transition.service);
      const port = spec.readiness?.port?.port ?? 0;
      return !body && (refused || ledger.takenPorts.has(port)) ? [] : [`${spec.name} could have been launched`];
    },
  },

  'an ending is what it is: asked for, a success, a restart that the policy allows, or a failure': {
    during: (one, ledger) => {
      if (one.kind !== 'transition' || !one.transition.event.startsWith('exit-')) return [];
      const { service, event } = one.transition;
      const known = ledger.of(service);
      const { body } = known;
      if (body && !body.exit && !(one.at >= (body.killedAt ?? Infinity) + unkillableAllowanceMs))
        return [`${service}: ${event}, and it runs`];
      const accepted = endingsOf(known, one.at, ledger);
      return accepted.includes(event) ? [] : [`${service}: ${event} instead of ${accepted.join(' or ')}`];
    },
  },

  'a restart comes after its delay, and not later': {
    during: (one, ledger) => {
      if (one.kind !== 'transition' || one.transition.event !== 'delay-elapsed') return [];
      const { delayUntil, body } = ledger.of(one.transition.service);
      return one.at >= delayUntil && (!body || body.cleanedAt !== undefined)
        ? []
        : [`${one.transition.service} is too early`];
    },
    atRest: ({ spec, state, delayUntil, body }, now) => {
      return state === 'backoff' && now >= delayUntil && body?.cleanedAt !== undefined
        ? [`${spec.name} is not started again`]
        : [];
    },
  },

  [handedOn]: {
    atRest: (known) => {
      const { spec, early, owed } = known;
      const left = isAlive(known) ? [...owed, ...early] : owed;
      return left.length > 0 ? [`${spec.name} did not get ${left.join(', ')}`] : [];
    },
  },

  'an operator is told of a wait every five seconds, and of each listener that cannot be seen': {
    during: (one, ledger) => {
      if (one.kind !== 'wait') return [];
      const { service, elapsedMs, limitMs, reason } = one.wait;
      const { since, spec, oracle } = ledger.of(service);
      const isTrue = elapsedMs === one.at - since && limitMs === spec.readiness?.startTimeoutMs;
      return isTrue && (reason !== undefined) === (oracle.heard?.ok === false)
        ? []
        : [`${service} has waited otherwise`];
    },
    atRest: ({ spec, state, since, waitsTold, strangersMet, warnings }, now, { jumpedMs }) => {
      const due = spec.isExternal && state === 'starting' ? Math.floor((now - since) / progressMs) : waitsTold;
      const isTold = jumpedMs > 0 ? waitsTold <= due : waitsTold === due;
      return [
        ...(isTold ? [] : [`${spec.name}: told ${waitsTold} times of ${due}`]),
        ...(warnings === strangersMet ? [] : [`${spec.name}: ${warnings} warnings for ${strangersMet} strangers`]),
      ];
    },
  },

  'health says at every moment what could be seen': {
    atRest: (known, now, ledger, run) => {
      const { components, ...report } = ledger.reportAt(now, run);
      const shown = components[known.spec.name];
      const wrong = Object.entries(patient(known, now)).filter(([key, value]) => !same(shown?.[key as 'state'], value));
      const about = wrong.map(
        ([key, value]) => `${known.spec.name}: ${key} is ${show(shown?.[key as 'state'])}, not ${show(value)}`,
      );
      if (known !== ledger.all.values().next().value) return about;
      const status = overallOf(
        [...ledger.all.values()].map(({ state, spec: { essential } }) => ({ state, essential })),
        ledger.decision !== undefined,
      );
      const { decision } = ledger;
      const expected = {
        status,
        ready: status === 'healthy',
        live: decision?.by !== 'loss',
        uptime_seconds: seconds(now),
      };
      return [
        ...about,
        ...Object.entries(expected).flatMap(([key, value]) =>
          report[key as 'status'] === value ? [] : [`${key} is ${report[key as 'status']}, not ${value}`],
        ),
        ...((report.reason !== undefined) === (decision !== undefined) ? [] : [`the reason is ${report.reason}`]),
        ...(decision?.service && !report.reason?.includes(decision.service) && !ledger.of(decision.service).refused
          ? [`${report.reason} does not name ${decision.service}`]
          : []),
      ];
    },
  },

  'the outcome and the exit code are those of the table': {
    afterwards: (ledger, { outcome, code }) => {
      const { decision } = ledger;
      const loss = decision?.service === undefined ? undefined : ledger.of(decision.service).loss;
      const isKilled = ledger.killAsked !== undefined && ledger.killAsked.at < ledger.deadline;
      const expected = expectedCode({
        decidedBy: decision?.by ?? 'nothing',
        loss,
        secondSignal: isKilled ? ledger.secondSignal : undefined,
        wasForced: ledger.forced.size > 0,
      });
      const kind = !decision ? 'completed' : decision.by === 'loss' ? 'service-lost' : isKilled ? 'killed' : 'stopped';
      const names = outcome?.kind === 'stopped' ? [...outcome.forced].sort() : [];
      const forced = outcome?.kind === 'stopped' ? [...ledger.forced].sort() : [];
      return [
        ...(code === expected ? [] : [`decided by ${decision?.by}: ${code} instead of ${expected}`]),
        ...(outcome?.kind === kind ? [] : [`it is ${outcome?.kind} instead of ${kind}`]),
        ...(outcome?.kind === 'service-lost' && outcome.service !== decision?.service
          ? [`it is the loss of ${outcome.service}`]
          : []),
        ...(`${names}` === `${forced}` ? [] : [`forced: ${names} instead of ${forced}`]),
      ];
    },
  },

  'a run is over when all is over': {
    atRest: (known, _, { all, bodies }, { outcome }) => {
      // Asked once for all.
      if (known !== all.values().next().value) return [];
      const isDone =
        [...all.values()].every(({ state }) => isOver(state)) &&
        bodies.every(({ body }) => body.cleanedAt !== undefined);
      return isDone === (outcome !== undefined) ? [] : [isDone ? 'it goes on' : 'it does not go on'];
    },
  },

  'no timer, no wait and no listener is left, and none piles up': {
    atRest: (known, _, { all }, { clock }) => {
      if (known !== all.values().next().value) return [];
      const most = 3 * all.size + 2;
      return [
        ...(clock.pendingTimers > most ? [`${clock.pendingTimers} timers for ${all.size} services`] : []),
        ...(watched.listeners(2) > 2 * most ? [`${watched.listeners(2)} listeners for ${all.size} services`] : []),
      ];
    },
    afterwards: (_, { clock, machine }) => [
      ...(clock.pendingTimers > 0 ? [`${clock.pendingTimers} timers are left`] : []),
      ...(machine.waits > 0 ? [`${machine.waits} waits are left`] : []),
      ...(watched.listeners() > 0 ? [`${watched.listeners()} listeners are left`] : []),
      ...(machine.processes.some(({ waiters }) => waiters > 0) ? ['an exit is waited for'] : []),
    ],
  },
};

function wrongSign(sign: Extract<Happening, { kind: 'sign' }>['sign'], ledger: Ledger): string[] {
  const { service, at } = sign;
  const { oracle, state } = ledger.of(service);
  if (sign.did === 'listen') return oracle.listens(sign.owner, at).map((what) => `${service}: ${what}`);
  if (sign.did === 'ask') return oracle.asked(sign.probe, at, state).map((what) => `${service}: ${what}`);
  if (sign.did !== 'answer' || typeof sign.heard !== 'object' || !('body' in sign.heard)) return [];
  const { body } = sign.heard;
  if (sign.result.ok) return illBodies.includes(body) ? [`${JSON.stringify(body)} passes for well`] : [];
  return wellBodies.includes(body) ? [`${JSON.stringify(body)} passes for ill`] : [];
}

/** What the report must show of a service. */
function patient(known: Known, now: number): Record<string, unknown> {
  const { state, since, restarts, body, exit, oracle, spec } = known;
  const isHere = body !== undefined && !known.isSettled;
  const { heard } = oracle;
  // An answer in the very moment of the end may be heard or not.
  const isOpen = heard !== undefined && heard.at === since && !running.has(state);
  return {
    state,
    status: wordFor({ state, essential: spec.essential }),
    since_seconds: seconds(now - since),
    restarts,
    pid: isHere ? body.pid : undefined,
    exit: isHere ? undefined : exit,
    ...(!isOpen && { probe: heard && { ok: heard.ok, seconds_ago: seconds(now - heard.at) } }),
  };
}

/** What is expected is there; more may be. */
function same(shown: unknown, expected: unknown): boolean {
  if (typeof shown !== 'object' || typeof expected !== 'object') return shown === expected;
  return Object.entries(expected ?? {}).every(([key, value]) => (shown as Record<string, unknown>)[key] === value);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}

/** The events by which a service may leave a life that is over. */
function endingsOf(known: Known, at: number, { decision }: Ledger): string[] {
  const { body, restartsAt } = known;
  const { type, essential, restart } = known.spec;
  const cause = causeOf(known);
  if (cause === 'stop') return ['exit-stopped'];
  // What somebody else runs does not end; it can only be late.
  if (cause === 'exit' && known.spec.isExternal) return [];
  const isClean = cause === 'exit' && body?.exit !== undefined && 'code' in body.exit && body.exit.code === 0;
  if (isClean && (type === 'oneshot' || (!essential && restart.condition === 'on-failure'))) return ['exit-completed'];
  // What hangs in the kernel is not started beside itself; what nobody runs here has no process.
  const isGone = body?.exit !== undefined;
  const wants = isGone && isRestarted({ ...restart, isClean, restartsAt, at });
  if (!wants) return ['exit-failed'];
  if (!decision) return ['exit-restart'];
  return at === decision.at ? ['exit-restart', 'exit-failed'] : ['exit-failed'];
}
