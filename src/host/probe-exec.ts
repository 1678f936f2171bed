/**
 * The exec probe: a command that is started by the launcher as the service itself is (directory, environment, identity,
 * limits, death with tandem), in a session of its own. However it ends, its whole group is killed: a health check that
 * leaves children behind fills a container within days.
 */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Exit, ProbeResult } from '../core/ports.ts';
import type { ProbeSpec, ServiceSpec } from '../core/spec.ts';
import { systemClock } from './clock.ts';
import type { Launcher, OutputChannel } from './processes.ts';
import { tidy } from './reason.ts';

/** Only the last line is of use. */
const keptCharacters = 4096;

/** After the exit the output is in the pipe already, unless something that left the group holds the pipe open. */
const mostDrainMs = 100;

/** Settles as soon as the command has ended, or the signal is aborted, and its group has been killed. */
export async function probeExec(
  { command }: Extract<ProbeSpec, { kind: 'exec' }>,
  spec: ServiceSpec,
  { launchBeside }: Launcher,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const output = new Tail();
  const process = await launchBeside(spec, command, output, signal);
  if (!('pid' in process)) return { ok: false, reason: tidy(`cannot run: ${process.message}`) };
  await process.exited(signal);
  const { exit } = process;
  const isFailure = exit !== undefined && !isSuccess(exit);
  // Nobody reads what a success has printed, or one that is too late.
  if (!isFailure) output.close();
  await process.cleanUp();
  output.close();
  if (isFailure) return { ok: false, reason: describe(exit, output.lastLine()) };
  return exit ? { ok: true } : { ok: false, reason: 'aborted' };
}

function isSuccess(exit: Exit): boolean {
  return 'code' in exit && exit.code === 0;
}

function describe(exit: Exit, lastLine: string): string {
  const end = 'code' in exit ? `exit ${exit.code}` : `ended by ${exit.signal}`;
  return lastLine === '' ? end : `${end}: ${tidy(lastLine)}`;
}

/** The end of what a command prints; the rest is read and forgotten, so that the command never blocks. */
class Tail implements OutputChannel {
  readonly stdout = 'pipe';
  readonly stderr = 'pipe';
  #text = '';
  #streams: readonly Readable[] = [];
  #closed: Promise<unknown> = Promise.resolve();

  started({ stdout, stderr }: ChildProcess): void {
    this.#streams = [stdout, stderr].filter((stream) => stream !== null);
    this.#closed = Promise.all(this.#streams.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
    for (const stream of this.#streams) {
      stream.on('error', () => {});
      stream.on('data', (chunk: Buffer) => {
        this.#text = (this.#text + chunk.toString('utf8')).slice(-keptCharacters);
      });
    }
  }

  async drained(limitMs: number): Promise<void> {
    const scope = new AbortController();
    await Promise.race([this.#closed, systemClock.sleep(Math.min(limitMs, mostDrainMs), scope.signal)]);
    scope.abort();
  }

  lastLine(): string {
    return this.#text.trimEnd().split('\n').at(-1) ?? '';
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}
