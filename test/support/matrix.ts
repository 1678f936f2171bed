/**
 * The preset matrix as its users run it: the shipped program, the hub of `test/fixtures/hub`, and a gateway, real ones
 * from PyPI, in a directory of their own.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import type { HealthReport } from '../../src/core/health.ts';
import { basicEnvironment, freePorts, makeDirectory, processesOf } from '../fixtures/e2e-run-pair.ts';
import { gatewaySecrets } from './gateway-secrets.ts';
import { venv } from './python.ts';
import { node, program, type Running, runTandem } from './run-tandem.ts';
import { until } from './until.ts';

const fixture = join(import.meta.dirname, '../fixtures/hub');

export interface MatrixOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** `light`, the default: a stand-in without libraries; `real`: MCP-Gateway itself. */
  readonly gateway?: 'light' | 'real';
  readonly asInit?: boolean;
  /** Called with the directory before the start. */
  readonly prepare?: (directory: string, venvDirectory: string) => void;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A run of hub and gateway. */
export interface Matrix extends Running {
  /** Everything that the run owns; the hub is in `app`. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly hubPort: number;
  readonly gatewayPort: number;
  /** Asks the hub or the gateway; 0 where nobody answers. */
  ask(port: number, path: string, method?: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** The health report, from the control socket; `undefined` where nobody answers. */
  report(): Promise<HealthReport | undefined>;
  /** What Prometheus would read there. */
  metrics(): Promise<string>;
  /** `tandem ARGS` beside it. */
  tandem(...args: string[]): Promise<{ readonly code: number; readonly output: string }>;
  /** The leader of a service, and what the leader forked. */
  leader(service: 'gateway' | 'hub'): Promise<number>;
  workers(leader: number): readonly number[];
  survivors(): readonly number[];
}

/** Starts it; `undefined` where Python is missing and the test is skipped for it. */
export async function runMatrix(t: Test, options: MatrixOptions = {}): Promise<Matrix | undefined> {
  const scene = await makeScene(t, options);
  if (!scene) return undefined;
  const { directory, env } = scene;
  const socketPath = join(env['TANDEM_RUNTIME_DIR'] ?? '', 'tandem.sock');
  const running = runTandem(t, ['run', '--preset', 'matrix'], { env, cwd: directory, asInit: options.asInit ?? false });
  t.teardown(() => {
    for (const pid of processesOf(directory)) kill(pid);
  });
  return Object.assign(Object.create(running) as Running, {
    ...scene,
    ask,
    report: async () => {
      const { body } = await exchange({ socketPath, path: '/health' });
      return body.startsWith('{') ? (JSON.parse(body) as HealthReport) : undefined;
    },
    metrics: async () => (await exchange({ socketPath, path: '/metrics' })).body,
    tandem: (...args: string[]) => tandemWith(env, directory, args),
    leader: async (service: 'gateway' | 'hub') => (await running.record({ service, to: 'ready' })).pid ?? 0,
    workers: childrenOf,
    survivors: () => processesOf(directory),
  });
}

/** The directory, the ports and the environment of a run; `undefined` where Python is missing. */
export async function makeScene(t: Test, { env = {}, gateway = 'light', prepare }: MatrixOptions) {
  const hubVenv = await venv(t, 'hub');
  const gatewayVenv = hubVenv && (gateway === 'real' ? await venv(t, 'gateway') : hubVenv);
  if (!hubVenv || !gatewayVenv) return undefined;
  const directory = makeDirectory(t);
  const app = join(directory, 'app');
  cpSync(fixture, app, { recursive: true, filter: (path) => !path.includes('__pycache__') });
  const realGateway = join(directory, 'gateway');
  mkdirSync(realGateway);
  prepare?.(directory, hubVenv);
  const [gatewayPort, hubPort] = await freePorts(2);
  return {
    directory,
    gatewayPort,
    hubPort,
    env: {
      ...basicEnvironment(directory),
      ...{ APP_ROOT: app, HUB_VENV: hubVenv, GATEWAY_VENV: gatewayVenv },
      ...(gateway === 'real' && { GATEWAY_DIR: realGateway }),
      ...{ HOST: '127.0.0.1', PORT: String(hubPort), GW_HOST: '127.0.0.1', GW_PORT: String(gatewayPort) },
      ...{ HUB_WORKERS: '1', GW_WORKERS: '1', PYTHONDONTWRITEBYTECODE: '1' },
      ...gatewaySecrets,
      ...env,
    } as Record<string, string>,
  };
}

/** `tandem ARGS` in an environment; its code and all it printed. */
export async function tandemWith(env: Readonly<Record<string, string>>, cwd: string, args: readonly string[]) {
  try {
    const { stdout, stderr } = await promisify(execFile)(node, [program, ...args], { env: { ...env }, cwd });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

function ask(port: number, path: string, method = 'GET', headers: Readonly<Record<string, string>> = {}) {
  return exchange({ host: '127.0.0.1', port, path, method, headers, agent: false });
}

function exchange(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve) => {
    const question = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('close', () => resolve({ status: response.complete ? (response.statusCode ?? 0) : 0, body }));
    });
    question.on('error', (error) => resolve({ status: 0, body: error.message }));
    question.end();
  });
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

export function argvOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

/** Whether this process itself has imported a FastAPI application: a gunicorn's master has with --preload only. */
export function hasLoadedApplication(pid: number): boolean {
  return readFileSync(`/proc/${pid}/maps`, 'utf8').includes('pydantic_core');
}

/** Python's start on a machine that has other things to do; no promise of tandem's. */
export const python = { withinMs: 60_000, everyMs: 10 };

/** Resolves once both services are ready. */
export async function untilUp(matrix: Matrix): Promise<void> {
  const isUp = () => matrix.records().some(({ msg }) => msg === 'everything is up');
  const hasEnded = () => matrix.child.exitCode !== null;
  await until('everything is up', () => isUp() || hasEnded(), python).catch(() => undefined);
  if (!isUp()) throw new Error(`not up; stderr:\n${matrix.stderr}`);
}

/** Starts a request and resolves, without waiting for its answer, once the service works on it. */
export async function inFlight(matrix: Matrix, port: number, path: string) {
  const answer = matrix.ask(port, path);
  // The listener's queue is empty again as soon as a worker has taken the connection; one more answer proves it.
  await matrix.ask(port, '/health');
  return { answer };
}

/** Resolves once every process of the run is gone. */
export async function untilNobodyIsLeft(matrix: Matrix): Promise<void> {
  await until('nobody is left', () => matrix.survivors().length === 0, { withinMs: 2_000 });
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it was faster
  }
}
