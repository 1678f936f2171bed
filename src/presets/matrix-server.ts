/**
 * The command lines of the Python servers: gunicorn with uvicorn's workers where the virtual environment has it, else
 * uvicorn alone, with the flags that the installed one knows.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Remark, RiderConfig } from '../config/config.ts';
import type { Site } from './site.ts';

/** A flag and its value; a flag without one is alone. */
type Flag = readonly [name: string, value?: string];

/** A flag of uvicorn's and the knob behind it, as the second half of a variable's name. */
interface KnobFlag {
  readonly flag: Flag;
  readonly knob?: string;
}

export interface ServerCommand {
  readonly command: Command;
  /** What to say where the command is not there. */
  readonly hint?: string;
  readonly remarks: readonly Remark[];
}

/** What gunicorn's knobs mean that uvicorn does not have, as the second half of a variable's name. */
const lostWithoutGunicorn = ['TIMEOUT', 'MAX_REQUESTS_JITTER', 'PRELOAD', 'ACCESS_LOGFILE', 'ERROR_LOGFILE'];

/**
 * The command of one service's server.
 * @param prefix of the service's variables
 */
export async function serverCommand(
  rider: RiderConfig,
  prefix: 'HUB' | 'GW',
  workers: number,
  flagsOf: Site['flagsOf'],
): Promise<ServerCommand> {
  if (rider.command) return { command: rider.command, remarks: [] };
  const { venv, skip } = rider;
  if (skip !== undefined || hasProgram(venv, 'gunicorn')) return { command: gunicorn(rider, workers), remarks: [] };
  if (!hasProgram(venv, 'uvicorn')) {
    // The look at all commands before the start finds that this one is missing.
    const hint = `neither gunicorn nor uvicorn is in the virtual environment "${venv}"`;
    return { command: gunicorn(rider, workers), hint, remarks: [] };
  }
  const known = await flagsOf?.(programIn(venv, 'uvicorn'));
  const { command, lost } = uvicorn(rider, workers, known);
  const facts = { venv, knobs: [...lostWithoutGunicorn, ...lost].map((name) => `${prefix}_${name}`) };
  const remark: Remark = { level: 'warn', message: 'no gunicorn: uvicorn is run, these knobs have no effect', facts };
  return { command, remarks: [remark] };
}

/** Whether a virtual environment has this command. */
export function hasProgram(venv: string, name: string): boolean {
  return existsSync(programIn(venv, name));
}

/** Whether a virtual environment has this file or directory of a Python package. */
function hasModule(venv: string, path: string): boolean {
  return sitePackages(venv).some((place) => existsSync(join(place, path)));
}

/** Where a virtual environment keeps its packages; nowhere if there is none. */
export function sitePackages(venv: string): string[] {
  const lib = join(venv, 'lib');
  try {
    const pythons = readdirSync(lib).filter((name) => name.startsWith('python'));
    return pythons.map((name) => join(lib, name, 'site-packages'));
  } catch {
    return [];
  }
}

export function programIn(venv: string, name: string): string {
  return join(venv, 'bin', name);
}

/** uvicorn has called its workers deprecated since 0.30, in favour of a package of their own. */
function workerModule(venv: string): string {
  const isMoved = hasModule(venv, 'uvicorn_worker') && !hasModule(venv, 'uvicorn/workers.py');
  return isMoved ? 'uvicorn_worker' : 'uvicorn.workers';
}

/**
 * From 25.1 on gunicorn opens a control socket below the home directory or $XDG_RUNTIME_DIR: the same file for both
 * services, each would take it from the other.
 */
function gunicorn({ venv, host, port, server }: RiderConfig, workers: number): Command {
  return [
    programIn(venv, 'gunicorn'),
    server.module,
    ...words([
      ['-k', `${workerModule(venv)}.UvicornWorker`],
      ['--bind', `${host.includes(':') ? `[${host}]` : host}:${port}`],
      ['--workers', String(workers)],
      ['--timeout', seconds(server.timeoutMs)],
      ['--graceful-timeout', seconds(server.gracefulTimeoutMs)],
      ['--keep-alive', seconds(server.keepAliveMs)],
      ['--max-requests', String(server.maxRequests)],
      ['--max-requests-jitter', String(server.maxRequestsJitter)],
      ['--access-logfile', server.accessLogfile],
      ['--error-logfile', server.errorLogfile],
      ['--log-level', server.logLevel],
      ['--capture-output'],
      ...(hasModule(venv, 'gunicorn/ctl') ? [['--no-control-socket'] as const] : []),
      ...(server.preload ? [['--preload'] as const] : []),
    ]),
  ];
}

/** @param known the flags of the installed uvicorn; absent: taken for complete */
function uvicorn(rider: RiderConfig, workers: number, known: ReadonlySet<string> | undefined) {
  const flags = uvicornFlags(rider, workers);
  const isKnown = ({ flag: [name] }: KnobFlag) => known?.has(name) ?? true;
  const command: Command = [
    programIn(rider.venv, 'uvicorn'),
    rider.server.module,
    ...words(flags.filter(isKnown).map(({ flag }) => flag)),
  ];
  const lost = flags.filter((one) => !isKnown(one)).flatMap(({ knob }) => (knob === undefined ? [] : [knob]));
  return { command, lost: recycles(rider, workers) ? lost : [...lost, 'MAX_REQUESTS'] };
}

function uvicornFlags(rider: RiderConfig, workers: number): KnobFlag[] {
  const { host, port, server } = rider;
  const { keepAliveMs, gracefulTimeoutMs, maxRequests, logLevel } = server;
  const limit: KnobFlag = { flag: ['--limit-max-requests', String(maxRequests)], knob: 'MAX_REQUESTS' };
  return [
    { flag: ['--host', host] },
    { flag: ['--port', String(port)] },
    { flag: ['--workers', String(workers)], knob: 'WORKERS' },
    { flag: ['--timeout-keep-alive', seconds(keepAliveMs)], knob: 'KEEPALIVE' },
    { flag: ['--timeout-graceful-shutdown', seconds(gracefulTimeoutMs)], knob: 'GRACEFUL_TIMEOUT' },
    // 0 would end uvicorn before its first request
    ...(maxRequests > 0 && recycles(rider, workers) ? [limit] : []),
    { flag: ['--log-level', logLevel], knob: 'LOG_LEVEL' },
    { flag: ['--proxy-headers'] },
  ];
}

/** Only where there are several workers is one replaced; a single one is the server itself, and would end the container. */
function recycles({ server }: RiderConfig, workers: number): boolean {
  return workers > 1 || server.maxRequests === 0;
}

function words(flags: readonly Flag[]): string[] {
  return flags.flatMap(([name, value]) => (value === undefined ? [name] : [name, value]));
}

/** Whole seconds, rounded up: to gunicorn 0 means for ever. */
function seconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}
