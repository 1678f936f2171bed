/** Runs the shipped form, `dist/tandem.cjs`, as its users do: by itself, or as PID 1 of a namespace of its own. */
import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { until } from './until.ts';

export const program = join(import.meta.dirname, '../../dist/tandem.cjs');

/** The Node under test: the one that runs the tests. */
export const node = process.execPath;

export interface Running {
  readonly child: ChildProcess;
  /** The pid of tandem itself, also inside `unshare`. */
  pid(): Promise<number>;
  /** Everything so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** tandem's own records so far. */
  records(): LogRecord[];
  /** Resolves once a record has these fields. */
  record(fields: Partial<LogRecord>): Promise<LogRecord>;
  /** The exit code, 128+n for a signal. */
  exited: Promise<{ code: number; afterMs: number }>;
  signal(name: NodeJS.Signals): Promise<void>;
}

export interface LogRecord {
  readonly msg: string;
  /** pino's number: 30 info, 40 warn, 50 error. */
  readonly level: number;
  readonly service?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly pid?: number;
  readonly code?: number;
  readonly time: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** As PID 1 in pid and mount namespaces of its own. */
  readonly asInit?: boolean;
  /** By a link named `tandem` to `launch`, as in an image: signals are held while Node starts. */
  readonly held?: boolean;
  /** Words before it that end in an exec of it. */
  readonly wrapper?: readonly string[];
  /** The same inside of the namespaces. */
  readonly inside?: readonly string[];
  readonly stdio?: 'ignore' | 'pipe' | 'inherit';
  /** Descriptors in place of the pipes; `Running.stdout` and `Running.stderr` then stay empty. */
  readonly stdout?: number;
  readonly stderr?: number;
  /** Another `tandem.cjs`. Default: the one that was built. */
  readonly program?: string;
}

/** What every run needs to keep out of the way of others: no health port, a runtime directory of its own. */
export function quietEnvironment(t: Test): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '/',
    TANDEM_HEALTH_PORT: '',
    TANDEM_RUNTIME_DIR: t.testdir({}),
    TANDEM_LOG_FORMAT: 'json',
  };
}

/** Starts tandem with these arguments; it is killed at the end of the test if it is still there. */
export function runTandem(t: Test, args: readonly string[], options: RunOptions = {}): Running {
  const {
    env = {},
    cwd,
    asInit = false,
    held = false,
    wrapper = [],
    inside = [],
    stdio = 'ignore',
    stdout: stdoutEnd = 'pipe',
    stderr: stderrEnd = 'pipe',
  } = options;
  const command = held ? [entryPoint(t)] : [node, options.program ?? program];
  const words = [...wrapper, ...(asInit ? unshare : []), ...inside, ...command, ...args];
  const [file, ...rest] = inEnvironment({ PATH: process.env['PATH'] ?? '', ...env }, words);
  const startedAt = performance.now();
  const child = spawn(file, rest, { cwd, stdio: [stdio, stdoutEnd, stderrEnd] });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const exited = new Promise<{ code: number; afterMs: number }>((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code: code ?? 128 + constants.signals[signal ?? 'SIGKILL'], afterMs: performance.now() - startedAt });
    });
  });
  t.teardown(() => child.kill('SIGKILL'));
  const running: Running = {
    child,
    exited,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    records: () => stderr.split('\n').flatMap(parseRecord),
    record: (fields) =>
      until(`a record has ${JSON.stringify(fields)}`, () =>
        running.records().find((record) => has(record, fields)),
      ).catch((error: Error) => {
        throw new Error(`${error.message}; stderr:\n${stderr}`);
      }),
    pid: async () => (asInit ? until('init runs', () => childOf(child.pid ?? 0)) : (child.pid ?? 0)),
    signal: async (name) => {
      process.kill(await running.pid(), name);
    },
  };
  return running;
}

/**
 * The words that run a program in this environment and nothing else. Left to `spawn`, tap would add NODE_OPTIONS to it: then
 * every tandem would load tap's own code first, with signal handlers of its own.
 */
export function inEnvironment(env: Readonly<Record<string, string>>, words: readonly string[]): [string, ...string[]] {
  return ['env', '-i', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...words];
}

/** Runs it to its end, in this environment and PATH and nothing else. */
export function tandemSync(
  args: readonly string[],
  { cwd, env = {}, file = program }: { cwd: string; env?: Readonly<Record<string, string>>; file?: string },
): SpawnSyncReturns<string> {
  const [first, ...rest] = inEnvironment({ PATH: process.env['PATH'] ?? '', ...env }, [node, file, ...args]);
  return spawnSync(first, rest, { cwd, encoding: 'utf8', timeout: 10_000, killSignal: 'SIGKILL' });
}

/** What an image has in its PATH. It finds the program by itself, and Node in the PATH. */
function entryPoint(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-entry-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const link = join(directory, 'tandem');
  symlinkSync(join(program, '../native/launch'), link);
  return link;
}

const unshare = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];

function parseRecord(line: string): LogRecord[] {
  try {
    const record: unknown = JSON.parse(line);
    return typeof record === 'object' && record !== null && 'msg' in record ? [record as LogRecord] : [];
  } catch {
    return [];
  }
}

function has(record: LogRecord, fields: Partial<LogRecord>): boolean {
  return Object.entries(fields).every(([key, value]) => record[key as keyof LogRecord] === value);
}

/** unshare blocks TERM in itself, so signals go to its only child: PID 1 of the namespace. */
function childOf(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}
