/** Stopping: in every phase, in order, in one budget, and with nothing left alive. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'tap';
import { forms, nowMs, type Pair, type PairOptions, runPair } from '../fixtures/e2e-run-pair.ts';
import { until } from '../support/until.ts';

/** Each phase of a start, how the programs hold it, and how a test knows that it is reached. */
const phases: readonly { phase: string; options: PairOptions; reached: (pair: Pair) => Promise<unknown> }[] = [
  {
    phase: 'migrating',
    options: { migrations: { listens: false } },
    reached: (pair) => pair.entry('migrations', 'started'),
  },
  {
    phase: "waiting for the gateway's port",
    options: { gateway: { listens: false } },
    reached: (pair) => pair.entry('gateway', 'started'),
  },
  {
    phase: "waiting for the gateway's answer",
    options: { gateway: { waits: ['answer'] } },
    reached: (pair) => pair.entry('gateway', 'refuses'),
  },
  {
    phase: 'the hub starting',
    options: { hub: { listens: false } },
    reached: (pair) => pair.entry('hub', 'started'),
  },
  { phase: 'up', options: {}, reached: (pair) => pair.record({ msg: 'everything is up' }) },
];

for (const { form, asInit } of forms) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    for (const { phase, options, reached } of phases) {
      test(`B08 B12 ${form}: ${signal} while ${phase} ends in 0 with nothing left, and starts nothing more`, async (t) => {
        const pair = await runPair(t, { asInit, ...options });
        await reached(pair);
        const started = startedOf(pair);
        const askedAt = nowMs();
        await pair.signal(signal);
        t.equal((await pair.exited).code, 0);
        t.ok(nowMs() - askedAt < 3_000);
        t.same(startedOf(pair), started, 'nothing was started after the signal');
        t.same(pair.survivors(), []);
        // Whatever came in, a service gets the signal that is graceful for it.
        const asked = pair.events().filter((event) => event.includes('SIG'));
        t.same(
          asked,
          started
            .toReversed()
            .map((event) => event.replace('started', 'SIGTERM'))
            .slice(0, asked.length),
        );
      });
    }
  }

  for (const [second, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    test(`B12 ${form}: a second signal, ${second}, while stopping ends everything at once with ${code}`, async (t) => {
      const pair = await runPair(t, { asInit, hub: { waits: ['stop'] } });
      await pair.record({ msg: 'everything is up' });
      await pair.signal('SIGTERM');
      await pair.entry('hub', 'SIGTERM');
      const askedAt = nowMs();
      await pair.signal(second);
      t.equal((await pair.exited).code, code);
      t.ok(nowMs() - askedAt < 2_000, 'the budget is 9 s');
      t.same(pair.survivors(), []);
    });
  }

  test(`B12 ${form}: the gateway is asked only when the hub has ended; codes of those that were asked are clean`, async (t) => {
    const pair = await runPair(t, { asInit, hub: { waits: ['stop'], stopCode: 143 }, gateway: { stopCode: 3 } });
    await pair.record({ msg: 'everything is up' });
    await pair.signal('SIGTERM');
    await pair.entry('hub', 'SIGTERM');
    t.notOk(pair.events().includes('gateway SIGTERM'));
    pair.open('hub-stop');
    t.equal((await pair.exited).code, 0);
    t.same(pair.events().slice(-4), ['hub SIGTERM', 'hub end', 'gateway SIGTERM', 'gateway end']);
  });

  test(`B12 ${form}: a hub that ignores TERM is killed within the budget with its group, and the gateway is not`, async (t) => {
    const pair = await runPair(t, {
      asInit,
      hub: { ignoresStop: true, begets: ['in its group'] },
      gateway: { stopsAfterMs: 150 },
      env: { TANDEM_STOP_TIMEOUT: '1' },
    });
    await pair.record({ msg: 'everything is up' });
    const askedAt = nowMs();
    await pair.signal('SIGTERM');
    t.equal((await pair.exited).code, 1);
    t.ok(nowMs() - askedAt < 1_100, `${Math.round(nowMs() - askedAt)} ms`);
    t.same(pair.survivors(), []);
    t.same(pair.events().slice(-3), ['hub SIGTERM', 'gateway SIGTERM', 'gateway end']);
    t.equal(pair.records().at(-1)?.reason, 'stopped by SIGTERM; had to be killed: hub');
  });

  test(`B12 ${form}: when both ignore TERM, the budget holds for the two together`, async (t) => {
    const ignoring = { ignoresStop: true, begets: ['in its group'] } as const;
    const pair = await runPair(t, { asInit, hub: ignoring, gateway: ignoring, env: { TANDEM_STOP_TIMEOUT: '1' } });
    await pair.record({ msg: 'everything is up' });
    const askedAt = nowMs();
    await pair.signal('SIGTERM');
    t.equal((await pair.exited).code, 1);
    t.ok(nowMs() - askedAt < 1_100, `${Math.round(nowMs() - askedAt)} ms`);
    t.same(pair.survivors(), []);
    t.equal(pair.records().at(-1)?.reason, 'stopped by SIGTERM; had to be killed: gateway, hub');
  });

  for (const output of ['raw', 'prefix', 'json']) {
    test(`B12 ${form}, ${output}: a grandchild that holds stdout, out of reach in a session of its own, delays nothing`, async (t) => {
      const pair = await runPair(t, {
        asInit,
        hub: { begets: ['in a session of its own'] },
        env: { TANDEM_OUTPUT: output },
      });
      await pair.record({ msg: 'everything is up' });
      const askedAt = nowMs();
      await pair.signal('SIGTERM');
      const [code] = await once(pair.child, 'exit');
      t.equal(code, 0);
      t.ok(nowMs() - askedAt < 1_000, `${Math.round(nowMs() - askedAt)} ms`);
      // Only PID 1 can know that it may end it; elsewhere that is a stated limit.
      if (asInit) t.same(pair.survivors(), []);
    });
  }
}

/** What comes before is Node's own start: its first TERM handler dies by the signal, which PID 1 cannot, so that one is lost. */
for (const offsetMs of [0, 5, 10, 20, 40, 60, 80, 100]) {
  test(`B08 as PID 1: SIGTERM ${offsetMs} ms after tandem's handlers stand is never lost`, async (t) => {
    const pair = await runPair(t, { asInit: true });
    const pid = await pair.pid();
    await until('the handlers stand', () => handles(pid, 'SIGWINCH'), { everyMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, offsetMs));
    await pair.signal('SIGTERM');
    t.equal((await pair.exited).code, 0);
    t.same(pair.survivors(), []);
    t.match(pair.records().at(-1), { msg: 'tandem ends', reason: 'stopped by SIGTERM' });
  });
}

function startedOf(pair: Pair): string[] {
  return pair.events().filter((event) => event.endsWith(' started'));
}

/** `SigCgt` is the mask of caught signals. WINCH is the last that tandem handles, and Node by itself does not. */
function handles(pid: number, signal: NodeJS.Signals): boolean {
  const [, mask = '0'] = /^SigCgt:\s+([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  const bit = 1n << BigInt(constants.signals[signal] - 1);
  return (BigInt(`0x${mask}`) & bit) !== 0n;
}
