/**
 * krallin/tini: what its tests and its README promise, held by `tandem -- CMD`. Each title ends with the place there. What is
 * not held, and why, is in docs/conformance.md.
 */
import tap, { test } from 'tap';
import { childrenOf, descriptorsOf, forEach, numberOf } from '../fixtures/e2e-cmd-run.ts';
import { makeDirectory } from '../fixtures/e2e-run-pair.ts';
import { signalsOf } from '../fixtures/early-signals.ts';
import { runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';
import { makeGate, makeMarked, programOf } from './support/processes.ts';
import {
  asInit,
  everyForm,
  inContainer,
  outcomeIn,
  plain,
  tandemImage,
  untilCommandIsAlone,
} from './support/subject.ts';
import { ctrlC, needsTerminal, terminalIn } from './support/terminal.ts';

const everyCode = Array.from({ length: 256 }, (_, code) => code);

/** Plain, test/e2e/command.test.ts has them all; a container takes half a second for each. */
const someCodes = [0, 1, 64, 143, 255];

tap.setTimeout(300_000);

tap.before(async () => {
  if (!inContainer.needs.skip) await tandemImage();
});

for (const [form, codes] of [
  [plain, someCodes],
  [asInit, everyCode],
  [inContainer, someCodes],
] as const) {
  const title = `B51 ${form.form}: ${codes.length} exit codes are handed on ("exit code test")`;
  test(title, form.needs, async (t) => {
    const given: number[] = [];
    await forEach(codes, async (code) => {
      given[codes.indexOf(code)] = (await outcomeIn(form, t, ['sh', '-c', `exit ${code}`])).code;
    });
    t.same(given, codes);
  });
}

for (const form of everyForm) {
  const { form: name, needs } = form;

  for (const signal of ['SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const) {
    test(`B51 ${name}: a command that ${signal} ends is 128+n ("signals test")`, needs, async (t) => {
      const { env, survivors } = makeMarked(t);
      const subject = await form.start(t, ['sh', '-c', 'sleep 1000 & echo ready; wait'], { env });
      await subject.says('ready');
      await subject.signal(signal);
      t.equal(await subject.ended(), 128 + numberOf(signal));
      t.same(survivors(), [], 'where tini leaves the sleep behind');
    });
  }

  test(`B50 ${name}: a hundred orphans of one parent are reaped ("reaping test")`, needs, async (t) => {
    const gate = makeGate(t);
    // Nobody waits for them: the shell in the middle has ended before they do.
    const stage2 = 'i=0; while [ $i -lt 100 ]; do read line < gate & i=$((i+1)); done';
    const command = ['sh', '-c', `sh -c '${stage2}'; echo started; exec sleep 1000`];
    const subject = await form.start(t, command, { cwd: gate.directory });
    await subject.says('started');
    const tandem = await subject.pid();
    await until('tandem has adopted a hundred', () => childrenOf(tandem).length > 100);
    await gate.openUntil(untilCommandIsAlone(subject));
    t.equal(subject.stderr, '', 'there is nothing to warn of, PID 1 or not');
    await subject.signal('SIGTERM');
    t.equal(await subject.ended(), 143);
  });

  test(
    `B50 ${name}: orphans of orphans are reaped, those in a session of their own too ("reaping test")`,
    needs,
    async (t) => {
      const gate = makeGate(t);
      const nested =
        '(((setsid sh -c "(read line < gate) & read line < gate" &) & read line < gate) & read line < gate) &';
      const command = ['sh', '-c', `sh -c '${nested}'; echo started; exec sleep 1000`];
      const subject = await form.start(t, command, { cwd: gate.directory });
      await subject.says('started');
      const tandem = await subject.pid();
      await until('tandem has adopted two sessions at least', () => childrenOf(tandem).length >= 3);
      await gate.openUntil(untilCommandIsAlone(subject));
      t.pass('none is left');
    },
  );

  test(`B51 ${name}: a signal is for the command and not for its group (without -g)`, needs, async (t) => {
    const { env, survivors } = makeMarked(t);
    const member = 'trap "echo member" USR1; echo up; while :; do sleep 0.02; done';
    const leader = `trap "echo leader" USR1; trap "exit 7" TERM; sh -c '${member}' & while :; do sleep 0.02; done`;
    const subject = await form.start(t, ['sh', '-c', leader], { env });
    await subject.says('up');
    for (const turn of [1, 2, 3]) {
      await subject.signal('SIGUSR1');
      await until(`turn ${turn}`, () => subject.stdout.split('leader').length > turn);
    }
    t.notMatch(subject.stdout, 'member');
    await subject.signal('SIGTERM');
    t.equal(await subject.ended(), 7);
    t.same(survivors(), [], 'the rest of the group ends with it');
  });

  test(`B51 ${name}: no such command is 127, one that cannot be executed 126 (run_build.sh)`, needs, async (t) => {
    for (const [command, code] of [
      ['foobar123', 127],
      ['/etc', 126],
    ] as const) {
      const outcome = await outcomeIn(form, t, [command]);
      t.match(outcome, { code, stdout: '' }, command);
      t.match(outcome.stderr, new RegExp(`^tandem: cannot start [^\\n]*${command}[^\\n]*\\n$`));
    }
  });

  test(`B51 ${name}: stdin is the command's (run_build.sh, "does not break pipes")`, needs, async (t) => {
    const subject = await form.start(t, ['sh'], { input: true });
    subject.endInput('echo "read under $PPID"\nexit 9\n');
    t.equal(await subject.ended(), 9);
    t.match(subject.stdout, form.isInit ? /^read under 1\n$/ : /^read under \d+\n$/);
  });

  test(`B51 ${name}: directory, environment and descriptors are what tandem found (README)`, needs, async (t) => {
    const cwd = makeDirectory(t);
    const env = { A: '1', EMPTY: '', TWO: 'a\nb', TANDEM_X: 'é', TINI_KILL_PROCESS_GROUP: '1' };
    const subject = await form.start(t, ['sh', '-c', 'pwd -P; env -0; echo end; exec sleep 1000'], { cwd, env });
    await subject.says('end\n');
    const [directory, ...rest] = subject.stdout.split('\n');
    t.equal(directory, cwd);
    const entries = rest.join('\n').split('\0');
    for (const [key, value] of Object.entries(env)) t.ok(entries.includes(`${key}=${value}`), key);
    t.same(
      entries.filter((entry) => /^(LD_PRELOAD|NODE_OPTIONS)=/.test(entry)),
      [],
    );
    t.same(descriptorsOf(await subject.command()).sort(), [0, 1, 2]);
  });

  test(`B51 ${name}: on a terminal "exit 0" ends a shell with 0, and Ctrl-C a loop with 130 ("TTY handling")`, {
    skip: needs.skip || needsTerminal.skip,
  }, async (t) => {
    const shell = await terminalIn(form, t, ['sh', '-i']);
    shell.type('\n');
    shell.type('exit 0\n');
    t.equal(await shell.code(), 0);
    const loop = await terminalIn(form, t, ['sh', '-c', 'while true; do echo "#"; sleep 0.1; done']);
    await loop.shows('#\n#');
    loop.type(ctrlC);
    t.equal(await loop.code(), 130);
  });
}

for (const form of [plain, asInit]) {
  const { form: name, needs } = form;

  test(
    `B51 ${name}: words after -- are a command, whatever they look like (run_build.sh, smoke tests)`,
    needs,
    async (t) => {
      t.match(await outcomeIn(form, t, ['true']), { code: 0, stdout: '', stderr: '' });
      t.match(await outcomeIn(form, t, ['false']), { code: 1, stdout: '', stderr: '' });
      t.equal((await outcomeIn(form, t, ['--', 'true'])).code, 127, 'tini -- -- true fails, too');
      const directory = t.testdir({ '-h': t.fixture('symlink', '/bin/true') });
      t.equal(
        (await outcomeIn(form, t, ['-h'], { env: { PATH: `${directory}:${process.env['PATH']}` } })).code,
        0,
        'a program that is named -h',
      );
    },
  );

  test(
    `B51 ${name}: signals that tandem was started to ignore or block are as ever for the command (sigconf: deviates)`,
    needs,
    async (t) => {
      const setUp = `
import os, signal, sys
for name in ("TTOU", "SEGV", "INT"): signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTIN, signal.SIGILL, signal.SIGTERM])
os.execvp(sys.argv[1], sys.argv[1:])`;
      const wrapper = ['python3', '-c', setUp];
      const running = runTandem(t, ['--', 'sleep', '1000'], { asInit: form.isInit, held: form.isInit, wrapper });
      const command = await until('the command runs', async () =>
        childrenOf(await running.pid()).find((pid) => programOf(pid) === 'sleep'),
      );
      t.match(signalsOf(command, 'SigIgn'), /^0+$/);
      t.match(signalsOf(command, 'SigBlk'), /^0+$/);
      await running.signal('SIGTERM');
      t.equal((await running.exited).code, 143);
    },
  );
}

test('B51 plain: a parent-death signal that was set for tandem reaches the command ("parent death signal")', async (t) => {
  const { env } = makeMarked(t);
  const command = ['sh', '-c', 'trap "echo parent is gone; exit 0" USR1; echo ready; while :; do sleep 0.02; done'];
  const wrapper = ['sh', '-c', 'setpriv --pdeathsig USR1 "$@" & wait', 'sh'];
  const running = runTandem(t, ['--', ...command], { env, wrapper });
  await until('the command runs', () => running.stdout.includes('ready'));
  running.child.kill('SIGKILL');
  await running.exited;
  t.equal(running.stdout, 'ready\nparent is gone\n');
});

test('B59 plain: a command and its group die with a tandem that is killed (-p KILL for the command)', async (t) => {
  const { env, survivors } = makeMarked(t);
  const command = 'trap "echo woken" USR1; sleep 1000 & while :; do sleep 0.02; done';
  const running = runTandem(t, ['--', 'sh', '-c', command], { env });
  const tandem = await running.pid();
  await until('the guardian stands', () => childrenOf(tandem).some((pid) => programOf(pid) === 'guard'));
  // It stands and has been told of the group: both are done in the turn before the one that forwards a signal.
  await until('a signal was forwarded', async () => {
    await running.signal('SIGUSR1');
    return running.stdout.includes('woken');
  });
  await running.signal('SIGKILL');
  await until('all are gone', () => survivors().length === 0);
  t.pass('nothing is left');
});

test('options of tini are refused: 64, the usage, and nothing is started (-e, -g, -p, -s, -v, -w: deviate)', async (t) => {
  for (const option of ['-e', '-g', '-p', '-s', '-v', '-w']) {
    const running = runTandem(t, [option, '--', 'sh', '-c', 'echo started']);
    t.equal((await running.exited).code, 64, option);
    t.equal(running.stdout, '');
    t.match(running.stderr, /^tandem: unknown flag [^\n]*\nusage: tandem /);
  }
});
