/**
 * Chaos end to end: the real supervisor, faults on purpose, and after each what was promised: the code, the last words, the
 * budget, nobody left, no zombie, no line lost, memory within bounds.
 *
 * First every fault once, then faults at random, also two at once, until the time is up.
 *   TANDEM_CHAOS_MINUTES  how long; default 3
 *   TANDEM_CHAOS_SEED     the same faults at the same times again
 *   TANDEM_CHAOS_ROUND    this round of it alone
 *   TANDEM_CHAOS_FAULT    only faults whose names hold this; the rounds are then others
 */
import t, { type Test } from 'tap';
import { needsEngine } from '../container/engine.ts';
import { makeScene } from '../support/matrix.ts';
import { imageOf } from './container-run.ts';
import type { Fault } from './fault.ts';
import { fastFaults, slowFaults } from './faults.ts';
import { History, Judge } from './judge.ts';
import { type Plan, planRound } from './plan.ts';
import type { Run } from './run.ts';
import type { Stack } from './scene.ts';
import { startRun } from './start-run.ts';

const { TANDEM_CHAOS_MINUTES, TANDEM_CHAOS_SEED, TANDEM_CHAOS_ROUND, TANDEM_CHAOS_FAULT } = process.env;
const seed = Number(TANDEM_CHAOS_SEED || (Date.now() ^ (process.pid << 8)) >>> 0);
const minutes = Number(TANDEM_CHAOS_MINUTES || 3);

const isWanted = ({ name }: Fault) => name.includes(TANDEM_CHAOS_FAULT ?? '');
const repertoire = { fast: fastFaults.filter(isWanted), slow: slowFaults.filter(isWanted) };

/** Each has a round of its own at first. */
const count = repertoire.fast.length + repertoire.slow.length;

/** A fault's row in the table. */
interface Row {
  readonly rounds: number;
  readonly failures: number;
  /** From the fault, or the SIGTERM after it, to the end. */
  readonly worstMs: number;
  /** The most memory of PID 1. */
  readonly worstMib: number;
}

const table = new Map<string, Row>();

/** Why this round cannot be played here. */
function missing({ faults, options }: Plan): string | undefined {
  const reason = faults.find((fault) => fault.missing)?.missing;
  const lacking = reason ?? ((options.form === 'container' && needsEngine.skip) || undefined);
  if (lacking !== undefined && process.env['CI'] === 'true') throw new Error(lacking);
  return lacking;
}

/** Where Python is missing the round is skipped, and nothing returned. */
async function matrixStack(t: Test, { randoms }: Plan): Promise<Stack | undefined> {
  const env = randoms[0]?.chance(0.7) ? { HUB_MIGRATE: 'off' } : {};
  const scene = await makeScene(t, { env: { ...env, TANDEM_OUTPUT: 'raw' } });
  return scene && { directory: scene.directory, args: ['run', '--preset', 'matrix'], env: scene.env };
}

/** One run: started, disturbed, ended and judged. */
async function play(t: Test, plan: Plan) {
  const isMatrix = plan.options.form !== 'container' && plan.faults.some(({ runs }) => runs === 'matrix');
  const stack = isMatrix ? await matrixStack(t, plan) : undefined;
  if (isMatrix && !stack) return undefined;
  const history = new History();
  const run = await startRun({ ...plan.options, ...(stack && { stack }) });
  history.note(`started: ${run.form}, ${run.mode}, ${JSON.stringify(plan.options.scripts)}`);
  const judge = new Judge(run, plan, history);
  const problems: string[] = [];
  try {
    await judge.disturb();
    problems.push(...(await judge.judge()));
  } catch (error) {
    problems.push((error as Error).message);
  }
  judge.stopWatching();
  if (problems.length > 0) tell(t, plan, history, run);
  await run.clear();
  return { problems, tookMs: judge.tookMs, mib: judge.mib };
}

/** What it takes to see it again. */
function tell(t: Test, plan: Plan, { lines }: History, run: Run): void {
  t.comment(`TANDEM_CHAOS_SEED=${seed} TANDEM_CHAOS_ROUND=${plan.round}, ended with ${run.code}`);
  for (const line of lines) t.comment(`  ${line}`);
  t.comment('the last lines of stderr:');
  for (const line of run.stderr.text.trimEnd().split('\n').slice(-25)) t.comment(`  ${line.slice(0, 400)}`);
}

/** True if it could be played. One that cannot is told of once, in its own round. */
async function testRound(round: number): Promise<boolean> {
  const plan = planRound(seed, round, repertoire);
  const names = plan.faults.map(({ name }) => name).join(', and ');
  const title = `round ${round}: ${names} (${plan.options.form}, ${plan.options.mode})`;
  const skip = missing(plan);
  if (skip !== undefined) {
    if (round < count) t.pass(title, { skip });
    return false;
  }
  await t.test(title, { timeout: 0 }, async (t) => {
    const outcome = await play(t, plan);
    if (!outcome) return;
    t.same(outcome.problems, [], `seed ${seed}`);
    for (const { name } of plan.faults) enter(name, outcome);
  });
  return true;
}

function enter(name: string, { problems, tookMs, mib }: { problems: string[]; tookMs: number; mib: number }): void {
  const row = table.get(name) ?? { rounds: 0, failures: 0, worstMs: 0, worstMib: 0 };
  table.set(name, {
    rounds: row.rounds + 1,
    failures: row.failures + (problems.length > 0 ? 1 : 0),
    worstMs: Math.max(row.worstMs, Math.round(tookMs)),
    worstMib: Math.max(row.worstMib, Math.round(mib)),
  });
}

function printTable(): void {
  const rows = [...table].map(([name, row]) => [name, row.rounds, row.worstMs, row.worstMib, row.failures]);
  const lines = [['fault', 'rounds', 'worst ms', 'most MiB', 'failures'], ...rows].map((line) => line.map(String));
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  for (const [name = '', ...numbers] of lines) {
    const cells = numbers.map((cell, column) => cell.padStart(widths[column + 1] ?? 0));
    t.comment([name.padEnd(widths[0] ?? 0), ...cells].join('  '));
  }
}

async function main(): Promise<void> {
  t.comment(`TANDEM_CHAOS_SEED=${seed}, ${minutes} min`);
  if (TANDEM_CHAOS_ROUND) {
    await testRound(Number(TANDEM_CHAOS_ROUND));
    return;
  }
  // Not part of any round's time.
  if (!needsEngine.skip) for (const target of ['embedded', 'matrix'] as const) await imageOf(target);
  const endAt = performance.now() + minutes * 60_000;
  let played = 0;
  for (let round = 0; round < count || (played > 0 && performance.now() < endAt); round += 1) {
    if (await testRound(round)) played += 1;
  }
  printTable();
}

t.setTimeout(0);
void main();
