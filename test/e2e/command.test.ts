/** `tandem -- CMD`: what tini and dumb-init do, done by the shipped form, by itself and as PID 1. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, realpathSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import tap, { type Test, test } from 'tap';
import {
  childrenOf,
  compile,
  descriptorsOf,
  forEach,
  handles,
  isNonBlocking,
  listeningPorts,
  numberOf,
  outcomeOf,
  unlessThereIs,
  untilReady,
} from '../fixtures/e2e-cmd-run.ts';
import { forms, makeDirectory, processesOf } from '../fixtures/e2e-run-pair.ts';
import { node, program, type Running, type RunOptions, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const everyCode = Array.from({ length: 256 }, (_, code) => code);

/** All but those that nobody can catch, and SIGCHLD, which is tandem's own. Node knows no real-time signals. */
const forwarded = (
  'SIGHUP SIGINT SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGTERM SIGSTKFLT SIGCONT SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU ' +
  'SIGXFSZ SIGVTALRM SIGWINCH SIGIO SIGPWR SIGPIPE SIGPROF SIGSEGV SIGBUS SIGFPE SIGILL SIGABRT SIGTRAP SIGSYS'
).split(' ') as NodeJS.Signals[];
const keptByTandem = ['SIGCHLD'] as const satisfies NodeJS.Signals[];
const fatal = ['SIGKILL', 'SIGSTOP'] as const satisfies NodeJS.Signals[];

/** Moments after the start at which a signal finds Node, or tandem, half awake. */
const earlyMoments = [0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 80, 100];

/** Notes what a program loads and which signals it handles, in order. */
const spySource = `
  const { writeSync } = require('node:fs');
  const Module = require('node:module');
  const { _load: load } = Module;
  Module._load = (request, ...rest) => {
    writeSync(2, 'load ' + request + '\\n');
    return load(request, ...rest);
  };
  const { on } = process;
  process.on = (name, ...rest) => {
    if (/^SIG/.test(name)) writeSync(2, 'handle ' + name + '\\n');
    return on.call(process, name, ...rest);
  };
`;

/** Leaves a process in a session of its own that holds stdout, and ends once that runs. */
const daemonScript = `
  setsid sh -c 'trap "" HUP TERM; echo daemon; : > up; exec sleep 1000' &
  until [ -e up ]; do sleep 0.01; done
  exit 4`;

tap.setTimeout(240_000);

test('B51 TANDEM_NOFILE is the limit of the command; one that is no number counts as not set', async (t) => {
  const limit = ['sh', '-c', 'ulimit -Sn'];
  t.equal((await outcomeOf(t, limit, { env: { TANDEM_NOFILE: '123' } })).stdout, '123\n');
  const unset = await outcomeOf(t, limit);
  t.match(await outcomeOf(t, limit, { env: { TANDEM_NOFILE: 'many' } }), { code: 0, stdout: unset.stdout, stderr: '' });
});

test('the three lists of signals hold every signal that Node knows', async (t) => {
  const known = new Set(Object.values(constants.signals));
  t.same(new Set([...forwarded, ...keptByTandem, ...fatal].map(numberOf)), known);
});

for (const { form, asInit } of forms) {
  test(`B51 ${form}: every exit code from 0 to 255 is handed on`, { timeout: 120_000 }, async (t) => {
    const codes: number[] = [];
    await forEach(everyCode, async (code) => {
      codes[code] = (await outcomeOf(t, ['sh', '-c', `exit ${code}`], { asInit })).code;
    });
    t.same(codes, everyCode);
  });

  test(`B51 ${form}: a command that a signal ends gives 128 and the number of the signal`, async (t) => {
    const harmless = new Set(['SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU']);
    const deadly = [...forwarded, ...keptByTandem, ...fatal].filter((name) => !harmless.has(name));
    const codes: Record<string, number> = {};
    await forEach(deadly, async (name) => {
      const { code } = await outcomeOf(t, ['sh', '-c', `ulimit -c 0; kill -${numberOf(name)} $$`], { asInit });
      codes[name] = code;
    });
    t.same(codes, Object.fromEntries(deadly.map((name) => [name, 128 + numberOf(name)])));
  });

  test(`B51 ${form}: a command that cannot be run is 127 or 126, and one line says why`, async (t) => {
    const directory = t.testdir({ plain: 'text', orphan: '#!/no/such/interpreter\n' });
    chmodSync(join(directory, 'orphan'), 0o755);
    const cells = [
      ['no-such-command', 127, 'not found in PATH'],
      ['/no/such/command', 127, 'not found'],
      [join(directory, 'orphan'), 127, 'its interpreter is not found'],
      [directory, 126, 'is a directory'],
      [join(directory, 'plain'), 126, 'is not executable'],
    ] as const;
    for (const [command, code, why] of cells) {
      const outcome = await outcomeOf(t, [command], { asInit });
      t.match(outcome, { code, stdout: '' }, why);
      t.match(outcome.stderr, /^tandem: cannot start [^\n]+\n$/);
      t.ok(outcome.stderr.includes(why), outcome.stderr);
    }
  });

  test(`B51 ${form}: every signal is forwarded, every time, once`, unlessThereIs('cc'), async (t) => {
    const running = await startCatcher(t, { asInit });
    const once = forwarded.map((name) => String(numberOf(name))).sort();

    for (const name of keptByTandem) await running.signal(name);
    // SIGCONT and the stop signals cancel each other while they are pending, whoever forwards them.
    await running.signal('SIGCONT');
    await until('CONT has arrived', () => received(running).length === 1);
    for (const name of forwarded) if (name !== 'SIGCONT') await running.signal(name);
    await until(`all have arrived: ${received(running)}`, () => received(running).length >= once.length);
    t.same(received(running).sort(), once, 'in a row');

    for (const name of forwarded) {
      const before = received(running).length;
      await running.signal(name);
      await until(`${name} has arrived again`, () => received(running).length > before);
    }
    t.same(received(running).sort(), [...once, ...once].sort(), 'one by one');
    t.equal(running.child.exitCode, null, 'and none of them is for tandem');
  });

  test(
    `B51 ${form}: a fault of tandem's own still ends it, and is no signal to the command`,
    unlessThereIs('cc'),
    async (t) => {
      const library = compile(t, 'e2e-cmd-fault', ['-shared', '-fPIC']);
      const faulty = (fault: string, trigger: string): RunOptions => {
        return { asInit, env: { LD_PRELOAD: library, E2E_FAULT: fault, E2E_TRIGGER: trigger } };
      };
      // ABRT does not end a PID 1: abort() then runs an instruction that does.
      for (const [fault, code] of [
        ['SEGV', 139],
        ['ILL', 132],
        ['TRAP', 133],
        ['ABRT', asInit ? 139 : 134],
      ] as const) {
        const trigger = join(makeDirectory(t), 'trigger');
        const running = runTandem(
          t,
          ['--', 'sh', '-c', 'ulimit -c 0; echo "ready $$"; exec sleep 1000'],
          faulty(fault, trigger),
        );
        await untilReady(running);
        writeFileSync(trigger, '');
        t.equal((await running.exited).code, code, fault);
      }
      const trigger = join(makeDirectory(t), 'trigger');
      const running = runTandem(t, ['--', compile(t, 'e2e-cmd-catcher')], faulty('PIPE', trigger));
      await untilReady(running);
      writeFileSync(trigger, '');
      await until('tandem has written into a pipe without a reader', () => !existsSync(trigger));
      await running.signal('SIGUSR1');
      await until('a signal has arrived', () => received(running).length > 0);
      t.same(received(running), [String(numberOf('SIGUSR1'))]);
    },
  );

  test(`B51 ${form}: there is no budget and no second TERM that kills`, async (t) => {
    const script = `
      trap 'count=$((count+1)); echo "TERM $count"' TERM
      echo "ready $$"
      until [ "$count" = 3 ]; do sleep 0.05; done
      trap '' TERM INT; echo deaf
      sleep 0.6; exit 5`;
    const running = runTandem(t, ['--', 'sh', '-c', script], { asInit, env: { TANDEM_STOP_TIMEOUT: '100ms' } });
    await untilReady(running);
    for (const turn of [1, 2, 3]) {
      await running.signal('SIGTERM');
      await until(`TERM ${turn}`, () => running.stdout.includes(`TERM ${turn}\n`));
    }
    await until('it is deaf', () => running.stdout.includes('deaf'));
    for (const name of ['SIGTERM', 'SIGINT', 'SIGTERM', 'SIGINT'] as const) await running.signal(name);
    t.equal((await running.exited).code, 5);
    t.equal(running.stderr, '');
  });

  test(`B51 ${form}: a TERM is forwarded as soon as tandem has a handler for it, be the command there or not`, async (t) => {
    for (const turn of [1, 2, 3, 4, 5]) {
      const running = runTandem(t, ['--', 'sleep', '20'], { asInit });
      const pid = await running.pid();
      // Node itself handles TERM from the beginning, but not USR2.
      await until('tandem handles signals', () => handles(pid, 'SIGUSR2'), { everyMs: 1 });
      await running.signal('SIGTERM');
      t.equal((await running.exited).code, 143, `turn ${turn}`);
    }
  });

  test(`B51 ${form}: a USR1 in Node's own start opens the inspector, and tandem closes it`, async (t) => {
    // On a busy machine a signal may come too late; one that has opened the inspector is enough.
    let wasOpen = false;
    for (let turn = 0; turn < 20 && !wasOpen; turn++) {
      const running = startWithInspector(t, { asInit });
      const pid = await running.pid();
      await until('Node handles USR1', () => handles(pid, 'SIGUSR1'), { everyMs: 1 });
      await running.signal('SIGUSR1');
      await untilReady(running);
      await until('no port is open', () => listeningPorts(pid).length === 0);
      wasOpen = running.stderr.includes('Debugger listening');
      running.child.kill('SIGKILL');
    }
    t.ok(wasOpen, 'it was open, and is closed');
  });

  test(`B51 ${form}: a USR1 at any moment of the first 100 ms leaves no inspector open`, async (t) => {
    for (const momentMs of earlyMoments) {
      const running = startWithInspector(t, { asInit });
      const pid = await running.pid();
      await new Promise((resolve) => setTimeout(resolve, momentMs));
      await running.signal('SIGUSR1');
      const isOver = () => running.child.exitCode !== null || running.child.signalCode !== null;
      await until('it is ready or over', () => isOver() || running.stdout.includes('ready'));
      await until('no port is open', () => listeningPorts(pid).length === 0);
      // Before Node handles it at all it is deadly to any process but PID 1; once it is forwarded, to a shell that has no trap yet.
      if (isOver()) t.equal((await running.exited).code, 138, `after ${momentMs} ms`);
      else t.pass(`after ${momentMs} ms`);
      running.child.kill('SIGKILL');
    }
  });

  test(`B51 ${form}: stdin is the command's, and output is not touched`, async (t) => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256));
    const running = runTandem(t, ['--', 'sh', '-c', 'cat; echo error >&2'], { asInit, stdio: 'pipe' });
    const chunks: Buffer[] = [];
    running.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    running.child.stdin?.end(bytes);
    t.equal((await running.exited).code, 0);
    t.ok(Buffer.concat(chunks).equals(bytes));
    t.equal(running.stderr, 'error\n');
  });

  test(`B51 ${form}: the command's descriptors stay blocking, and none is tandem's`, async (t) => {
    const running = runTandem(t, ['--', 'sh', '-c', 'echo "ready $$"; read line'], { asInit, stdio: 'pipe' });
    await untilReady(running);
    const pid = await until('the command is there', async () => childrenOf(await running.pid())[0]);
    // Asked from outside, and for a while: what makes them non-blocking may do so only after a moment.
    for (let look = 0; look < 10; look++) {
      t.same(descriptorsOf(pid).sort(), [0, 1, 2]);
      t.same(
        [0, 1, 2].filter((descriptor) => isNonBlocking(pid, descriptor)),
        [],
      );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    running.child.stdin?.end('\n');
    t.equal((await running.exited).code, 0);
  });

  test(`B51 ${form}: the words of the command are its own, whatever they look like`, async (t) => {
    const words = ['--help', '-h', '--preset', 'x', '--', '', ' a  b ', 'two\nlines\n', '$HOME', '"\'\\', 'é ☃ 🚲', ''];
    const { code, stdout } = await outcomeOf(t, ['printf', '%s\\0', ...words], { asInit });
    t.equal(code, 0);
    t.same(stdout.split('\0').slice(0, -1), words);
  });

  test(`B51 ${form}: environment and directory are not touched`, async (t) => {
    const cwd = realpathSync(t.testdir({}));
    const env = { PATH: process.env['PATH'] ?? '', A: '1', EMPTY: '', LINES_OF: 'a\nb\n', TANDEM_X: 'é', PORT: '1' };
    const { stdout } = await outcomeOf(t, ['sh', '-c', 'pwd -P; exec env -0'], { asInit, cwd, env });
    const [directory, ...rest] = stdout.split('\n');
    t.equal(directory, cwd);
    const entries = rest.join('\n').split('\0').slice(0, -1);
    const ofTheShell = /^(PWD|OLDPWD|SHLVL|_)=/;
    t.same(
      entries.filter((entry) => !ofTheShell.test(entry)).sort(),
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}`)
        .sort(),
    );
  });

  test(`B51 ${form}: what the command leaves behind in its group ends with it`, async (t) => {
    const { directory, options } = makeMarked(t, asInit);
    const script = 'trap "" TERM HUP INT; sleep 1000 & (sleep 1000 &) ; exit 3';
    const running = runTandem(t, ['--', 'sh', '-c', script], options);
    t.equal((await running.exited).code, 3);
    t.same(processesOf(directory), []);
  });

  test(`B51 ${form}: a group whose leader was killed ends with it`, async (t) => {
    const { directory, options } = makeMarked(t, asInit);
    const running = runTandem(t, ['--', 'sh', '-c', 'sleep 1000 & sleep 1000 & kill -9 $$'], options);
    t.equal((await running.exited).code, 137);
    t.same(processesOf(directory), []);
  });
}

test('B51 as PID 1: a daemon in a session of its own ends with the container', async (t) => {
  const { directory, options } = makeMarked(t, true);
  const running = runTandem(t, ['--', 'sh', '-c', daemonScript], options);
  t.equal((await running.exited).code, 4);
  t.match(running.stdout, 'daemon\n', 'it was there');
  t.same(processesOf(directory), []);
});

test('B51 plain: a daemon in a session of its own is left to init, and its hold on stdout delays nothing', async (t) => {
  const { directory, options } = makeMarked(t, false);
  const { child } = runTandem(t, ['--', 'sh', '-c', daemonScript], options);
  await until('tandem has ended', () => child.exitCode !== null);
  t.equal(child.exitCode, 4);
  t.equal(processesOf(directory).length, 1, 'the daemon');
});

test('B50 the signal handlers stand before anything costly is loaded', async (t) => {
  const spy = join(t.testdir({ 'spy.cjs': spySource }), 'spy.cjs');
  const { stderr } = await outcomeOf(t, ['true'], { env: { NODE_OPTIONS: `--require ${spy}` } });
  const events = stderr.trim().split('\n');
  t.equal(events[0], `load ${program}`);
  const before = new Set(events.slice(1, events.indexOf('handle SIGTERM')));
  t.same(before, new Set(['load node:fs', 'load node:path', 'load node:vm', 'load node:os']));
});

// env -i keeps tap's preload out of tandem: that would look for the directory itself.
test('B51 a command runs where tandem is, even if that directory is gone', async (t) => {
  const script = 'mkdir gone && cd gone && rmdir ../gone && exec env -i PATH="$PATH" "$0" "$1" -- sh -c "exit 7"';
  const { status, stderr } = spawnSync('sh', ['-c', script, node, program], { cwd: t.testdir({}), encoding: 'utf8' });
  t.equal(status, 7, stderr);
});

test('B51 nothing after -- is a wrong command line: 64 and the usage', async (t) => {
  for (const words of [['--'], ['--', '']]) {
    const running = runTandem(t, words);
    t.equal((await running.exited).code, 64);
    t.equal(running.stdout, '');
    t.match(running.stderr, /^usage: tandem -- CMD/m);
  }
});

test('B59 plain: a tandem that is killed takes its command with it', async (t) => {
  const { directory, options } = makeMarked(t, false);
  const running = runTandem(t, ['--', 'sh', '-c', 'echo "ready $$"; exec sleep 1000'], options);
  await untilReady(running);
  running.child.kill('SIGKILL');
  await until('nothing is left', () => processesOf(directory).length === 0);
  t.pass('it is gone');
});

async function startCatcher(t: Test, options: RunOptions): Promise<Running> {
  const running = runTandem(t, ['--', compile(t, 'e2e-cmd-catcher')], options);
  await untilReady(running);
  return running;
}

/** The numbers of the signals that the catcher has printed. */
function received({ stdout }: Running): string[] {
  return stdout.split('\n').slice(1, -1);
}

/** On a port of its own, if it is opened: the usual one may be somebody else's. */
function startWithInspector(t: Test, options: RunOptions): Running {
  const script = 'trap : USR1; echo "ready $$"; while :; do sleep 0.1; done';
  return runTandem(t, ['--', 'sh', '-c', script], { ...options, env: { NODE_OPTIONS: '--inspect-port=0' } });
}

/** By its environment every process of the run is found, wherever it has gone; what is left is killed in the end. */
function makeMarked(t: Test, asInit: boolean): { directory: string; options: RunOptions } {
  const directory = makeDirectory(t);
  t.teardown(() => {
    for (const pid of processesOf(directory)) process.kill(pid, 'SIGKILL');
  });
  return { directory, options: { asInit, cwd: directory, env: { E2E_DIR: directory } } };
}
