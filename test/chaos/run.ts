/** One run of the real supervisor, as the driver sees it, whatever form it has. */
import { type IncomingMessage, request } from 'node:http';
import type { LogRecord } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';
import type { Mode } from './lines.ts';
import { type ProcessSeen, peakRssMib, processesSeen, statOf, zombiesOf } from './processes.ts';
import type { Ports, Stack } from './scene.ts';

/** `held`: PID 1 by the entry point of the images, which holds signals while Node starts. */
export type Form = 'plain' | 'init' | 'held' | 'container';

/** What a service of the fixture does; absent: its defaults. */
export type Script = Readonly<Record<string, number | boolean | string>>;

export interface RunOptions {
  readonly form: Form;
  readonly mode: Mode;
  readonly scripts?: Readonly<Partial<Record<'migrations' | 'gateway' | 'hub', Script>>>;
  /** tandem.yaml in place of the pair. */
  readonly yaml?: (ports: Ports) => string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words before tandem that end in an exec of it. */
  readonly wrapper?: (directory: string) => readonly string[];
  /** Behind `docker run`. */
  readonly engine?: readonly string[];
  /** In place of the fixture, on this machine. */
  readonly stack?: Stack;
  /** In place of the fixture, in a container: the image of the preset matrix, with everything real but the hub's own code. */
  readonly image?: 'matrix';
  /** Called with the directory before the start. */
  readonly prepare?: (directory: string) => void;
}

export interface Run {
  readonly form: Form;
  readonly mode: Mode;
  /** Real services, and not the fixture's. */
  readonly isMatrix: boolean;
  /** Its mark, and where its services write. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: { readonly gateway: number; readonly hub: number; readonly health: number };
  readonly services: readonly string[];
  /** The output, which whoever holds it may stop to read, or let go of. */
  readonly stdout: Reader;
  readonly stderr: Reader;
  /** The exit code once it has ended. */
  readonly code: number | undefined;
  readonly endedAt: number | undefined;
  /** As this machine numbers it; 0 before it is there. */
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
  /** Brings the output up to now, where it does not come by itself. */
  refresh?(): Promise<void>;
  /** Of a container: what the engine knows it by. */
  readonly container?: string;
  /** Removes whatever is left. */
  clear(): Promise<void>;
}

/** What comes out of a pipe, as long as somebody reads it. */
export interface Reader {
  readonly text: string;
  pause(): void;
  resume(): void;
  /** The reader goes away. */
  close(): void;
  readonly ended: Promise<void>;
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 1) process.kill(pid, signal);
  } catch {
    // it was faster
  }
}

/** tandem's own records so far. */
export function recordsOf({ stderr }: Run): LogRecord[] {
  return stderr.text.split('\n').flatMap((line) => {
    try {
      const record: unknown = JSON.parse(line);
      return typeof record === 'object' && record !== null && 'msg' in record && 'name' in record
        ? [record as unknown as LogRecord]
        : [];
    } catch {
      return [];
    }
  });
}

export function seenOf(run: Run): ProcessSeen[] {
  return processesSeen(run.directory, run.pid, run.services);
}

/** True once everything has been up. */
export const hasBeenUp = (run: Run) => recordsOf(run).some(({ msg }) => msg === 'everything is up');

/** Resolves when all is up, or the run has ended. */
export async function untilUp(run: Run): Promise<void> {
  await until(
    'everything is up',
    async () => {
      if (run.code === undefined) await run.refresh?.();
      return hasBeenUp(run) || run.code !== undefined;
    },
    { withinMs: 60_000, everyMs: run.refresh ? 50 : 5 },
  );
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Asks over HTTP; status 0 where nobody answers in time. */
export function get(port: number, path: string, withinMs = 3_000): Promise<Answer> {
  return new Promise((resolve) => {
    const nothing = (why: string) => resolve({ status: 0, body: why });
    const question = request(
      { host: '127.0.0.1', port, path, agent: false, timeout: withinMs },
      (response: IncomingMessage) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('close', () => resolve({ status: response.complete ? (response.statusCode ?? 0) : 0, body }));
      },
    );
    question
      .on('timeout', () => question.destroy(new Error('too late')))
      .on('error', ({ message }) => nothing(message));
    question.end();
  });
}

/** Resolves when tandem calls everything healthy, or has ended. */
export async function untilHealthy(run: Run): Promise<void> {
  let last = '';
  await until(
    'it is healthy',
    async () => {
      if (run.code !== undefined) return true;
      const { status, body } = await get(run.ports.health, '/health');
      last = `${status} ${body}`;
      return status === 200;
    },
    { withinMs: 60_000, everyMs: 25 },
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${last}`);
  });
}

/** How long an ended child may wait to be collected. tandem looks at least once a second; the rest is for a busy machine. */
const zombieMs = 10_000;

/** The ended children that tandem does not collect. */
export async function lastingZombies(run: Run): Promise<number[]> {
  const { pid } = run;
  const found = zombiesOf(pid);
  const isStill = (zombie: { pid: number; start: string }) => {
    const stat = statOf(zombie.pid);
    return stat?.state === 'Z' && stat.start === zombie.start && stat.parent === pid;
  };
  const gone = until('the zombies are gone', () => !found.some(isStill) || run.code !== undefined, {
    withinMs: zombieMs,
    everyMs: 10,
  });
  return gone.then(
    () => [],
    () => found.filter(isStill).map((zombie) => zombie.pid),
  );
}

export const rssOf = (run: Run) => peakRssMib(run.pid);
