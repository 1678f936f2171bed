/**
 * Signals that come while Node itself starts, to a PID 1 that is started as in an image. The moments are counted from the
 * exec of Node; before that, `launch` has blocked the signals already (test/host/hold.test.ts).
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import tap, { test } from 'tap';
import { childrenOf, numberOf } from '../fixtures/e2e-cmd-run.ts';
import { makeDirectory, nowMs, runPair } from '../fixtures/e2e-run-pair.ts';
import { noSignals, signalAt, signalsOf } from '../fixtures/early-signals.ts';
import { canUnshare } from '../fixtures/host-run.ts';
import { type Running, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const asImage = { asInit: true, held: true } as const;
const skip = canUnshare || process.env['CI'] === 'true' ? false : 'pid namespaces cannot be made';

/** From the first instruction of Node to a little after tandem's handlers stand, which takes 20 to 60 ms. */
const moments = Array.from({ length: 60 }, (_, step) => step * 1.5);

/**
 * What can be forwarded and ends a command that does not handle it. Not XFSZ, which Node sets to be ignored: an early one does
 * not stay pending.
 */
const deadly = [
  ...(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGTERM', 'SIGSTKFLT', 'SIGXCPU'] as const),
  ...(['SIGVTALRM', 'SIGIO', 'SIGPWR'] as const),
];

tap.setTimeout(240_000);

test('B08 B12 as PID 1: a TERM at any moment since the exec of Node stops with 0', { skip }, async (t) => {
  for (const momentMs of moments) {
    const pair = await runPair(t, asImage);
    signalAt(pair.child.pid, momentMs, ['SIGTERM']);
    const askedAt = nowMs();
    t.equal(await codeOf(pair), 0, `${momentMs} ms`);
    t.ok(nowMs() - askedAt < 3_000, 'the budget is 9 s');
    t.same(pair.survivors(), []);
    t.match(pair.records().at(-1), { msg: 'tandem ends', reason: 'stopped by SIGTERM' });
  }
});

test('B12 as PID 1: so does INT, and the two of them are a second signal', { skip }, async (t) => {
  for (const momentMs of [0, 5, 10, 20]) {
    const one = await runPair(t, asImage);
    signalAt(one.child.pid, momentMs, ['SIGINT']);
    t.equal(await codeOf(one), 0, `INT at ${momentMs} ms`);
    const both = await runPair(t, asImage);
    signalAt(both.child.pid, momentMs, ['SIGINT', 'SIGTERM']);
    t.match(String(await codeOf(both)), /^(130|143)$/, `INT and TERM at ${momentMs} ms`);
    t.same(both.survivors(), []);
  }
});

test('B51 as PID 1: `tandem -- CMD` hands an early TERM on, whenever it comes', { skip }, async (t) => {
  for (const momentMs of moments.filter((_, step) => step % 5 === 0)) {
    const running = runTandem(t, ['--', 'sleep', '10'], asImage);
    signalAt(running.child.pid, momentMs, ['SIGTERM']);
    t.equal(await codeOf(running), 143, `${momentMs} ms`);
  }
});

test('B51 as PID 1: it hands whatever can be forwarded on', { skip }, async (t) => {
  const cwd = makeDirectory(t); // for those that dump core
  for (const name of deadly) {
    const running = runTandem(t, ['--', 'sleep', '10'], { ...asImage, cwd });
    signalAt(running.child.pid, 5, [name]);
    t.equal(await codeOf(running), 128 + numberOf(name), name);
  }
});

test('as PID 1: early USR1, USR2 and HUP mean what they mean later, and no inspector is opened', {
  skip,
}, async (t) => {
  const pair = await runPair(t, asImage);
  signalAt(pair.child.pid, 10, ['SIGUSR1', 'SIGUSR2', 'SIGHUP']);
  await pair.record({ msg: 'everything is up' });
  t.notMatch(pair.stderr, 'Debugger listening');
  t.ok(await pair.record({ msg: 'signal is not forwarded' }), 'USR2 is refused');
  await pair.signal('SIGTERM');
  t.equal(await codeOf(pair), 0);
});

test('B51 as PID 1: a command is started with no signal blocked or ignored, and without the library', {
  skip,
}, async (t) => {
  const running = runTandem(t, ['--', 'sh', '-c', 'echo ready; exec sleep 1000'], asImage);
  await until('the command runs', () => running.stdout !== '');
  const pid = await running.pid();
  const [command = 0] = childrenOf(pid);
  t.equal(signalsOf(command, 'SigBlk'), noSignals);
  t.equal(signalsOf(command, 'SigIgn'), noSignals);
  t.notMatch(environmentOf(command), 'LD_PRELOAD');
  t.equal(signalsOf(pid, 'SigBlk'), noSignals, 'tandem itself keeps none blocked');
});

test('as PID 1: so are services; what the operator preloads is preloaded', { skip }, async (t) => {
  const pair = await runPair(t, { ...asImage, env: { LD_PRELOAD: 'libc.so.6' } });
  await pair.record({ msg: 'everything is up' });
  for (const pid of [await pair.pidOf('gateway'), await pair.pidOf('hub')]) {
    t.equal(signalsOf(pid, 'SigBlk'), noSignals);
    t.match(environmentOf(pid), /^LD_PRELOAD=libc\.so\.6$/m);
    t.notMatch(readFileSync(`/proc/${pid}/maps`, 'latin1'), 'hold.so');
  }
  t.equal(signalsOf(await pair.pid(), 'SigBlk'), noSignals);
});

test('a TERM ends a command that supervises nothing, even as soon as it could be caught', async (t) => {
  // WINCH is the last that is handled; the process sends itself the TERM before it has read its own arguments.
  const preload = `
    const { on } = process;
    process.on = (name, ...rest) => (on.call(process, name, ...rest), name === 'SIGWINCH' && process.kill(process.pid, 'SIGTERM'));
  `;
  const directory = t.testdir({ 'term.cjs': preload });
  const deaf = createServer(() => {}).listen(0, '127.0.0.1');
  t.teardown(() => deaf.close());
  await once(deaf, 'listening');
  const { port } = deaf.address() as AddressInfo;
  const running = runTandem(t, ['health', '--url', `http://127.0.0.1:${port}/`], {
    env: { NODE_OPTIONS: `--require=${directory}/term.cjs` },
  });
  t.equal(await codeOf(running), 143);
});

function environmentOf(pid: number): string {
  return readFileSync(`/proc/${pid}/environ`, 'latin1').replaceAll('\0', '\n');
}

/** A signal that was lost must not be waited for until the end of all tests. */
async function codeOf({ child, exited }: Running): Promise<number> {
  await until('tandem ends', () => child.exitCode !== null || child.signalCode !== null);
  return (await exited).code;
}
