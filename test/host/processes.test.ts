import { type ChildProcess, spawn } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { LaunchFailure, Process } from '../../src/core/ports.ts';
import type { ProcessSpec } from '../../src/core/spec.ts';
import { sweepAll } from '../../src/host/groups.ts';
import { loadNative, native } from '../../src/host/native.ts';
import { type LauncherOptions, makeLauncher, type Output } from '../../src/host/processes.ts';
import {
  asPid1,
  canUnshare,
  driverCommand,
  hasPython,
  nativeDirectory,
  onTerminal,
  placeOf,
  run,
} from '../fixtures/host-run.ts';
import { serviceSpec } from '../fixtures/host-spec.ts';
import { until } from '../support/until.ts';

const hasHelper = native().launcherPath !== undefined;
const withHelper = { skip: hasHelper ? false : 'the exec helper was not built' };
const asRoot = { skip: withHelper.skip || (process.getuid?.() === 0 ? false : 'only root changes identity') };
const never = new AbortController().signal;

/** The launcher as it is, and as it is where nothing native could be built. */
const launchers: readonly (readonly [name: string, options: LauncherOptions, needs: { skip: string | boolean }])[] = [
  ['with the helper', {}, withHelper],
  ['without the helper', { native: loadNative('/nonexistent') }, { skip: false }],
];

/** Launches a command that must start, and ends it with the test. */
async function launch(
  t: Test,
  command: readonly [string, ...string[]],
  spec: Partial<ProcessSpec> = {},
  options: LauncherOptions = {},
): Promise<Process> {
  const launched = await makeLauncher(options).launch(serviceSpec(command, spec), never);
  if (!('pid' in launched)) throw new Error(launched.message);
  t.teardown(async () => {
    launched.killGroup();
    await launched.exited(never);
    await launched.cleanUp();
  });
  return launched;
}

async function fail(
  command: readonly [string, ...string[]],
  spec: Partial<ProcessSpec> = {},
  options: LauncherOptions = {},
): Promise<LaunchFailure | undefined> {
  const launched = await makeLauncher(options).launch(serviceSpec(command, spec), never);
  if (!('pid' in launched)) return launched;
  launched.killGroup();
  await launched.exited(never);
  return undefined;
}

/** An output that goes into a file, and tells what was asked of it. */
function fileOutput(t: Test): { output: Output; text: () => string; calls: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'output');
  const calls: string[] = [];
  const output: Output = {
    stdio(service) {
      const fd = openSync(path, 'a');
      calls.push(`stdio ${service}`);
      return {
        stdout: fd,
        stderr: fd,
        started(child: ChildProcess) {
          calls.push(child.pid === undefined ? 'started in vain' : 'started');
          closeSync(fd);
        },
        async drained(limitMs) {
          calls.push(`drained ${limitMs}`);
        },
      };
    },
  };
  return { output, text: () => readFileSync(path, 'utf8'), calls };
}

for (const [name, options, needs] of launchers) {
  t.test(name, needs, async (t) => {
    t.test('exit codes and signals arrive as they are', async (t) => {
      for (const code of [0, 1, 7, 126, 127, 255]) {
        const process = await launch(t, ['sh', '-c', `exit ${code}`], {}, options);
        await process.exited(never);
        t.same(process.exit, { code });
      }
      for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGKILL'] as const) {
        const process = await launch(t, ['sleep', '1000'], {}, options);
        process.signal(signal);
        await process.exited(never);
        t.same(process.exit, { signal });
      }
    });

    t.test('a service leads a session and group of its own, with nothing on stdin', async (t) => {
      const { output, text } = fileOutput(t);
      const process = await launch(
        t,
        ['sh', '-c', 'readlink /proc/self/fd/0; exec sleep 1000'],
        {},
        { ...options, output },
      );
      t.match(placeOf(process.pid), { group: process.pid, session: process.pid, terminalGroup: -1 });
      await until('it has printed', () => text().includes('\n'));
      t.equal(text(), '/dev/null\n');
    });

    t.test('it is the command itself that runs, by the name that it was given', async (t) => {
      const process = await launch(t, ['sleep', '1000'], {}, options);
      t.equal(readFileSync(`/proc/${process.pid}/cmdline`, 'utf8'), 'sleep\x001000\0');
    });

    t.test('the command runs in its directory, and is found relative to it', async (t) => {
      const cwd = t.testdir({ bin: { where: '#!/bin/sh\npwd -P\n' } });
      chmodSync(join(cwd, 'bin/where'), 0o755);
      for (const [command, PATH] of [
        ['bin/where', '/bin'],
        ['./bin/where', '/bin'],
        ['where', 'bin'],
        ['where', '/nonexistent:bin:/bin'],
      ] as const) {
        const { output, text } = fileOutput(t);
        const process = await launch(t, [command], { cwd, environment: { PATH } }, { ...options, output });
        await process.exited(never);
        t.equal(text(), `${cwd}\n`, `${command} in ${PATH}`);
      }
    });

    t.test('what cannot be started is a failure with the code of a shell', async (t) => {
      const cwd = t.testdir({
        plain: 'text\n',
        orphan: '#!/no/such/interpreter\n',
        directory: { inner: {} },
        path: { directory: {}, plain: 'text\n' },
      });
      chmodSync(join(cwd, 'orphan'), 0o755);
      symlinkSync('loop', join(cwd, 'loop'));
      const cells = [
        ['gunicorn', 127, 'command "gunicorn" not found in PATH'],
        ['./missing', 127, 'command "./missing" not found'],
        ['plain/below', 127, 'command "plain/below" not found'],
        ['./loop', 127, 'command "./loop" not found'],
        ['', 127, 'the command is empty'],
        ['directory', 127, 'command "directory" not found in PATH'],
        ['./directory', 126, 'command "./directory" is a directory'],
        ['./plain', 126, 'command "./plain" is not executable'],
        ['plain', 126, `command "plain" is not executable: ${cwd}/path/plain`],
      ] as const;
      for (const [command, code, message] of cells) {
        const environment = { PATH: `${cwd}/path:/usr/bin` };
        const failure = await fail([command, 'SECRET'], { cwd, environment }, options);
        t.same(failure, { code, message: `cannot start "hub": ${message}` });
      }
      const orphan = await fail(['./orphan'], { cwd }, options);
      t.match(orphan, { code: 127, message: `cannot start "hub": ${cwd}/orphan: ` });
    });

    t.test('a directory that cannot be entered is a failure that names it', async (t) => {
      const directory = t.testdir({ file: '' });
      const code = 126;
      t.same(await fail(['true'], { cwd: `${directory}/no` }, options), {
        code,
        message: `cannot start "hub": no such working directory: ${directory}/no`,
      });
      t.same(await fail(['true'], { cwd: `${directory}/file` }, options), {
        code,
        message: `cannot start "hub": the working directory is no directory: ${directory}/file`,
      });
    });

    t.test('what the kernel or Node refuses is a failure too, and quotes no value', async (t) => {
      const huge = await fail(['true'], { environment: { PATH: '/bin', HUGE: 'x'.repeat(200_000) } }, options);
      t.match(huge, { code: 126, message: /^cannot start "hub": \S+: argument list too long$/ });
      const nul = await fail(['true'], { environment: { PATH: '/bin', PASSWORD: 'top\0secret' } }, options);
      t.match(nul, { code: 126, message: /NUL byte$/ });
    });

    t.test('B13 the output channel is told of start and end', async (t) => {
      const { output, calls } = fileOutput(t);
      const process = await launch(t, ['true'], {}, { ...options, output, drainLimitMs: 321 });
      await process.exited(never);
      await process.cleanUp();
      t.same(calls, ['stdio hub', 'started', 'drained 321']);
    });

    t.test('B12 where less is left of the budget, the output is drained for less', async (t) => {
      const { output, calls } = fileOutput(t);
      const process = await launch(t, ['true'], {}, { ...options, output, drainLimitMs: 321 });
      await process.exited(never);
      await process.cleanUp(123);
      t.same(calls.at(-1), 'drained 123');
    });

    t.test('the exit is known while a grandchild holds stdout, and cleanUp ends the whole group', async (t) => {
      const leader = spawnedGroup(t, options);
      const { process, members } = await leader('echo ready');
      await process.exited(never);
      t.same(process.exit, { code: 0 });
      t.ok(members.every(placeOf), 'its group lives on');
      await process.cleanUp();
      // killed they are; on a busy machine their new parent may need longer to collect them than cleanUp waits
      await until('all are gone', () => !members.some(placeOf));
    });

    t.test('killGroup ends the leader and its group, whatever they ignore', async (t) => {
      const leader = spawnedGroup(t, options);
      const { process, members } = await leader("trap '' TERM; echo ready; sleep 1000");
      process.killGroup();
      await process.exited(never);
      t.same(process.exit, { signal: 'SIGKILL' });
      await until('all are gone', () => !members.some(placeOf));
    });

    t.test('signals go to the leader alone', async (t) => {
      const leader = spawnedGroup(t, options);
      const { process, members } = await leader('echo ready; exec sleep 1000');
      process.signal('SIGTERM');
      await process.exited(never);
      t.same(process.exit, { signal: 'SIGTERM' });
      t.ok(members.every(placeOf));
    });
  });
}

/** Starts a leader with two background members, and a script that goes on when they run. */
function spawnedGroup(t: Test, options: LauncherOptions) {
  return async (script: string): Promise<{ process: Process; members: number[] }> => {
    const { output, text } = fileOutput(t);
    const members = 'sleep 1000 & echo $!; sh -c "trap \'\' TERM HUP; sleep 1000; :" & echo $!;';
    const process = await launch(t, ['sh', '-c', `${members} ${script}`], {}, { ...options, output });
    await until('they run', () => text().includes('ready'));
    return { process, members: text().split('\n').slice(0, 2).map(Number) };
  };
}

t.test('the environment is exactly that of the spec, with the helper or without', async (t) => {
  // In a driver: tap itself adds variables to all that a test spawns.
  const { stdout } = await run(driverCommand(t, 'host-environment'));
  const exactly = ['EMPTY=', 'PATH=/usr/bin:/bin', 'SECRET=a=b\nc'];
  t.same(JSON.parse(stdout), [exactly, exactly]);
});

t.test('launch settles when the command itself runs, not the helper', withHelper, async (t) => {
  for (let i = 0; i < 20; i++) {
    const process = await launch(t, ['sleep', '1000']);
    t.equal(readFileSync(`/proc/${process.pid}/comm`, 'utf8'), 'sleep\n');
    process.killGroup();
    await process.exited(never);
  }
});

t.test('B08 a launch that hangs is given up when aborted; what hangs can be ended', withHelper, async (t) => {
  const directory = t.testdir({ launch: '#!/bin/sh\nexec sleep 1000 > /dev/null 2>&1\n' });
  const launcherPath = join(directory, 'launch');
  chmodSync(launcherPath, 0o755);
  const { launch } = makeLauncher({ native: { ...native(), launcherPath }, dieWithTandem: false });
  const abort = new AbortController();
  const launching = launch(serviceSpec(['true']), abort.signal);
  t.equal(await Promise.race([launching, setTimeout(20, 'hangs')]), 'hangs');
  abort.abort();
  const launched = await launching;
  if (!('pid' in launched)) throw new Error(launched.message);
  launched.killGroup();
  await launched.exited(never);
  t.same(launched.exit, { signal: 'SIGKILL' });
  await until('nobody listens to the signal', () => getEventListeners(abort.signal, 'abort').length === 0);
});

t.test('B59 the guardian forgets the group of a launch that failed', withHelper, async (t) => {
  const guard = '#!/bin/sh\nexec /bin/cat > "$(dirname "$0")/told"\n';
  const directory = t.testdir({ guard, told: '', bad: '#!/nowhere/interpreter\n' });
  for (const name of ['guard', 'bad']) chmodSync(join(directory, name), 0o755);
  const told = () => readFileSync(join(directory, 'told'), 'utf8').split('\n');
  const tools = { ...native(), guardPath: join(directory, 'guard') };
  const { launch } = makeLauncher({ native: tools, dieWithTandem: true });
  const good = await launch(serviceSpec(['sleep', '1000']), never);
  if (!('pid' in good)) throw new Error(good.message);
  await until('the guardian listens', () => told().includes(`+${good.pid}`));
  t.match(await launch(serviceSpec([join(directory, 'bad')]), never), { code: 127 });
  good.killGroup();
  await good.cleanUp();
  await until('both are forgotten', () => told().filter((word) => word.startsWith('-')).length === 2);
  const forgotten = told().filter((word) => word.startsWith('-'));
  t.same(
    new Set(forgotten.map((word) => word.replace('-', '+'))),
    new Set(told().filter((word) => word.startsWith('+'))),
  );
});

t.test('B59 a guardian that was killed is replaced by one that knows who is alive', withHelper, async (t) => {
  const guard = '#!/bin/sh\nexec /bin/cat > "$(dirname "$0")/told.$$"\n';
  const directory = t.testdir({ guard });
  chmodSync(join(directory, 'guard'), 0o755);
  const guards = () => readdirSync(directory).filter((name) => name.startsWith('told.'));
  const tellsOf = (name: string) => readFileSync(join(directory, name), 'utf8');
  const tools = { ...native(), guardPath: join(directory, 'guard') };
  const { launch } = makeLauncher({ native: tools, dieWithTandem: true });
  const child = await launch(serviceSpec(['sleep', '1000']), never);
  if (!('pid' in child)) throw new Error(child.message);
  t.teardown(() => child.killGroup());
  const isTold = (name: string) => tellsOf(name).includes(`+${child.pid}\n`);
  const [first = ''] = await until('the guardian listens', () => guards().some(isTold) && guards());
  process.kill(Number(first.split('.')[1]), 'SIGKILL');
  await until('another one listens', () => guards().some((name) => name !== first && isTold(name)));
});

t.test('a helper that is gone is named, not the command that is there', withHelper, async (t) => {
  const tools = { ...native(), launcherPath: '/nowhere/launch' };
  t.match(await fail(['true'], {}, { native: tools }), {
    code: 127,
    message: 'cannot start "hub": /nowhere/launch: no such file or directory',
  });
});

t.test('a launch leaves no descriptor behind, failed or not', async (t) => {
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const { output } = fileOutput(t);
  // the guardian holds one for as long as tandem lives
  const options = { output, dieWithTandem: false };
  const tries = async () => {
    await fail(['missing'], {}, options);
    await fail(['true'], { environment: { PATH: '/bin', HUGE: 'x'.repeat(200_000) } }, options);
    const child = await launch(t, ['true'], {}, options);
    await child.exited(never);
  };
  await tries();
  const before = descriptors();
  for (let i = 0; i < 5; i++) await tries();
  await until('all are closed again', () => descriptors() <= before);
});

t.test('exit, not close: a pipe that somebody holds open delays nothing', async (t) => {
  const children: ChildProcess[] = [];
  const output: Output = {
    stdio: () => ({
      stdout: 'pipe',
      stderr: 'inherit',
      started: (child) => children.push(child),
      drained: async () => {},
    }),
  };
  const child = await launch(t, ['sh', '-c', 'sleep 1000 & exit 3'], {}, { output });
  await child.exited(AbortSignal.timeout(10_000));
  t.same(child.exit, { code: 3 });
  t.equal(children[0]?.stdout?.closed, false, 'the pipe is open still');
});

t.test('nothing is signalled after the end: the pid may be another’s', async (t) => {
  const child = await launch(t, ['true']);
  await child.exited(never);
  await child.cleanUp();
  const { kill } = process;
  const signalled: unknown[] = [];
  process.kill = (...args) => {
    signalled.push(args);
    return true;
  };
  child.signal('SIGTERM');
  child.killGroup();
  process.kill = kill;
  t.same(signalled, []);
});

t.test('exited: resolves when aborted, and waits in loops leave nothing behind', async (t) => {
  const child = await launch(t, ['sleep', '1000']);
  const long = new AbortController();
  for (let i = 0; i < 50; i++) {
    const short = new AbortController();
    const waits = Promise.all([child.exited(short.signal), child.exited(short.signal)]);
    short.abort();
    await waits;
    t.equal(getEventListeners(short.signal, 'abort').length, 0);
  }
  t.equal(child.exit, undefined);
  const last = child.exited(long.signal);
  child.killGroup();
  await last;
  t.equal(getEventListeners(long.signal, 'abort').length, 0);
  await child.exited(long.signal);
  t.equal(getEventListeners(long.signal, 'abort').length, 0, 'after the end nobody waits');
});

t.test('services get back the file limit that tandem was started with', withHelper, async (t) => {
  const limitOf = async (options: LauncherOptions) => {
    const child = await launch(t, ['sleep', '1000'], {}, options);
    return /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${child.pid}/limits`, 'utf8'))?.[1];
  };
  t.equal(await limitOf({ fileLimit: 123 }), '123');
  const own = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  t.equal(await limitOf({ fileLimit: undefined }), own, 'unknown: nothing is changed');
});

t.test('B23 user: uid, gid and supplementary groups', asRoot, async (t) => {
  const user = { uid: 1234, gid: 2345, groups: [10, 20] };
  const child = await launch(t, ['sleep', '1000'], { user, noNewPrivileges: true });
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  t.match(status, /^Uid:\t1234\t1234\t1234\t1234$/m);
  t.match(status, /^Gid:\t2345\t2345\t2345\t2345$/m);
  t.match(status, /^Groups:\t10 20 ?$/m);
  t.match(status, /^NoNewPrivs:\t1$/m);
});

t.test('no-new-privileges is never dropped in silence', async (t) => {
  const failure = await fail(['true'], { noNewPrivileges: true }, { native: loadNative('/nonexistent') });
  t.match(failure, { code: 126, message: /no-new-privileges/ });
});

t.test('B59 services die with a tandem that is killed -9', withHelper, async (t) => {
  const [command, driver] = driverCommand(t, 'host-victim');
  const env = { ...process.env, TANDEM_NATIVE_DIR: nativeDirectory };
  const tandem = spawn(command, [driver], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = Number(await new Promise((resolve) => tandem.stdout.once('data', resolve)));
  t.teardown(() => placeOf(pid) && process.kill(pid, 'SIGKILL'));
  t.ok(placeOf(pid));
  tandem.kill('SIGKILL');
  await until('the service is gone', () => placeOf(pid) === undefined);
});

const onPty = { skip: withHelper.skip || (hasPython ? false : 'no python3 to make a terminal') };

t.test('B51 on a terminal Ctrl-C reaches the command alone, and the terminal comes back', onPty, async (t) => {
  const script = 'trap "echo got INT; exit 7" INT; echo ready; while :; do sleep 0.1; done';
  const words = [...onTerminal('\\x03'), ...driverCommand(t, 'host-terminal'), 'sh', '-c', script];
  const { stdout } = await run(words);
  t.equal(stdout.split('got INT').length, 2, 'once');
  t.match(stdout, JSON.stringify({ exit: { code: 7 }, hasTerminal: true, interrupts: 0 }));
});

t.test('B51 on a terminal the command reads what is typed', onPty, async (t) => {
  const script = 'echo ready; read word; echo "read <$word>"';
  const { stdout } = await run([...onTerminal('hello\\n'), ...driverCommand(t, 'host-terminal'), 'sh', '-c', script]);
  t.match(stdout, 'read <hello>');
});

const inNamespace = { skip: withHelper.skip || (canUnshare ? false : 'no pid namespaces here') };

t.test('as PID 1 the sweep ends those that left their session', inNamespace, async (t) => {
  const { stdout, stderr } = await run([...asPid1, ...driverCommand(t, 'host-sweep')]);
  t.equal(stderr, '');
  t.same(JSON.parse(stdout), { afterExit: 2, afterCleanUp: 1, swept: true, afterSweep: 0 });
});

t.test('not as PID 1 the sweep touches nobody', async (t) => {
  const bystander = await launch(t, ['sleep', '1000']);
  t.equal(await sweepAll(), true);
  t.ok(placeOf(bystander.pid));
});
