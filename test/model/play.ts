/** One scenario, played on the simulated machine from its start to its end, and looked at all the time. */
import { awaitFirst } from '../../src/core/external.ts';
import type { ServiceSpec, SignalName } from '../../src/core/spec.ts';
import { type Happening, type Run, start } from '../core/harness.ts';
import { brokenBy } from './flaws.ts';
import { Ledger } from './ledger.ts';
import { handedOn, promises } from './promises.ts';
import type { Happens, Scenario } from './scenario.ts';
import { watched } from './watched.ts';

/** When nobody asked for it before, the end is asked for. */
const lastly: Happens = { afterMs: 20_000, what: { kind: 'stop', by: 'SIGTERM' } };

const looks = Object.entries(promises);

/** A promise is broken. */
export class Broken extends Error {
  readonly promise: string;

  constructor(promise: string, what: string, history: readonly Happening[]) {
    super([`${promise}: ${what}`, ...history.map(tell)].join('\n'));
    this.promise = promise;
  }
}

/**
 * Plays it.
 * @throws Broken at the first promise that does not hold
 */
export async function play(scene: Scenario): Promise<void> {
  if (scene.flaws.length > 0) return refuse(scene);
  watched.begin();
  try {
    const run = start(awaitFirst(scene.given.specs, scene.given.externals), scene.scripts, scene.policy);
    run.machine.randomness = scene.randomness;
    run.machine.lagTurns = scene.lagTurns;
    const ledger = new Ledger(scene);
    const broken: [string, string][] = [];
    const check = () => {
      for (const [promise, what] of broken) throw new Broken(promise, what, run.history);
    };
    run.witness = (one) => {
      for (const [promise, { during }] of looks) {
        for (const what of during?.(one, ledger) ?? []) broken.push([promise, `${what} at ${one.at}`]);
      }
      ledger.enter(one);
    };
    run.clock.rested = () => {
      const now = run.clock.now();
      ledger.wake();
      for (const [promise, { atRest }] of looks) {
        if (!atRest) continue;
        for (const known of ledger.all.values()) {
          for (const what of atRest(known, now, ledger, run)) broken.push([promise, `${what} at ${now}`]);
        }
      }
      check();
    };
    if (scene.isStoppedFirst) run.stop();
    await run.clock.advance(0);
    for (const one of [...scene.events, lastly]) {
      await run.clock.advance(one.afterMs);
      if (run.outcome) break;
      await happen(one.what, run, ledger, scene);
    }
    await run.toTheEnd();
    check();
    for (const [promise, { afterwards }] of looks) {
      for (const what of afterwards?.(ledger, run) ?? []) throw new Broken(promise, what, run.history);
    }
  } finally {
    watched.end();
  }
}

async function happen(what: Happens['what'], run: Run, ledger: Ledger, { specs }: Scenario): Promise<void> {
  const spec = 'service' in what ? specs[what.service] : undefined;
  const { stop, kill } = run.requests;
  switch (what.kind) {
    case 'take-port': {
      const port = spec?.readiness?.port?.port;
      if (port === undefined) return;
      ledger.takenPorts.add(port);
      run.machine.holders.set(port, { pid: 9 });
      return;
    }
    case 'exit':
      run.machine.processes.findLast((one) => one.service === spec?.name)?.end(what.exit);
      break;
    case 'answer':
      if (spec) run.machine.answers.set(spec.name, what.answer);
      return;
    case 'forward': {
      const said = run.forward(what.by);
      const takers = run.supervisor.views.filter(({ name }) => takes(ledger.of(name).spec, what.by));
      const names = takers.map(({ name }) => name);
      if (`${said}` !== `${names}`) throw new Broken(handedOn, `${said} got it, not ${names}`, run.history);
      break;
    }
    case 'jump':
      ledger.jumpedMs += what.ms;
      return run.clock.jump(what.ms, what.first);
    case 'stop':
      if (!stop.aborted) run.stop(what.by);
      break;
    case 'kill':
      // A second stop: it never comes first.
      if (stop.aborted && !kill.aborted) run.kill(what.by);
  }
  await run.clock.advance(0);
}

function takes({ forwardSignals }: ServiceSpec, signal: SignalName): boolean {
  return forwardSignals === 'all' || forwardSignals.includes(signal);
}

/** What does not fit together is refused, with all that is wrong, and nothing is started. */
function refuse(scene: Scenario): void {
  for (const what of brokenBy(scene))
    throw new Broken('a plan that cannot hold is refused, with all that is wrong', what, []);
}

export function tell(one: Happening): string {
  switch (one.kind) {
    case 'transition': {
      const { service, from, to, event, reason } = one.transition;
      return `${one.at} ${service} ${from} > ${to} (${event}: ${reason})`;
    }
    case 'request':
      return `${one.at} ${one.request} ${one.by}`;
    case 'forward':
      return `${one.at} forward ${one.signal}`;
    case 'warning':
      return `${one.at} ${one.service} ${one.message}`;
    case 'wait':
      return `${one.at} ${one.wait.service} is waited for`;
    case 'sign': {
      const { service, did } = one.sign;
      const detail = 'probe' in one.sign ? one.sign.probe.kind : one.sign.owner;
      return `${one.at} ${service} ${did} ${detail}${did === 'answer' ? ` ${one.sign.result.ok}` : ''}`;
    }
    case 'deed': {
      const { service, did, pid } = one.deed;
      const detail = did === 'signal' ? one.deed.signal : did === 'exit' ? JSON.stringify(one.deed.exit) : '';
      return `${one.at} ${service} ${did} ${pid} ${detail}`.trim();
    }
  }
}
