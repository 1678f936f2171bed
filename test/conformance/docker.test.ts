/**
 * Docker: what its documentation promises of a container, and `--init` of PID 1, held with tandem as the entry point on a real
 * engine. Each title ends with the command or the page. Terminals and exit codes are in the files of tini and dumb-init.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tap, { type Test, test } from 'tap';
import { Container, docker, needsEngine } from '../container/engine.ts';
import { childrenOf } from '../fixtures/e2e-cmd-run.ts';
import { openTerminal } from '../fixtures/e2e-cmd-terminal.ts';
import { until } from '../support/until.ts';
import { makeGate, makeMarked, makeShared, programOf, stateOf } from './support/processes.ts';
import { containerSubject, type Subject, tandemImage, untilCommandIsAlone } from './support/subject.ts';
import { ctrlC, engineEnvironment, needsTerminal } from './support/terminal.ts';

/** What a shell leaves behind that ends while they run: one in its group and one in a session of its own. */
const outliving = '(sleep 0.1 &); setsid sleep 0.1 &';

const tenChecks = '[ $(wc -l < checks) -ge 10 ]';

/** Says what it got; ends with 7 after TERM. */
const obedient =
  'for s in HUP INT USR1 USR2 WINCH; do trap "echo got $s" $s; done; trap "echo got TERM; exit 7" TERM; ' +
  'echo ready; while :; do sleep 0.02; done';

/** The image's own check, but all the time. */
const withHealth = ['--health-cmd=tandem health', '--health-interval=100ms', '--health-timeout=10s'];

/** A uid that nobody else has. */
const nobodyElse = '54321';

tap.setTimeout(300_000);

tap.before(async () => {
  if (!needsEngine.skip) await tandemImage();
});

test(
  'B50 under `tandem -- CMD` a HEALTHCHECK whose children outlive its shell leaves no zombies',
  needsEngine,
  async (t) => {
    const directory = makeShared(t);
    const check = `[ -e done ] && exit 0; echo checked >> checks; ${outliving} exit 0`;
    const { subject, container } = await start(
      t,
      ['--', 'sh', '-c', 'echo ready; exec sleep 1000'],
      [...mounted(directory), ...[`--health-cmd=${check}`, '--health-interval=50ms', '--health-timeout=10s']],
    );
    await subject.says('ready');
    const tandem = await subject.pid();
    await until('tandem has adopted some', () => childrenOf(tandem).length > 1);
    await until('ten checks were made', async () => (await container.exec(['sh', '-c', tenChecks])).code === 0, {
      withinMs: 30_000,
      everyMs: 50,
    });
    await container.healthy();
    await container.shell(': > done');
    await untilCommandIsAlone(subject);
    t.pass('none is left');
  },
);

test("B50 under `tandem run` a service's own health check leaves none either", needsEngine, async (t) => {
  const directory = makeShared(t);
  const check = `[ -e done ] && exit 0; echo checked >> checks; ${outliving} exit 0`;
  const stack = { services: { web: { command: 'sleep 1000', healthcheck: { test: check, interval: '50ms' } } } };
  writeFileSync(join(directory, 'tandem.yaml'), JSON.stringify(stack));
  const { subject, container } = await start(
    t,
    ['run', '--config=tandem.yaml'],
    [...mounted(directory), ...withHealth],
  );
  await until('ten checks were made', async () => (await container.exec(['sh', '-c', tenChecks])).code === 0, {
    withinMs: 30_000,
    everyMs: 50,
  });
  await container.healthy();
  await container.shell(': > done');
  const tandem = await subject.pid();
  await until('the service is the only child', () => childrenOf(tandem).map(programOf).join() === 'sleep');
  await container.stop();
  t.equal(await subject.ended(), 0);
});

test('B50 what `docker exec` leaves behind is reaped', needsEngine, async (t) => {
  const gate = makeGate(t);
  const command = ['sh', '-c', 'echo ready; exec sleep 1000'];
  const { subject, container } = await start(t, ['--', ...command], mounted(gate.directory));
  await subject.says('ready');
  const tandem = await subject.pid();
  const leave = 'for i in 1 2 3; do read line < gate & (read line < gate &); setsid sh -c "read line < gate" & done';
  t.equal((await container.exec(['sh', '-c', `${leave}; exit 4`])).code, 4);
  await until('tandem has adopted all nine', () => childrenOf(tandem).length === 10);
  await gate.openUntil(untilCommandIsAlone(subject));
});

test(
  'B51 `docker stop`: TERM reaches the command, whose code is the container’s; who is deaf is killed in time',
  needsEngine,
  async (t) => {
    const cells = [
      ['exec sleep 1000', 143],
      ['trap "exit 7" TERM; echo ready; while :; do sleep 0.02; done', 7],
      ['trap "" TERM; echo ready; while :; do sleep 0.02; done', 137],
    ] as const;
    for (const [script, code] of cells) {
      const { subject, container } = await start(t, ['--', 'sh', '-c', `echo up; ${script}`]);
      await subject.says(script.includes('ready') ? 'ready' : 'up');
      await docker(['stop', '--time=1', container.id]);
      t.equal(await subject.ended(), code, script);
    }
  },
);

test('B51 `docker kill --signal`: by name, with SIG and by number', needsEngine, async (t) => {
  const { subject, container } = await start(t, ['--', 'sh', '-c', obedient]);
  await subject.says('ready');
  for (const [signal, name] of [
    ['HUP', 'HUP'],
    ['SIGINT', 'INT'],
    ['10', 'USR1'],
    ['sigusr2', 'USR2'],
    ['WINCH', 'WINCH'],
  ] as const) {
    t.equal((await container.kill(signal)).code, 0);
    await subject.says(`got ${name}\n`);
  }
  await container.kill('TERM');
  t.equal(await subject.ended(), 7);
  t.equal(subject.stdout, 'ready\ngot HUP\ngot INT\ngot USR1\ngot USR2\ngot WINCH\ngot TERM\n');
});

test('B51 STOPSIGNAL: what `docker stop` sends is the command’s', needsEngine, async (t) => {
  const { subject, container } = await start(
    t,
    ['--', 'sh', '-c', `trap "exit 8" QUIT; ${obedient}`],
    ['--stop-signal=SIGQUIT'],
  );
  await subject.says('ready');
  await container.stop();
  t.equal(await subject.ended(), 8);
});

test(
  'B51 B59 under `docker run --init` tandem is not PID 1: signals, orphans and code are as ever',
  needsEngine,
  async (t) => {
    const gate = makeGate(t);
    const script = `(setsid sh -c "read line < gate" &); ${obedient}`;
    const { subject, container } = await start(t, ['--', 'sh', '-c', script], ['--init', ...mounted(gate.directory)]);
    await subject.says('ready');
    const init = await subject.pid();
    const [tandem = 0] = childrenOf(init);
    t.match(programOf(init), 'docker-init');
    const children = () =>
      childrenOf(tandem)
        .map((pid) => `${programOf(pid)} ${stateOf(pid)}`)
        .filter((name) => /^sh |Z$/.test(name));
    await until('tandem has adopted the orphan', () => children().length === 2);
    await gate.openUntil(until('the orphan is reaped', () => children().length === 1).then(() => {}));
    await container.kill('USR1');
    await subject.says('got USR1\n');
    await container.stop();
    t.equal(await subject.ended(), 7);
  },
);

test(
  'B51 `docker run --pid=host`: tandem is not PID 1 of anything and kills nobody’s processes but its own',
  needsEngine,
  async (t) => {
    // Of the same user: a kill of all that tandem may signal would reach it. Of no other, so that nothing else would suffer.
    const canary = spawn('setpriv', [
      `--reuid=${nobodyElse}`,
      `--regid=${nobodyElse}`,
      '--clear-groups',
      'sleep',
      '1000',
    ]);
    t.teardown(() => canary.kill('SIGKILL'));
    await once(canary, 'spawn');
    const { env, survivors } = makeMarked(t);
    const options = [
      '--pid=host',
      `--user=${nobodyElse}`,
      ...Object.entries(env).map((entry) => `--env=${entry.join('=')}`),
    ];
    const script = `sleep 1000 & setsid sleep 1000 & ${obedient}`;
    const { subject, container } = await start(t, ['--', 'sh', '-c', script], options);
    await subject.says('ready');
    await until('all run', () => survivors().length >= 4);
    await container.stop();
    t.equal(await subject.ended(), 7);
    await until('nothing of the container is left', () => survivors().length === 0);
    t.match(stateOf(canary.pid ?? 0), /^[SRD]$/, 'the canary lives');
  },
);

test('B51 `docker pause` and `unpause`: what was sent meanwhile arrives', needsEngine, async (t) => {
  const { subject, container } = await start(t, ['--', 'sh', '-c', obedient]);
  await subject.says('ready');
  const command = await subject.command();
  t.equal((await docker(['pause', container.id])).code, 0);
  await subject.signal('SIGUSR1');
  await subject.signal('SIGHUP');
  t.equal(subject.stdout, 'ready\n', 'nothing runs');
  t.equal((await docker(['unpause', container.id])).code, 0);
  await subject.says('got USR1\n');
  await subject.says('got HUP\n');
  t.equal(await subject.command(), command);
  await container.stop();
  t.equal(await subject.ended(), 7);
});

test(
  'B12 `docker pause` of `tandem run`: after it everything is healthy, and `docker stop` stops it with 0',
  needsEngine,
  async (t) => {
    const { container, subject } = await startStack(t);
    await container.healthy();
    await docker(['pause', container.id]);
    await docker(['unpause', container.id]);
    await container.healthy();
    await container.stop();
    t.equal(await subject.ended(), 0);
  },
);

test('B51 `docker restart` and `docker start`: another life, as clean as the first', needsEngine, async (t) => {
  const { subject, container } = await start(t, ['--', 'sh', '-c', obedient]);
  await subject.says('ready');
  t.equal((await docker(['restart', container.id])).code, 0);
  await until(
    'it is ready again',
    async () => (await docker(['logs', container.id])).stdout === 'ready\ngot TERM\nready\n',
  );
  await container.kill('KILL');
  t.equal(await container.ended(), 137);
  t.equal((await docker(['start', container.id])).code, 0);
  await until('it is ready once more', async () =>
    (await docker(['logs', container.id])).stdout.endsWith('ready\nready\n'),
  );
  await container.stop();
  t.equal(await container.ended(), 7);
});

test(
  'B12 B22 `docker kill` and `docker start` of `tandem run`: what the dead one left in the file system hinders nobody',
  needsEngine,
  async (t) => {
    const { container } = await startStack(t);
    await container.healthy();
    await container.kill('KILL');
    t.equal(await container.ended(), 137);
    t.equal((await docker(['start', container.id])).code, 0);
    await container.healthy();
    t.equal((await container.exec(['tandem', 'health'])).code, 0);
    await container.stop();
    t.equal(await container.ended(), 0);
  },
);

test(
  'B51 `docker run --restart=on-failure`: the code is a failure each time, and 0 ends it',
  needsEngine,
  async (t) => {
    const directory = makeShared(t);
    const script = 'echo life >> lives; [ $(wc -l < lives) = 3 ] || exit 9';
    const options = ['--restart=on-failure:5', ...mounted(directory)];
    const { container } = await start(t, ['--', 'sh', '-c', script], options);
    const state = async () =>
      (
        await docker(['inspect', '--format={{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}', container.id])
      ).stdout.trim();
    await until('it has ended for good', async () => (await state()) === '2 exited 0', {
      withinMs: 20_000,
      everyMs: 50,
    });
    t.pass('in its third life');
  },
);

test(
  'B16 B51 `--read-only --cap-drop=ALL --security-opt=no-new-privileges --user`: as ever',
  needsEngine,
  async (t) => {
    const options = [
      '--read-only',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      `--user=${nobodyElse}:${nobodyElse}`,
    ];
    const { subject, container } = await start(t, ['--', 'sh', '-c', `id -u; ${obedient}`], options);
    await subject.says('ready');
    await container.kill('USR1');
    await subject.says('got USR1\n');
    await container.exec(['sh', '-c', 'sleep 0.1 & exit 0']);
    await untilCommandIsAlone(subject);
    await container.stop();
    t.equal(await subject.ended(), 7);
    t.match(subject.stdout, new RegExp(`^${nobodyElse}\n`));
    t.equal(subject.stderr, '');
  },
);

test('B51 `docker attach`: keys reach the command, Ctrl-C is 130 (tini, run_outer_tests.py)', {
  skip: needsEngine.skip || needsTerminal.skip,
}, async (t) => {
  const script = 'while true; do echo "#"; sleep 0.05; done';
  const { container, subject } = await start(t, ['--', 'sh', '-c', script], ['--detach', '--interactive', '--tty']);
  await subject.ended();
  const terminal = openTerminal(t, ['docker', 'attach', container.id], engineEnvironment());
  await terminal.shows('#\n#');
  terminal.type(ctrlC);
  t.equal(await container.ended(), 130);
});

/** The directory under its own name, and the command in it. */
function mounted(directory: string): string[] {
  return [`--volume=${directory}:${directory}`, `--workdir=${directory}`];
}

/** `tandem run` with one service, whose health the engine asks for all the time. */
async function startStack(t: Test): Promise<{ subject: Subject; container: Container }> {
  const directory = makeShared(t);
  writeFileSync(join(directory, 'tandem.yaml'), JSON.stringify({ services: { web: { command: 'sleep 1000' } } }));
  const stack = await start(t, ['run', '--config=tandem.yaml'], [...mounted(directory), ...withHealth]);
  await stack.subject.pid();
  return stack;
}

async function start(
  t: Test,
  words: readonly string[],
  options: readonly string[] = [],
): Promise<{ subject: Subject; container: Container }> {
  const subject = await containerSubject(t, words, options);
  return { subject, container: new Container(subject.name) };
}
