/**
 * The exec probe: a command in the service's directory, environment and identity, in a session of its own. However it
 * ends, its whole group is killed: a health check that leaves children behind fills a container within days.
 */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Exit, ProbeResult } from '../core/ports.ts';
import type { ProbeSpec, ServiceSpec, SignalName } from '../core/spec.ts';
import { systemClock } from './clock.ts';
import { reasonOf, tidy } from './reason.ts';

/** Only the last line is of use. */
const keptCharacters = 4096;

/** After the exit the output is in the pipe already, unless something that left the group holds the pipe open. */
const drainMs = 100;

/** Settles as soon as the command has ended, or as soon as the signal is aborted. */
export async function probeExec(
  probe: Extract<ProbeSpec, { kind: 'exec' }>,
  { process: { cwd, environment: env, user } }: ServiceSpec,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { execa } = await import('execa');
  if (signal.aborted) return { ok: false, reason: 'aborted' };
  const [file, ...args] = probe.command;
  const identity = user && { uid: user.uid, gid: user.gid };
  const kept = { stdin: 'ignore', detached: true, buffer: false, reject: false } as const;
  const child = execa(file, args, { ...kept, ...identity, cwd, env, extendEnv: false });
  if (child.pid === undefined) return { ok: false, reason: `cannot run ${file}: ${reasonOf(await child)}` };
  const output = new Tail([child.stdout, child.stderr]);
  const exit = await exitOf(child, signal);
  killGroup(child.pid);
  try {
    if (!exit) return { ok: false, reason: 'aborted' };
    if ('code' in exit && exit.code === 0) return { ok: true };
    await output.drain(signal);
    return { ok: false, reason: describe(exit, output.lastLine()) };
  } finally {
    output.stop();
  }
}

/** The leader's end; `undefined` when aborted before. `exit`, not `close`: a grandchild can hold the pipes for hours. */
function exitOf(child: ChildProcess, signal: AbortSignal): Promise<Exit | undefined> {
  return new Promise((resolve) => {
    const settle = (exit?: Exit) => {
      signal.removeEventListener('abort', abort);
      resolve(exit);
    };
    const abort = () => settle();
    child.once('exit', (code, killedBy) => settle(code === null ? { signal: killedBy as SignalName } : { code }));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}

function describe(exit: Exit, lastLine: string): string {
  const end = 'code' in exit ? `exit ${exit.code}` : `ended by ${exit.signal}`;
  return lastLine === '' ? end : `${end}: ${tidy(lastLine)}`;
}

/** The end of what a command prints; the rest is read and forgotten, so that the command never blocks. */
class Tail {
  #text = '';
  readonly #streams: readonly Readable[];
  readonly #closed: Promise<unknown>;

  constructor(streams: readonly Readable[]) {
    this.#streams = streams;
    this.#closed = Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
    for (const stream of streams) {
      stream.on('error', () => {});
      stream.on('data', (chunk: Buffer) => {
        this.#text = (this.#text + chunk.toString('utf8')).slice(-keptCharacters);
      });
    }
  }

  async drain(signal: AbortSignal): Promise<void> {
    const scope = new AbortController();
    const stop = () => scope.abort();
    signal.addEventListener('abort', stop);
    await Promise.race([this.#closed, systemClock.sleep(drainMs, scope.signal)]);
    signal.removeEventListener('abort', stop);
    stop();
  }

  lastLine(): string {
    return this.#text.trimEnd().split('\n').at(-1) ?? '';
  }

  stop(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}
