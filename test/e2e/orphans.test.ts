/**
 * Orphans under the shipped form, seen from outside. That 200 services beside a thousand of them keep their exit codes is
 * shown in test/host/reaper.test.ts.
 */
import { test } from 'tap';
import { forms } from '../fixtures/e2e-run-pair.ts';
import { takeCensus } from '../support/census.ts';
import { runTandem } from '../support/run-tandem.ts';

const oldestAllowedMs = 500;

/** A subshell ends before the process that it has started, which is an orphan from then on. */
const storm = 'i=0; while [ $i -lt 1000 ]; do (: &); i=$((i+1)); done';

/** Daemons have left the command's group and session, too. These are there together for a while. */
const daemons = 'i=0; while [ $i -lt 100 ]; do (setsid sleep 1 &); i=$((i+1)); done; sleep 2';

for (const { form, asInit } of forms) {
  test(`B50 ${form}: of 1,000 orphans none stays a zombie, and the command keeps its code`, async (t) => {
    const running = runTandem(t, ['--', 'sh', '-c', `${storm}; ${daemons}; exit 42`], { asInit });
    const census = takeCensus(await running.pid());
    const { code } = await running.exited;
    census.stop();
    t.equal(code, 42);
    t.ok(census.adopted.size >= 100, `${census.adopted.size} orphans were seen as children of tandem`);
    t.ok(census.oldestZombieMs < oldestAllowedMs, `the oldest zombie was ${Math.round(census.oldestZombieMs)} ms old`);
  });
}

test('B50 as PID 1: orphans that come while nothing else happens are reaped, one after the other', async (t) => {
  // The command sleeps, so that only their own end tells tandem of them; they end 50 ms apart.
  const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do (setsid sleep 0.$((i * 5 + 9)) &); done; exec sleep 1.5';
  const running = runTandem(t, ['--', 'sh', '-c', script], { asInit: true });
  const census = takeCensus(await running.pid());
  t.equal((await running.exited).code, 0);
  census.stop();
  t.ok(census.adopted.size >= 10, `${census.adopted.size} orphans were seen as children of tandem`);
  t.ok(census.oldestZombieMs < oldestAllowedMs, `the oldest zombie was ${Math.round(census.oldestZombieMs)} ms old`);
});
