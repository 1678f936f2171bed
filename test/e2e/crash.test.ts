/** Unasked endings: whoever dies takes the other along gracefully, and the code and the words say who it was. */
import { once } from 'node:events';
import { closeSync, writeSync } from 'node:fs';
import { type Test, test } from 'tap';
import { damagedProgram } from '../fixtures/e2e-damaged.ts';
import { askSocket } from '../fixtures/e2e-run-health.ts';
import { forms, nowMs, type Pair, runPair, type Script } from '../fixtures/e2e-run-pair.ts';
import { makePipe } from '../support/pipe.ts';
import { runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

/** What a pipe of Linux holds. */
const pipeBytes = 64 * 1024;

for (const { form, asInit } of forms) {
  test(`B11 B55 ${form}: kill -9 of the gateway: hub gets TERM, 137, the reason in the report and in the last line`, async (t) => {
    const pair = await runPair(t, { asInit, hub: { waits: ['stop'] } });
    await pair.record({ msg: 'everything is up' });
    process.kill(await pair.pidOf('gateway'), 'SIGKILL');
    await pair.entry('hub', 'SIGTERM');

    const report = await askSocket(pair, '/health');
    t.equal(report.status, 503);
    const reason = '"gateway" ended by itself: SIGKILL';
    t.match(report.body, { status: 'stopping', live: false, ready: false, reason });
    t.match(report.body, { components: { gateway: { status: 'unhealthy', exit: { signal: 'SIGKILL' } } } });
    t.match(report.body, { components: { hub: { status: 'stopping' } } });

    pair.open('hub-stop');
    t.equal((await pair.exited).code, 137);
    t.match(pair.records().at(-1), { msg: 'tandem ends', code: 137, level: 50, reason });
    t.same(pair.events().slice(-2), ['hub SIGTERM', 'hub end']);
    t.same(pair.survivors(), []);
  });

  test(`B11 ${form}: a hub that ends by itself takes the gateway along, with the hub's code`, async (t) => {
    const pair = await runPair(t, { asInit, hub: { waits: ['end'], ends: 42 }, gateway: { stopCode: 3 } });
    await pair.record({ msg: 'everything is up' });
    pair.open('hub-end');
    t.equal((await pair.exited).code, 42);
    t.same(pair.events().slice(-3), ['hub ends', 'gateway SIGTERM', 'gateway end']);
    t.same(pair.survivors(), []);
  });

  test(`B11 ${form}: the sibling of the dead that ignores TERM is killed at the budget; the code stays that of the first`, async (t) => {
    const gateway: Script = { ignoresStop: true, begets: ['in its group'] };
    const pair = await runPair(t, {
      asInit,
      gateway,
      hub: { waits: ['end'], ends: 7 },
      env: { TANDEM_STOP_TIMEOUT: '1' },
    });
    await pair.record({ msg: 'everything is up' });
    pair.open('hub-end');
    t.equal((await pair.exited).code, 7);
    t.ok(nowMs() - (await pair.entry('hub', 'ends')).atMs < 1_100);
    t.same(pair.survivors(), []);
  });

  test(`B11 ${form}: what a dead service leaves in its group dies at once`, async (t) => {
    const pair = await runPair(t, { asInit, gateway: { begets: ['in its group'] }, hub: { waits: ['stop'] } });
    await pair.record({ msg: 'everything is up' });
    process.kill(await pair.pidOf('gateway'), 'SIGKILL');
    const ofTheGateway = () =>
      pair.commands().filter((command) => command.startsWith('sh -c trap') || command.startsWith('sleep'));
    await until('its children are gone', () => ofTheGateway().length === 0);
    t.ok(pair.events().includes('hub started'));
  });

  test(`B59 ${form}: kill -9 of tandem itself: its services die at once, unasked`, async (t) => {
    const pair = await runPair(t, { asInit });
    await pair.record({ msg: 'everything is up' });
    await killTandem(pair);
    await until('all are gone', () => pair.survivors().length === 0, { withinMs: 1_000 });
    t.notOk(pair.events().some((event) => event.includes('SIG')));
  });

  test(`B59 ${form}: kill -9 of tandem itself: what is in its services' groups dies with them`, async (t) => {
    const pair = await runPair(t, { asInit, hub: { begets: ['in its group'] } });
    await pair.record({ msg: 'everything is up' });
    await killTandem(pair);
    await t.resolves(until('all are gone', () => pair.survivors().length === 0, { withinMs: 1_000 }));
  });
}

for (const [library, format] of [
  ['pino', 'json'],
  ['pino-pretty', 'pretty'],
] as const) {
  test(`B55 a damaged ${library}: the code is the outcome's, and the log says all the same what happened`, async (t) => {
    const program = damagedProgram(t, library, (source) => source.slice(0, source.length / 2));
    const env = { TANDEM_LOG_FORMAT: format };
    const pair = await runPair(t, { program, env, hub: { waits: ['end'], ends: 42 } });
    await pair.record({ msg: 'everything is up' });
    pair.open('hub-end');
    t.equal((await pair.exited).code, 42);
    t.match(pair.records()[0], { level: 40, err: { type: 'SyntaxError' } });
    t.match(pair.records().at(-1), { msg: 'tandem ends', code: 42, level: 50, name: 'tandem' });
    t.same(pair.survivors(), []);
  });
}

/** A pipe with no room left, that nobody reads. */
function fullPipe(t: Test): number {
  const [readEnd, writeEnd] = makePipe();
  t.teardown(() => [readEnd, writeEnd].map((end) => closeSync(end)));
  writeSync(writeEnd, Buffer.alloc(pipeBytes));
  return writeEnd;
}

for (const { form, asInit } of forms) {
  test(`B50 ${form}: a bug in tandem ends it with 70 although nobody reads stderr`, async (t) => {
    const program = damagedProgram(t, 'pino', (source) => `setTimeout(() => { throw new Error('bug') }, 20);${source}`);
    const pair = await runPair(t, { asInit, program, stderr: fullPipe(t) });
    const { code, afterMs } = await pair.exited;
    t.equal(code, 70);
    t.ok(afterMs < 10_000, `${afterMs} ms`);
    await until('nothing is left', () => pair.survivors().length === 0);
  });

  test(`B50 ${form}: what is refused is 78 although nobody reads stderr`, async (t) => {
    const pair = await runPair(t, { asInit, stderr: fullPipe(t), env: { PORT: 'x' } });
    t.equal((await pair.exited).code, 78);
    t.same(pair.survivors(), []);
  });

  test(`B51 ${form}: a command that cannot be run is 127 although nobody reads stderr`, async (t) => {
    const running = runTandem(t, ['--', 'no-such-command'], { asInit, stderr: fullPipe(t) });
    t.equal((await running.exited).code, 127);
  });
}

test('B50 a bug in tandem is said in full where somebody reads', async (t) => {
  const program = damagedProgram(t, 'pino', (source) => `setTimeout(() => { throw new Error('bug') }, 20);${source}`);
  const pair = await runPair(t, { program });
  t.equal((await pair.exited).code, 70);
  t.match(pair.stderr, /^tandem: a bug in tandem: Error: bug\n {4}at /m);
});

async function killTandem(pair: Pair): Promise<void> {
  const gone = once(pair.child, 'exit');
  await pair.signal('SIGKILL');
  await gone;
}

/** What the shell would report for each; 0 becomes 1, because a restart policy must see a failure. */
const codes = [
  ...[0, 1, 2, 3, 64, 69, 78, 100, 126, 127, 128, 137, 143, 200, 254, 255].map(
    (code) => [`exit ${code}`, code || 1] as const,
  ),
  ...(
    [
      ['HUP', 129],
      ['INT', 130],
      ['QUIT', 131],
      ['ABRT', 134],
      ['USR1', 138],
      ['SEGV', 139],
      ['TERM', 143],
    ] as const
  ).map(([signal, code]) => [`kill -${signal} $$`, code] as const),
];

for (const [command, code] of codes) {
  test(`B11 a hub that does \`${command}\` ends the container with ${code}`, async (t) => {
    const env = { GATEWAY_SKIP_START: '1', HUB_HEALTH_PATH: '' };
    const pair = await runPair(t, { hub: `sh -c '${command}'`, env });
    t.equal((await pair.exited).code, code);
    t.match(pair.records().at(-1), { msg: 'tandem ends', code, reason: /"hub" ended by itself/ });
  });
}
