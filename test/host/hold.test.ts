/** `launch --hold-signals` with Node itself, whichever runs the tests: what is held, when it comes, and where nothing is. */
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, realpathSync, symlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { native } from '../../src/host/native.ts';
import { noSignals, signalAt } from '../fixtures/early-signals.ts';
import { asPid1, canUnshare, nativeDirectory, run } from '../fixtures/host-run.ts';
import { inEnvironment } from '../support/run-tandem.ts';

const helper = native().launcherPath ?? '';
const isBuilt = helper !== '' && !native().missing.some((lost) => lost.startsWith('hold.so'));
const withHelper = { skip: isBuilt ? false : 'launch or hold.so was not built' };
const withInit = { skip: withHelper.skip || (canUnshare ? false : 'pid namespaces cannot be made') };

/** What tandem handles from its first line on, but for WINCH: one that is pending is dropped when Node resets it. */
const names: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/** Prints the signals that it gets, and ends when it has got them all. */
const listener = `
  const signalsOf = (status) => [...String(status).matchAll(/^Sig(?:Blk|Ign):\\s+(\\w+)/gm)].map(([, signals]) => signals);
  const missing = new Set(${JSON.stringify(names)});
  const end = () => {
    console.log(JSON.stringify({
      missing: [...missing],
      inspector: require('inspector').url() ?? null,
      preload: process.env.LD_PRELOAD ?? null,
      blocked: signalsOf(require('fs').readFileSync('/proc/self/status'))[0],
      child: signalsOf(require('child_process').execFileSync('cat', ['/proc/self/status'])),
    }));
    process.exit();
  };
  const receive = (name) => missing.delete(name) && missing.size === 0 && end();
  for (const name of missing) process.on(name, receive);
  setTimeout(end, 2_000);
`;

/** What it prints if all is as it should be. */
const undisturbed = { missing: [], inspector: null, preload: null, blocked: noSignals, child: [noSignals, noSignals] };

t.test('B08 as PID 1: no signal is lost while Node starts, and none opens the inspector', withInit, async (t) => {
  for (let momentMs = 0; momentMs < 60; momentMs += 3) {
    const child = spawnAsInit([helper, '--hold-signals', '--', process.execPath, 'node', '-e', listener]);
    signalAt(child.pid, momentMs, names);
    t.same(JSON.parse(await text(child.stdout)), undisturbed, `${momentMs} ms`);
  }
});

t.test('as PID 1 they are blocked at exec, and the library is the first to be preloaded', withInit, async (t) => {
  const library = join(realpathSync(nativeDirectory), 'hold.so');
  const launched = [...asPid1, helper, '--hold-signals', '--'];
  const blocked = setOf(names);
  t.same(await heldBy(launched), { preload: library, blocked });
  t.same(await heldBy(['env', 'LD_PRELOAD=libc.so.6', ...launched]), { preload: `${library}:libc.so.6`, blocked });
  t.same(await heldBy([...asPid1, helper, '--']), { preload: '', blocked: noSignals }, 'only where it is asked for');
});

t.test('elsewhere nothing is held: there a signal ends the process, as it should', withHelper, async (t) => {
  t.same(await heldBy([helper, '--hold-signals', '--']), { preload: '', blocked: noSignals });
});

t.test('nothing is blocked where the library is missing', withInit, async (t) => {
  const alone = join(t.testdir({}), 'launch');
  copyFileSync(helper, alone);
  t.same(await heldBy([...asPid1, alone, '--hold-signals', '--']), { preload: '', blocked: noSignals });
});

t.test('called as tandem it starts the program beside it and hands every word on', withHelper, async (t) => {
  const directory = realpathSync(
    t.testdir({ native: {}, 'tandem.cjs': '#!/bin/sh\nprintf "%s\\n" "$TANDEM_NOFILE" "$@"\n' }),
  );
  copyFileSync(helper, join(directory, 'native/launch'));
  chmodSync(join(directory, 'tandem.cjs'), 0o755);
  symlinkSync('native/launch', join(directory, 'tandem'));
  const words = ['--', '--session', '', ' a b '];
  const { stdout } = await run(['env', 'TANDEM_NOFILE=77', join(directory, 'tandem'), ...words]);
  t.same(stdout, `77\n${words.join('\n')}\n`);
  for (const unset of [['-u', 'TANDEM_NOFILE'], ['TANDEM_NOFILE=']]) {
    const { stdout: noted } = await run(['env', ...unset, join(directory, 'tandem')]);
    t.match(noted, /^\d+\n/, `the limit of open files is noted: ${unset.join(' ')}`);
  }
});

/** As the kernel writes it. */
function setOf(signals: readonly NodeJS.Signals[]): string {
  const bits = signals.map((name) => 1n << BigInt(constants.signals[name] - 1));
  return bits
    .reduce((all, bit) => all | bit, 0n)
    .toString(16)
    .padStart(16, '0');
}

/** In the environment of tandem: without what the test runner loads into every Node. */
function spawnAsInit(words: readonly string[]) {
  const [file, ...rest] = inEnvironment({ PATH: process.env['PATH'] ?? '' }, [...asPid1, ...words]);
  return spawn(file, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
}

/** What is preloaded into a shell that is started with these words before it, and the signals that are blocked in it. */
async function heldBy(words: readonly string[]): Promise<{ preload?: string; blocked?: string }> {
  const script = 'echo "$LD_PRELOAD"; exec sed -n "s/^SigBlk:[^0-9a-f]*//p" /proc/self/status';
  const { stdout, stderr } = await run([...words, '/bin/sh', 'sh', '-c', script]);
  const [preload, blocked] = stdout.split('\n');
  if (preload === undefined || blocked === undefined) throw new Error(stderr);
  return { preload, blocked };
}
