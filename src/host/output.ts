/**
 * The children's output. stdout of every child goes to tandem's stdout, stderr to its stderr, in one of three modes:
 * `raw` hands the descriptors themselves to the child, `prefix` and `json` read a pipe for each stream and write whole
 * lines.
 *
 * Backpressure: while a destination is full, the streams that feed it are not read, so their children block as they
 * would in `raw`; what is kept is bounded. A destination that is gone is fed all the same, so that no child blocks.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { OutputMode } from '../core/spec.ts';
import type { LineWriter } from './native.ts';
import { type Format, jsonFormat, prefixFormat } from './output-format.ts';
import { openSink, type Sink } from './output-sink.ts';
import { fromPipe, fromStream, type OutputStream, readStream } from './output-stream.ts';
import type { Output as LaunchOutput, OutputChannel } from './processes.ts';

/** Where the output of all services goes. */
export interface Output extends LaunchOutput {
  /**
   * Resolves with true once the kernel has everything that was written, with false after `limitMs`. Never leave
   * without it: `process.exit()` drops what is queued.
   */
  flush(limitMs: number): Promise<boolean>;
}

export interface OutputOptions {
  readonly mode: OutputMode;
  /** Services that have a mode of their own. */
  readonly modes?: ReadonlyMap<string, OutputMode> | undefined;
  /** The names of all services, so that `prefix` can pad them. */
  readonly names: readonly string[];
  /** Descriptors of the destinations. Default 1 and 2. */
  readonly stdout?: number;
  readonly stderr?: number;
  /** False: no colour (`NO_COLOR`). Otherwise names are coloured where the destination is a terminal. */
  readonly color?: boolean;
  /**
   * Makes a pipe: `[readEnd, writeEnd]`, both close-on-exec, or a number for an error: the reaper addon's `pipe`.
   * Without it, Node's own `'pipe'` is taken, a socket pair, on which a child cannot open `/dev/stdout`.
   */
  readonly createPipe?: (() => readonly [number, number] | number) | undefined;
  /** Formats what it can: the addon. Without it, or where it cannot, JavaScript does, and a little slower. */
  readonly writer?: LineWriter | undefined;
}

/** Makes the output of a run. */
export function makeOutput(options: OutputOptions): Output {
  const { mode, names, stdout = 1, stderr = 2 } = options;
  const modeOf = (service: string) => options.modes?.get(service) ?? mode;
  const modes = new Set([mode, ...names.map(modeOf)]);
  if (modes.size === 1 && modes.has('raw')) return rawOutput;
  // A child that inherits a descriptor writes to it as it is.
  const shared = modes.has('raw');
  const destinations = {
    stdout: { sink: openSink(stdout, { shared }), isTerminal: isatty(stdout) },
    stderr: { sink: openSink(stderr, { shared }), isTerminal: isatty(stderr) },
  };
  sayOnceLost(destinations.stdout.sink, destinations.stderr.sink);
  return {
    stdio: (service) => {
      const serviceMode = modeOf(service);
      if (serviceMode === 'raw') return rawOutput.stdio(service);
      const makeStream = (name: StreamName) =>
        openStream(
          name,
          makeFormat(service, name, destinations[name].isTerminal, { ...options, mode: serviceMode }),
          destinations[name].sink,
          options,
        );
      return makeChannel(makeStream('stdout'), makeStream('stderr'));
    },
    flush: async (limitMs) => {
      const flushed = await Promise.all([
        destinations.stdout.sink.flush(limitMs),
        destinations.stderr.sink.flush(limitMs),
      ]);
      return flushed.every(Boolean);
    },
  };
}

type StreamName = 'stdout' | 'stderr';

const rawOutput: Output = {
  stdio: () => ({ stdout: 'inherit', stderr: 'inherit', started: () => {}, drained: async () => {} }),
  flush: async () => true,
};

/** A log that is lost is worth one line, where there is somebody left to read it. */
function sayOnceLost(stdout: Sink, stderr: Sink): void {
  stdout.onceLost((code) => stderr.write(`tandem: cannot write to stdout (${code}): output of services is lost\n`));
}

function makeFormat(service: string, stream: StreamName, isTerminal: boolean, options: OutputOptions): Format {
  if (options.mode === 'json') return jsonFormat(service, stream, Date.now, options.writer);
  return prefixFormat(service, options.names, isTerminal && options.color !== false, options.writer);
}

/** One stream of one process: the child's end, and our end once the child has been started. */
interface OpenStream {
  readonly childEnd: number | 'pipe';
  attach(child: ChildProcess): void;
  drained(limitMs: number): Promise<void>;
}

function openStream(name: StreamName, format: Format, sink: Sink, { createPipe }: OutputOptions): OpenStream {
  const pipe = tryPipe(createPipe);
  let stream: OutputStream | undefined;
  return {
    childEnd: pipe?.[1] ?? 'pipe',
    attach(child) {
      if (pipe !== undefined) closeSync(pipe[1]);
      const source = pipe === undefined ? child[name] && fromStream(child[name]) : fromPipe(pipe[0]);
      if (source !== null) stream = readStream(source, format, sink);
    },
    drained: async (limitMs) => stream?.drained(limitMs),
  };
}

/** Out of descriptors: `'pipe'` will fail for the same reason, and `spawn` reports it as its own error. */
function tryPipe(createPipe: OutputOptions['createPipe']): readonly [number, number] | undefined {
  const ends = createPipe?.();
  return typeof ends === 'number' ? undefined : ends;
}

function makeChannel(stdout: OpenStream, stderr: OpenStream): OutputChannel {
  return {
    stdout: stdout.childEnd,
    stderr: stderr.childEnd,
    started(child) {
      stdout.attach(child);
      stderr.attach(child);
    },
    async drained(limitMs) {
      await Promise.all([stdout.drained(limitMs), stderr.drained(limitMs)]);
    },
  };
}
