/**
 * The three ways in which a promise of tini or dumb-init is asked of `tandem -- CMD`: by itself, where it is a subreaper; as
 * PID 1 of a namespace; as PID 1 of a container on the real engine. Always the shipped form; in namespace and container by its
 * entry point. All three are looked at from outside, through /proc of this machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import type { Test } from 'tap';
import { ask, docker, needsEngine } from '../../container/engine.ts';
import { childrenOf } from '../../fixtures/e2e-cmd-run.ts';
import { canUnshare } from '../../fixtures/host-run.ts';
import { runTandem } from '../../support/run-tandem.ts';
import { until } from '../../support/until.ts';
import { programOf, stateOf } from './processes.ts';

/** One `tandem -- CMD`. The pids are those that this machine sees. */
export interface Subject {
  /** Everything so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** tandem's own. */
  pid(): Promise<number>;
  /** The command's: tandem's eldest child. */
  command(): Promise<number>;
  /** To tandem; a number where the signal has no name. */
  signal(signal: NodeJS.Signals | number): Promise<void>;
  /** The last of its standard input, which must have been asked for. */
  endInput(text: string): void;
  /** Resolves once it has printed this. */
  says(text: string): Promise<void>;
  /** Its exit code, 128+n for a signal. */
  ended(): Promise<number>;
}

export interface SubjectOptions {
  /** Its standard input is a pipe. Default: /dev/null. */
  readonly input?: boolean;
  /** Beside PATH, which is what it is there. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its working directory, which has the same name everywhere. */
  readonly cwd?: string;
}

export interface Form {
  readonly form: 'plain' | 'as PID 1' | 'in a container';
  readonly isInit: boolean;
  /** Options of every test. */
  readonly needs: { readonly skip: string | false };
  start(t: Test, command: readonly string[], options?: SubjectOptions): Promise<Subject>;
}

/** On a machine that is busy with other things an engine takes seconds. No promise is measured by this. */
const patienceMs = 30_000;

const cannotUnshare = canUnshare || process.env['CI'] === 'true' ? false : 'pid namespaces cannot be made';

export const plain: Form = {
  form: 'plain',
  isInit: false,
  needs: { skip: false },
  start: (t, command, options) => startHere(t, command, options, false),
};

export const asInit: Form = {
  form: 'as PID 1',
  isInit: true,
  needs: { skip: cannotUnshare },
  start: (t, command, options) => startHere(t, command, options, true),
};

export const inContainer: Form = { form: 'in a container', isInit: true, needs: needsEngine, start: startInContainer };

export const everyForm = [plain, asInit, inContainer] as const;

/** The image whose entry point is tandem, by its id: another build may move a tag meanwhile. Built once a run. */
export function tandemImage(): Promise<string> {
  built ??= ask(['build', '--quiet', '--target=embedded', '--tag=tandem-test:conformance', '.']);
  return built;
}
let built: Promise<string> | undefined;

/** Runs `tandem -- CMD` to its end. */
export async function outcomeIn(
  { start }: Form,
  t: Test,
  command: readonly string[],
  options: SubjectOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const subject = await start(t, command, options);
  const code = await subject.ended();
  return { code, stdout: subject.stdout, stderr: subject.stderr };
}

/** Resolves once tandem's children are the command alone, and no zombie is among them. */
export async function untilCommandIsAlone(subject: Subject): Promise<void> {
  const [tandem, command] = [await subject.pid(), await subject.command()];
  // The guardian stands beside a tandem that is not PID 1.
  const isRight = (pid: number) => pid === command || (programOf(pid) === 'guard' && stateOf(pid) !== 'Z');
  await until('the command is the only child', () => childrenOf(tandem).every(isRight));
}

async function startHere(
  t: Test,
  command: readonly string[],
  { input = false, env = {}, cwd }: SubjectOptions = {},
  asPid1: boolean,
): Promise<Subject> {
  const stdio = input ? 'pipe' : 'ignore';
  const running = runTandem(t, ['--', ...command], { asInit: asPid1, held: asPid1, env, stdio, ...(cwd && { cwd }) });
  return follow(running, () => running.pid());
}

async function startInContainer(
  t: Test,
  command: readonly string[],
  { input = false, env = {}, cwd }: SubjectOptions = {},
): Promise<Subject> {
  return containerSubject(
    t,
    ['--', ...command],
    [
      ...(input ? ['--interactive'] : []),
      ...Object.entries(env).map(([key, value]) => `--env=${key}=${value}`),
      ...(cwd === undefined ? [] : [`--volume=${cwd}:${cwd}`, `--workdir=${cwd}`]),
    ],
  );
}

/** `docker run` in the foreground: tandem with any words. The container is removed with the test, not with its end. */
export async function containerSubject(
  t: Test,
  words: readonly string[],
  options: readonly string[],
): Promise<Subject & { readonly name: string }> {
  const id = await tandemImage();
  const name = `tandem-conformance-${randomUUID()}`;
  const own = ['--name', name, '--label=tandem-test', '--sig-proxy=false'];
  const child = spawn('docker', ['run', ...own, ...options, id, ...words]);
  t.teardown(() => removeOf(child, name));
  const output = { child, stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const initOf = async () => Number((await docker(['inspect', '--format={{.State.Pid}}', name])).stdout);
  const subject = follow(output, () => until(`${name} runs`, initOf, { withinMs: patienceMs, everyMs: 20 }));
  return Object.assign(subject, { name });
}

/** Again and again until `docker run` has ended: a test that fails at once ends before there is a container. */
async function removeOf(client: ChildProcess, name: string): Promise<void> {
  const remove = () => docker(['rm', '--force', '--volumes', name]);
  const hasEnded = () => client.exitCode !== null || client.signalCode !== null;
  await until(`${name} is removed`, async () => (await remove()) && hasEnded(), { withinMs: patienceMs, everyMs: 50 });
  await remove();
}

/** What has been started, as a subject. */
function follow(
  running: { readonly child: ChildProcess; readonly stdout: string; readonly stderr: string },
  findPid: () => Promise<number>,
): Subject {
  const { child } = running;
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let found: Promise<number> | undefined;
  const pid = () => {
    found ??= findPid();
    return found;
  };
  return {
    get stdout() {
      return running.stdout;
    },
    get stderr() {
      return running.stderr;
    },
    pid,
    command: async () => {
      const tandem = await pid();
      return until('the command runs', () => childrenOf(tandem)[0], { withinMs: patienceMs });
    },
    signal: async (signal) => {
      process.kill(await pid(), signal);
    },
    endInput: (text) => child.stdin?.end(text),
    says: async (text) => {
      await until(`it says ${JSON.stringify(text)}`, () => running.stdout.includes(text), {
        withinMs: patienceMs,
      }).catch((error: Error) => {
        throw new Error(`${error.message}; it says:\n${running.stdout}\n${running.stderr}`);
      });
    },
    ended: async () => {
      const isOver = () => child.exitCode !== null || child.signalCode !== null;
      await until('it ends', isOver, { withinMs: patienceMs });
      await closed;
      return child.exitCode ?? 128 + constants.signals[child.signalCode ?? 'SIGKILL'];
    },
  };
}
