/** `tandem -- CMD` on a real terminal: under a shell that owns it, and as PID 1 that leads its session. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import tap, { type Test, test } from 'tap';
import { compile, numberOf, unlessThereIs } from '../fixtures/e2e-cmd-run.ts';
import { onTerminal, type Terminal, type TerminalOptions } from '../fixtures/e2e-cmd-terminal.ts';
import { forms, makeDirectory, processesOf } from '../fixtures/e2e-run-pair.ts';
import { until } from '../support/until.ts';

tap.setTimeout(120_000);

const ctrlC = '\x03';
const ctrlZ = '\x1a';
const ctrlBackslash = '\x1c';

const needsPython = unlessThereIs('python3');
const needsPythonAndCompiler = { skip: needsPython.skip || unlessThereIs('cc').skip };

/** Shows `up 2`, which is not what was typed, and stays. */
const sleeper = `sh -c 'echo up $((1+1)); exec sleep 1000'\n`;

/** Shows `awake 7`, and `woken 7` once it is continued. */
const wakeable = `sh -c 'trap "echo woken $((3+4))" CONT; echo awake $((3+4)); while :; do sleep 0.05; done'\n`;

for (const { form, asInit } of forms) {
  test(`B51 ${form}: an interactive bash has job control`, needsPython, async (t) => {
    const terminal = onTerminal(t, ['bash', '--norc', '--noprofile', '-i'], { asInit });
    terminal.type('echo parent $PPID\n');
    if (asInit) await terminal.shows('parent 1\n');

    terminal.type(sleeper);
    await terminal.shows('up 2');
    terminal.type(ctrlC);
    terminal.type('echo "code $?"\n');
    await terminal.shows('code 130\n');

    terminal.type(wakeable);
    await terminal.shows('awake 7');
    terminal.type(ctrlZ);
    await terminal.shows('Stopped');
    terminal.type('jobs %1 >/dev/null && echo "job $((40+2))"\n');
    await terminal.shows('job 42');
    terminal.type('fg\n');
    await terminal.shows('woken 7');
    terminal.type(ctrlC);
    terminal.type('echo "after $?"\n');
    await terminal.shows('after 130\n');

    terminal.resize(44, 133);
    terminal.type('stty size\n');
    await terminal.shows('44 133');
    t.notMatch(terminal.screen, /no job control|cannot set terminal process group/);
    terminal.type('exit 9\n');
    t.equal(await codeOf(terminal, asInit), 9);
  });

  test(`B51 ${form}: an interactive sh has job control`, needsPython, async (t) => {
    const terminal = onTerminal(t, ['sh', '-i'], { asInit });
    terminal.type(sleeper);
    await terminal.shows('up 2');
    terminal.type(ctrlC);
    terminal.type('exit $(($? - 100))\n');
    t.equal(await codeOf(terminal, asInit), 30);
    t.notMatch(terminal.screen, 'job control');
  });

  test(`B51 ${form}: Ctrl-C ends the command with 130, and not the shell around it`, needsPython, async (t) => {
    const terminal = onTerminal(t, ['sh', '-c', 'echo ready; exec sleep 1000'], { asInit });
    await terminal.shows('ready');
    terminal.type(ctrlC);
    t.equal(await codeOf(terminal, asInit), 130);
  });

  test(`B51 ${form}: keys and a new size are signals to the command, once each`, needsPythonAndCompiler, async (t) => {
    const terminal = onTerminal(t, [compile(t, 'e2e-cmd-catcher')], { asInit });
    await terminal.shows('ready');
    const cells = [
      [() => terminal.type(ctrlC), 'SIGINT'],
      [() => terminal.type(ctrlBackslash), 'SIGQUIT'],
      [() => terminal.type(ctrlZ), 'SIGTSTP'],
      [() => terminal.resize(50, 100), 'SIGWINCH'],
      [() => terminal.type(ctrlC), 'SIGINT'],
      [() => terminal.resize(51, 101), 'SIGWINCH'],
    ] as const;
    const numbers = () => [...terminal.screen.matchAll(/(\d+)\n/g)].slice(1).map(([, number]) => Number(number));
    for (const [at, [act]] of cells.entries()) {
      act();
      await until(`signal ${at}`, () => numbers().length > at);
    }
    t.same(
      numbers(),
      cells.map(([, name]) => numberOf(name)),
    );
  });

  test(`B51 ${form}: a command that hangs up with its terminal takes everything with it`, needsPython, async (t) => {
    const program = 'echo ready; exec sleep 1000';
    for (const command of [
      ['sh', '-c', program],
      ['bash', '--norc', '--noprofile', '-ic', `sh -c '${program}'; exit`],
    ]) {
      const { directory, terminal } = onMarkedTerminal(t, command, { asInit });
      await terminal.shows('ready');
      terminal.hangUp();
      t.equal(await terminal.exited, 129);
      await until('nothing is left', () => processesOf(directory).length === 0);
    }
  });

  for (const [parts, env] of [
    ['with its native parts', {}],
    ['without native parts', { TANDEM_NATIVE_DIR: '/var/empty/tandem' }],
  ] as const) {
    test(
      `B51 ${form}, ${parts}: without its terminal tandem still ends with the command's code`,
      needsPython,
      async (t) => {
        // The shell survives the hangup, so nobody but it is told: the command sees the end of its input.
        const shell = 'trap : HUP; "$@"; echo $? > "$E2E_DIR/code.draft"; mv "$E2E_DIR/code.draft" "$E2E_DIR/code"';
        const command = ['sh', '-c', 'trap : HUP; echo ready; cat > /dev/null; cat > /dev/null; exit 6'];
        const { directory, terminal } = onMarkedTerminal(t, command, { asInit, shell, env });
        await terminal.shows('ready');
        terminal.hangUp();
        if (asInit) {
          t.equal(await terminal.exited, 6);
          return;
        }
        const path = join(directory, 'code');
        await until('the shell has noted the code', () => existsSync(path));
        t.equal(readFileSync(path, 'utf8'), '6\n');
      },
    );
  }
}

for (const [how, command, code] of [
  ['ends by itself', ['true'], 0],
  ['is killed', ['sh', '-c', 'kill -9 $$'], 137],
  ['cannot be started', ['no-such-command'], 127],
  ['leaves a process behind', ['sh', '-c', 'sleep 1000 & exit 3'], 3],
] as const) {
  test(`B51 plain: the terminal is the shell's again when the command ${how}`, needsPython, async (t) => {
    const terminal = onTerminal(t, command, { asInit: false });
    t.equal(await codeOf(terminal, false), code);
  });
}

test('B51 plain: in the background of a shell tandem takes no terminal', needsPython, async (t) => {
  const shell = 'set -m; "$@" & read line; echo "the shell read <$line>"; kill %1; wait $!; echo "tandem gave $?"';
  const terminal = onTerminal(t, ['sh', '-c', 'echo ready; exec sleep 1000'], { asInit: false, shell });
  await terminal.shows('ready');
  terminal.type('hello\n');
  await terminal.shows('the shell read <hello>');
  await terminal.shows('tandem gave 143');
  t.equal(await terminal.exited, 0);
});

/** The code with which tandem ended; under a shell, that must have its terminal back. */
async function codeOf(terminal: Terminal, asInit: boolean): Promise<number> {
  if (asInit) return terminal.exited;
  await terminal.shows('tandem gave ');
  terminal.type('hello\n');
  await terminal.exited;
  const [, code] = /tandem gave (\d+)\n(?:hello\n)?the shell read <hello>/.exec(terminal.screen) ?? [];
  if (code === undefined) throw new Error(`the shell could not read:\n${terminal.screen}`);
  return Number(code);
}

/** With processes that can be found wherever they go. */
function onMarkedTerminal(t: Test, command: readonly string[], options: TerminalOptions) {
  const directory = makeDirectory(t);
  t.teardown(() => {
    for (const pid of processesOf(directory)) process.kill(pid, 'SIGKILL');
  });
  return { directory, terminal: onTerminal(t, command, { ...options, env: { ...options.env, E2E_DIR: directory } }) };
}
