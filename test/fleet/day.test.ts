/** A day of twenty servers of all strategies under random clients, crashes and outages: what must never be, never is. */
import { setMaxListeners } from 'node:events';
import fc from 'fast-check';
import { test } from 'tap';
import { EngineError } from '../../src/fleet/engine.ts';
import type { Change } from '../../src/fleet/life.ts';
import { Schedule } from '../../src/fleet/schedule.ts';
import { type Lease, Server, type ServerRules } from '../../src/fleet/server.ts';
import { Slots } from '../../src/fleet/slots.ts';
import { isKept, type Strategy, strategies } from '../../src/fleet/strategy.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeWorkshop } from './fake-workshop.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const most = 12;
const never = new AbortController().signal;
setMaxListeners(0, never);
const retry = {
  condition: 'always',
  baseDelayMs: 1_000,
  maxDelayMs: minute,
  maxRestarts: 1,
  windowMs: 1,
  resetAfterMs: 1,
} as const;
/** By then every kept server is up again after a crash, a failed start or an outage: backoff, starts, looks. */
const patienceMs = 10 * minute;
/** More often would only make the day longer. */
const reconcileMs = 5 * minute;
const window = { cron: '0 8 * * *', durationMs: 10 * 60 * minute, timezone: 'UTC' };
const isWindow = (nowMs: number) => {
  const intoDay = nowMs % day;
  return intoDay >= 8 * 60 * minute && intoDay < 18 * 60 * minute;
};

/** Five of each. */
const plan: readonly Strategy[] = Array.from({ length: 20 }, (_, index) => strategies[index % 4] as Strategy);

type Happening =
  | { readonly kind: 'client'; readonly server: number; readonly staysMs: number }
  | { readonly kind: 'crash'; readonly server: number; readonly isHeard: boolean }
  | { readonly kind: 'outage'; readonly lastsMs: number }
  | { readonly kind: 'bad starts'; readonly server: number; readonly lastsMs: number };

const server = fc.nat(plan.length - 1);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('client'), server, staysMs: fc.nat(40 * minute) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('crash'), server, isHeard: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('outage'), lastsMs: fc.nat(10 * minute) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('bad starts'), server, lastsMs: fc.nat(20 * minute) }) },
);
const oneDay = fc.array(fc.record({ atMs: fc.nat(day), what: happening }), { minLength: 50, maxLength: 400 });

interface Member {
  readonly server: Server;
  readonly workshop: FakeWorkshop;
  readonly strategy: Strategy;
  readonly leases: Set<Lease>;
  /** Trouble that was made for it or for all ends here. */
  troubledUntilMs: number;
}

async function live(events: readonly { readonly atMs: number; readonly what: Happening }[]): Promise<void> {
  const clock = new FakeClock();
  const world = { clock, isLost: false };
  const slots = new Slots(most);
  const scope = new AbortController();
  setMaxListeners(0, scope.signal);
  const wrong: string[] = [];
  let members: Member[] = [];

  const changed = ({ name, from, to, reason }: Change) => {
    const member = members.find((one) => one.server.name === name);
    if (!member) return;
    const isServed = [...member.leases].some(({ lost }) => !lost.aborted);
    if (to === 'stopping' && isServed)
      wrong.push(`${clock.now()}: ${name} is stopped under a client: ${from}, ${reason}`);
  };

  members = plan.map((strategy, index): Member => {
    const rules: ServerRules = {
      name: `${strategy}-${index}`,
      strategy,
      idleTimeoutMs: 5 * minute,
      startTimeoutMs: minute,
      retry,
      schedule: strategy === 'scheduled' ? new Schedule([window]) : undefined,
    };
    const workshop = new FakeWorkshop(world);
    const one = new Server(rules, { clock, slots, workshop, random: () => 0.5, wallMs: () => clock.now(), changed });
    return { server: one, workshop, strategy, leases: new Set(), troubledUntilMs: 0 };
  });

  const troubled = (whom: readonly Member[], lastsMs: number) => {
    for (const member of whom) member.troubledUntilMs = Math.max(member.troubledUntilMs, clock.now() + lastsMs);
  };

  const happen = (what: Happening) => {
    if (what.kind === 'outage') {
      world.isLost = true;
      troubled(members, what.lastsMs);
      clock.schedule(what.lastsMs, () => {
        world.isLost = false;
      });
      return;
    }
    const member = members[what.server] as Member;
    switch (what.kind) {
      case 'client':
        void member.server.acquire(never).then(
          (lease) => {
            member.leases.add(lease);
            const leave = () => {
              member.leases.delete(lease);
              lease.release();
            };
            lease.lost.addEventListener('abort', leave, { once: true });
            clock.schedule(what.staysMs, leave);
          },
          () => {},
        );
        return;
      case 'crash':
        troubled([member], 0);
        return member.workshop.crash(what.isHeard);
      case 'bad starts':
        member.workshop.trouble = new EngineError('refused', 'no');
        troubled([member], what.lastsMs);
        clock.schedule(what.lastsMs, () => {
          member.workshop.trouble = undefined;
        });
    }
  };

  const look = () => {
    const now = clock.now();
    const running = members.filter(({ workshop }) => workshop.seen?.isRunning);
    if (running.length > most) wrong.push(`${now}: ${running.length} containers`);
    for (const { server: one, strategy, workshop, leases, troubledUntilMs } of members) {
      const isUp = workshop.seen?.isRunning === true;
      const isCalm = now > troubledUntilMs + patienceMs;
      if (isCalm && isKept(strategy) && now > patienceMs && one.view.state !== 'running')
        wrong.push(`${now}: ${one.name} is ${one.view.state}`);
      const isUnused = isUp && one.view.open === 0 && leases.size === 0 && one.view.state !== 'stopping';
      const isOutside = !isWindow(now) && !isWindow(now - patienceMs);
      if (isCalm && isUnused && strategy === 'scheduled' && isOutside)
        wrong.push(`${now}: ${one.name} runs outside its window`);
      if (isCalm && isUnused && one.view.state === 'absent') wrong.push(`${now}: ${one.name} has leaked`);
    }
  };

  const runs = members.map(({ server: one }) => one.run(scope.signal));
  for (const { atMs, what } of events) clock.schedule(atMs, () => happen(what));
  for (let atMs = reconcileMs; atMs <= day + 60 * minute; atMs += reconcileMs) {
    clock.schedule(atMs, () => {
      for (const { server: one } of members) one.poke();
    });
  }
  clock.rested = look;
  await clock.advance(day + 60 * minute);
  world.isLost = false;
  scope.abort();
  await clock.advance(minute);
  await Promise.all(runs);
  const closing = Promise.all(members.map(({ server: one }) => one.close(never)));
  await clock.advance(minute);
  await closing;
  if (members.some(({ workshop }) => workshop.seen)) wrong.push('something is left after the end');
  if (slots.taken !== 10) wrong.push(`${slots.taken} places are left after the end, 10 are reserved`);
  if (wrong.length > 0) throw new Error([...new Set(wrong)].slice(0, 5).join('\n'));
}

test('B41 B43 B45 a day of twenty servers', { timeout: 600_000 }, async (t) => {
  const runs = Number(process.env['TANDEM_FLEET_DAYS'] ?? 3);
  const seed = process.env['TANDEM_MODEL_SEED'];
  // A day is too long to be shrunk within anybody's patience: the seed tells the rest.
  await fc.assert(fc.asyncProperty(oneDay, live), {
    numRuns: runs,
    endOnFailure: true,
    ...(seed !== undefined && { seed: Number(seed) }),
  });
  t.pass(`${runs} days`);
});
