/**
 * The launcher: core's `launch` on the real machine. It finds the command, spawns it through the exec helper, which sets
 * up what Node cannot (session, terminal, identity, limits, death with tandem), and returns once the command itself
 * runs. Where the helper was not built, a plain spawn does what it can.
 *
 * The child gets the environment of its spec and nothing else. A failure is a value that names the service.
 */
import { ChildProcess, type SpawnOptions, type StdioOptions, spawn } from 'node:child_process';
import { isatty } from 'node:tty';
import { getSystemErrorMap } from 'node:util';
import type { LaunchFailure, Machine, Process } from '../core/ports.ts';
import type { ProcessSpec, ServiceSpec, UserSpec } from '../core/spec.ts';
import { checkDirectory, findCommand } from './command-lookup.ts';
import { originalFileLimit } from './file-limit.ts';
import { type Guardian, makeGuardian } from './guardian.ts';
import { openLaunchReport } from './launch-report.ts';
import { type Native, native } from './native.ts';
import { followChild } from './running-process.ts';
import { ownIdentity } from './self.ts';

/** Where the output of all services goes. */
export interface Output {
  /** The channel of one process; a restarted service gets a new one. */
  stdio(service: string): OutputChannel;
}

/** The output of one process. */
export interface OutputChannel {
  /** What `spawn` takes: a number is a descriptor for the child. */
  readonly stdout: 'inherit' | 'pipe' | number;
  readonly stderr: 'inherit' | 'pipe' | number;
  /** Called right after `spawn`, also if that failed: closes our copies of the child's descriptors. */
  started(child: ChildProcess): void;
  /** Called after the leader's exit: resolves when its output is handed on, at the latest after `limitMs`. */
  drained(limitMs: number): Promise<void>;
}

/** Starts services, and what belongs to them. */
export interface Launcher {
  readonly launch: Machine['launch'];
  /**
   * Starts another command as the service's own would be started, in a session of its own and with an output of its own.
   * The message of a failure says why, not what for.
   */
  readonly launchBeside: (
    spec: ServiceSpec,
    command: ProcessSpec['command'],
    output: OutputChannel,
    signal: AbortSignal,
  ) => Promise<Process | LaunchFailure>;
}

export interface LauncherOptions {
  /** Default: children inherit tandem's stdout and stderr. */
  readonly output?: Output;
  /** Default: what the build made. */
  readonly native?: Native;
  /** The soft limit of open files for services. Default: the one that tandem was started with, as far as it can be known. */
  readonly fileLimit?: number | undefined;
  /** Services and their groups are killed when tandem dies. Default: unless tandem is PID 1, where the kernel does that. */
  readonly dieWithTandem?: boolean;
  /** The most that output is waited for after a leader's exit. Default 1 000. */
  readonly drainLimitMs?: number;
}

/** Makes the launcher of a run. Cheap: nothing is spawned, the limits of two processes are read. */
export function makeLauncher(options: LauncherOptions = {}): Launcher {
  const tools: Tools = {
    output: inherit,
    native: options.native ?? native(),
    fileLimit: originalFileLimit(),
    dieWithTandem: process.pid !== 1,
    drainLimitMs: 1_000,
    ...options,
  };
  const { guardPath } = tools.native;
  const guardian = tools.dieWithTandem && guardPath !== undefined ? makeGuardian(guardPath) : undefined;
  return {
    launch: (spec, signal) => launch(spec, { ...tools, guardian }, signal),
    launchBeside({ process }, command, output, signal) {
      const spec: ProcessSpec = { ...process, command, attachment: 'service' };
      return start({ spec, openOutput: () => output, signal }, { ...tools, guardian });
    },
  };
}

interface Tools extends Required<LauncherOptions> {
  readonly guardian?: Guardian | undefined;
}

const inherit: Output = {
  stdio: () => ({ stdout: 'inherit', stderr: 'inherit', started: () => {}, drained: async () => {} }),
};

async function launch(
  { name, process: spec }: ServiceSpec,
  tools: Tools,
  signal: AbortSignal,
): Promise<Process | LaunchFailure> {
  const started = await start({ spec, openOutput: () => tools.output.stdio(name), signal }, tools);
  return 'pid' in started ? started : { ...started, message: `cannot start "${name}": ${started.message}` };
}

/** Absent for what stays where tandem is. */
function placeOf({ attachment, cwd }: ProcessSpec): { cwd?: string } {
  return attachment === 'foreground' ? {} : { cwd };
}

function findFile(spec: ProcessSpec, { launcherPath }: Native): string | LaunchFailure {
  if (spec.noNewPrivileges && launcherPath === undefined) {
    return { code: 126, message: 'no-new-privileges needs the exec helper, which was not built' };
  }
  const { PATH: path } = spec.environment;
  // What is in the foreground stays where tandem is, even if that cannot be named any more.
  const misplaced = spec.attachment === 'foreground' ? undefined : checkDirectory(spec.cwd);
  return misplaced ?? findCommand(spec.command[0], { cwd: spec.cwd, path });
}

/** One thing to start. */
interface Start {
  readonly spec: ProcessSpec;
  /** Called once the command has been found. */
  readonly openOutput: () => OutputChannel;
  readonly signal: AbortSignal;
}

async function start({ spec, openOutput, signal }: Start, tools: Tools): Promise<Process | LaunchFailure> {
  const file = findFile(spec, tools.native);
  if (typeof file !== 'string') return file;
  const isForeground = spec.attachment === 'foreground';
  const channel = openOutput();
  const report = tools.native.launcherPath === undefined ? undefined : openLaunchReport(tools.native.reaper);
  const { words, options } = makeSpawn(file, spec, tools, report !== undefined);
  const stdin = isForeground ? 'inherit' : 'ignore';
  const stdio: StdioOptions = [stdin, channel.stdout, channel.stderr, ...(report ? [report.helperEnd] : [])];
  const child = trySpawn(words, { ...options, stdio, ...placeOf(spec), env: spec.environment });
  if (child instanceof Error || child.pid === undefined) {
    channel.started(neverSpawned());
    report?.close();
    return describeSpawnError(child instanceof Error ? child : await errorOf(child), file, words[0]);
  }
  channel.started(child);
  const { pid } = child;
  // The command alone keeps the directory from being unmounted. From here on nothing is found by a relative path.
  if (isForeground) process.chdir('/');
  const hasGroup = tools.native.launcherPath !== undefined || options.detached === true;
  if (hasGroup) tools.guardian?.watch(pid);
  const running = followChild(child, pid, {
    hasGroup,
    isForeground,
    drainLimitMs: tools.drainLimitMs,
    drained: (limitMs) => channel.drained(limitMs),
    gone: () => tools.guardian?.forget(pid),
    ended: () => {
      if (isForeground) tools.native.reaper?.takeTerminal(running.pid);
    },
  });
  const failure = await report?.read(signal);
  // Else the guardian would remember a group whose number may be another's soon.
  if (failure) await running.cleanUp();
  return failure ?? running;
}

/** What to spawn, and how: the helper, or the command itself where there is no helper. */
interface Spawn {
  readonly words: readonly [string, ...string[]];
  readonly options: Pick<SpawnOptions, 'argv0' | 'detached' | 'uid' | 'gid'>;
}

function makeSpawn(file: string, spec: ProcessSpec, tools: Tools, hasReport: boolean): Spawn {
  const { launcherPath } = tools.native;
  if (launcherPath === undefined) return makePlainSpawn(file, spec);
  const words = [...helperOptions(spec, tools), ...(hasReport ? ['--report', '3'] : []), '--', file, ...spec.command];
  return { words: [launcherPath, ...words], options: {} };
}

function helperOptions(spec: ProcessSpec, { fileLimit, dieWithTandem }: Tools): string[] {
  const user = identityToTake(spec.user);
  return [
    spec.attachment === 'service' ? '--session' : '--foreground',
    ...(fileLimit === undefined ? [] : ['--nofile', String(fileLimit)]),
    ...(user ? ['--groups', user.groups.join(), '--gid', String(user.gid), '--uid', String(user.uid)] : []),
    ...(spec.noNewPrivileges ? ['--no-new-privs'] : []),
    ...(dieWithTandem ? ['--die-with', String(process.pid)] : []),
  ];
}

function makePlainSpawn(file: string, { command, attachment, user }: ProcessSpec): Spawn {
  const [argv0, ...args] = command;
  const identity = identityToTake(user);
  // On a terminal a session of its own would lose the terminal; then there is no group either.
  const detached = attachment === 'service' || !isatty(0);
  return { words: [file, ...args], options: { argv0, detached, ...(identity && takeOnly(identity)) } };
}

/** Node drops the supplementary groups. */
function takeOnly({ uid, gid }: UserSpec): { uid: number; gid: number } {
  return { uid, gid };
}

/** Nothing to take if it is tandem's own already and tandem may not change it anyway. */
function identityToTake(user: UserSpec | undefined): UserSpec | undefined {
  const self = user && ownIdentity();
  if (!self || user.uid !== self.uid || user.gid !== self.gid) return user;
  return self.uid !== 0 || self.missingCapabilities.includes('CAP_SETGID') ? undefined : user;
}

/** Node throws some errors of a spawn and emits others. */
function trySpawn([file, ...args]: Spawn['words'], options: SpawnOptions): ChildProcess | Error {
  try {
    return spawn(file, args, options);
  } catch (error) {
    return error as Error;
  }
}

/** What the output channel gets in place of a child that there is none of; Node leaves the streams undefined. */
function neverSpawned(): ChildProcess {
  return Object.assign(new ChildProcess(), { stdout: null, stderr: null });
}

function errorOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}

/** @param spawned what was to run the file: the helper, which may be gone or closed while the file is not */
function describeSpawnError(error: NodeJS.ErrnoException, file: string, spawned: string): LaunchFailure {
  const { code, errno } = error;
  const culprit = code === 'ENOENT' || code === 'EACCES' ? spawned : file;
  const text = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  // Node's own message for a NUL byte quotes the value, which may be a secret.
  const message = text === undefined ? 'the command or its environment holds a NUL byte' : `${culprit}: ${text}`;
  return { code: code === 'ENOENT' ? 127 : 126, message };
}
