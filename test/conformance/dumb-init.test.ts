/**
 * Yelp/dumb-init: what its tests promise, held by `tandem -- CMD`. Each title ends with the file there. What is not held, and
 * why, is in docs/conformance.md.
 */
import { realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import tap, { type Test, test } from 'tap';
import { childrenOf, compile, forEach, numberOf, unlessThereIs } from '../fixtures/e2e-cmd-run.ts';
import { runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';
import { cwdOf, makeGate, makeMarked, programOf, stateOf } from './support/processes.ts';
import {
  everyForm,
  type Form,
  inContainer,
  outcomeIn,
  type Subject,
  tandemImage,
  untilCommandIsAlone,
} from './support/subject.ts';
import { ctrlD, needsTerminal, terminalIn } from './support/terminal.ts';

/** 1 to 31 but for those that nobody can forward: KILL and STOP cannot be caught, CHLD is every parent's own. */
const everySignal = Object.entries(constants.signals)
  .filter(([name, number]) => number <= 31 && !['SIGKILL', 'SIGSTOP', 'SIGCHLD'].includes(name))
  .filter(([, number], at, all) => all.findIndex(([, other]) => other === number) === at) // some have two names
  .map(([name]) => name as NodeJS.Signals);

const suspending = ['SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const;

const needsCompiler = unlessThereIs('cc');

tap.setTimeout(300_000);

tap.before(async () => {
  if (!inContainer.needs.skip) await tandemImage();
});

test('every signal is in the list', async (t) => {
  t.equal(everySignal.length, 31 - 3);
});

for (const form of everyForm) {
  const { form: name, needs } = form;

  test(`B51 ${name}: each signal of 1 to 31 but KILL, STOP, CHLD arrives, once (proxies_signals_test.py)`, {
    skip: needs.skip || needsCompiler.skip,
  }, async (t) => {
    const subject = await startCatcher(t, form);
    for (const [at, signal] of everySignal.entries()) {
      await subject.signal(signal);
      await until(`${signal} has arrived`, () => received(subject).length > at);
    }
    t.same(received(subject), everySignal.map(numberOf), 'and tandem itself lives');
  });

  test(`B51 ${name}: signals arrive in the order in which they were sent (proxies_signals_test.py)`, {
    skip: needs.skip || needsCompiler.skip,
  }, async (t) => {
    const subject = await startCatcher(t, form);
    const sequence = ['SIGTERM', 'SIGQUIT', 'SIGCONT', 'SIGINT'] as const;
    for (const [at, signal] of sequence.entries()) {
      await subject.signal(signal);
      await until(`${signal} has arrived`, () => received(subject).length > at);
    }
    t.same(received(subject), sequence.map(numberOf));
  });

  for (const signal of suspending) {
    test(
      `B51 ${name}: ${signal} stops the command and its group, CONT resumes them (shell_background_test.py)`,
      needs,
      async (t) => {
        const gate = makeGate(t);
        // Orphans come and go meanwhile: a supervisor that stopped, too, would leave them.
        const script = `sleep 1000 & (setsid sh -c "read line < gate; sleep 0 & exec sleep 0.2" &); echo ready; wait`;
        const subject = await form.start(t, ['sh', '-c', script], { cwd: gate.directory });
        await subject.says('ready');
        const [tandem, leader] = [await subject.pid(), await subject.command()];
        const member = await until('the group has a member', () =>
          childrenOf(leader).find((pid) => programOf(pid) === 'sleep'),
        );
        await subject.signal(signal);
        await until('both are stopped', () => stateOf(leader) === 'T' && stateOf(member) === 'T');
        t.not(stateOf(tandem), 'T', 'tandem is not');
        await gate.openUntil(untilCommandIsAlone(subject));
        t.same([leader, member].map(stateOf), ['T', 'T'], 'and they stay so');

        await subject.signal('SIGCONT');
        await until('both go on', () => stateOf(leader) === 'S' && stateOf(member) === 'S');
        await subject.signal('SIGTERM');
        t.equal(await subject.ended(), 143);
      },
    );
  }

  test(
    `B51 ${name}: a pipeline in the background ends with TERM (child_processes_test.py, setsid)`,
    needs,
    async (t) => {
      const { env, survivors } = makeMarked(t);
      const pipeline = "yes 'oh, hi' | tail & yes error | tail >&2";
      const subject = await form.start(t, ['sh', '-c', pipeline], { env });
      const programs = () =>
        survivors()
          .map(programOf)
          .filter((program) => /^(yes|tail)$/.test(program));
      await until('all four run', () => programs().length === 4);
      await subject.signal('SIGTERM');
      await subject.ended();
      t.same(survivors(), []);
    },
  );

  test(`B51 ${name}: what the command leaves behind ends with it (child_processes_test.py)`, needs, async (t) => {
    const { env, survivors } = makeMarked(t);
    const deaf = (word: string) => `sh -c 'trap : TERM HUP INT; echo ${word}; while :; do sleep 0.05; done' &`;
    const daemon = form.isInit ? `setsid ${deaf('daemon')}` : ''; // elsewhere a daemon is left to init
    const script = `${deaf('deaf')} ${daemon} read line; exit 3`;
    const subject = await form.start(t, ['sh', '-c', script], { env, input: true });
    await subject.says('deaf');
    if (form.isInit) await subject.says('daemon');
    subject.endInput('\n');
    t.equal(await subject.ended(), 3);
    t.same(survivors(), [], 'a session of its own saves nobody from PID 1');
  });

  test(`B51 ${name}: the command is where tandem was started, tandem itself in / (cwd_test.py)`, needs, async (t) => {
    const { directory } = makeGate(t);
    const subject = await form.start(t, ['sh', '-c', 'pwd -P; exec sleep 1000'], { cwd: directory });
    await subject.says(`${realpathSync(directory)}\n`);
    const tandem = await subject.pid();
    await until('tandem is in /', () => cwdOf(tandem) === '/');
    t.equal(cwdOf(await subject.command()), realpathSync(directory));
  });

  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL'] as const) {
    test(`B51 ${name}: a command that dies of ${signal} is 128+n (exit_status_test.py)`, needs, async (t) => {
      const script = `ulimit -c 0; kill -${numberOf(signal)} $$`;
      t.equal((await outcomeIn(form, t, ['sh', '-c', script])).code, 128 + numberOf(signal));
    });
  }

  test(`B51 ${name}: a failed exec ends it and says which and why (child_processes_test.py)`, needs, async (t) => {
    const { code, stderr } = await outcomeIn(form, t, ['/doesnotexist']);
    t.equal(code, 127);
    t.match(stderr, /\/doesnotexist.*not found/);
  });

  test(
    `B51 ${name}: a command that ignores a signal runs on, and so does tandem (print_signals.py)`,
    needs,
    async (t) => {
      const subject = await form.start(t, ['sh', '-c', 'trap "" TERM HUP QUIT INT; echo deaf; exec sleep 1000']);
      await subject.says('deaf');
      const [tandem, command] = [await subject.pid(), await subject.command()];
      for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGINT', 'SIGTERM'] as const) await subject.signal(signal);
      // It is on its way to the command when the next one is, which that does not ignore.
      await subject.signal('SIGUSR1');
      t.equal(await subject.ended(), 138);
      t.same([tandem, command].map(stateOf), ['', '']);
    },
  );

  test(`B50 ${name}: a zombie that was started in the background twice is reaped (test-zombies)`, needs, async (t) => {
    const script = `bash -c "bash -c 'echo i am a zombie' &" & wait; echo done; exec sleep 1000`;
    const subject = await form.start(t, ['bash', '-c', script]);
    await subject.says('done');
    await subject.says('i am a zombie');
    await untilCommandIsAlone(subject);
    t.pass('none is left');
  });

  const needsBoth = { skip: needs.skip || needsTerminal.skip };

  test(`B51 ${name}: a command can read and write its terminal (tty_test.py)`, needsBoth, async (t) => {
    const terminal = await terminalIn(form, t, ['sh', '-c', 'stty -echo; echo "up $((1+1))"; exec tac']);
    await terminal.shows('up 2');
    terminal.type('1\n2\n3\n');
    terminal.type(ctrlD);
    t.equal(await terminal.code(), 0);
    t.match(terminal.screen, '3\n2\n1\n');
  });

  test(
    `B51 ${name}: bash -m has job control, and nothing hangs up at its start (tty_test.py)`,
    needsBoth,
    async (t) => {
      const terminal = await terminalIn(form, t, ['bash', '--norc', '--noprofile', '-m']);
      terminal.type('trap "echo hung up $((3+4))" HUP\necho "flags are: [[$-]]"\nps() { :; }\nexit 0\n');
      t.equal(await terminal.code(), 0);
      t.match(terminal.screen, /flags are: \[\[\w*m\w*\]\]\n/);
      t.notMatch(terminal.screen, /hung up 7|no job control|cannot set terminal process group/);
    },
  );
}

test('B51 exit codes of its own list (exit_status_test.py)', async (t) => {
  const codes = [0, 1, 2, 32, 64, 127, 254, 255];
  await forEach(codes, async (code) => {
    t.equal((await outcomeIn(everyForm[1], t, ['sh', '-c', `exit ${code}`])).code, code);
  });
});

test('no arguments at all, options of dumb-init, --help, --version (cli_test.py: the words and the code 1 deviate)', async (t) => {
  for (const [words, code] of [
    [['--'], 64],
    [['--yolo', '/bin/true'], 64],
    [['-c', '--', 'true'], 64],
    [['--single-child', '--', 'true'], 64],
    [['-r', '15:2', '--', 'true'], 64],
    [['--rewrite', '15:2', '--', 'true'], 64],
    [['/bin/true'], 64],
    [['--help'], 0],
    [['--version'], 0],
  ] as const) {
    const running = runTandem(t, words);
    t.equal((await running.exited).code, code, words.join(' '));
    t.match(code === 0 ? running.stdout : running.stderr, code === 0 ? /^(tandem: runs|\d)/ : /^usage: tandem/m);
  }
});

async function startCatcher(t: Test, form: Form): Promise<Subject> {
  const catcher = compile(t, 'e2e-cmd-catcher');
  const subject = await form.start(t, [catcher], { cwd: dirname(catcher) });
  await subject.says('ready ');
  return subject;
}

/** The numbers of the signals that the catcher has printed. */
function received({ stdout }: Subject): number[] {
  return stdout.split('\n').slice(1, -1).map(Number);
}
