/** What the fleet asks of a container engine: small enough that another engine can stand behind it. */
import type { Writable } from 'node:stream';

/** A container, as the fleet wants it. Everything that is not said is forbidden to it. */
export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  /** Absent: the image's own. */
  readonly command?: readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: string;
  readonly mounts: readonly Mount[];
  readonly limits: Limits;
  readonly isRootReadOnly: boolean;
  /** Directories in memory that can be written. */
  readonly scratch: readonly string[];
  /** As in `--user`. Absent: the image's own. */
  readonly user?: string | undefined;
  /** It is spoken to over stdin and stdout. */
  readonly isAttached: boolean;
}

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly isReadOnly: boolean;
}

export interface Limits {
  readonly memoryBytes: number;
  /** Of one processor, in billionths. */
  readonly nanoCpus: number;
  readonly pids: number;
}

/** A container, as the engine sees it. */
export interface Seen {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isRunning: boolean;
  readonly isPaused: boolean;
  /** Milliseconds since the epoch; absent: never. */
  readonly startedAtMs?: number | undefined;
  readonly stoppedAtMs?: number | undefined;
  /** Of the last run that is over. */
  readonly exitCode?: number | undefined;
  /** Where it can be reached in the fleet's network. */
  readonly address?: string | undefined;
}

export type EngineTrouble =
  /** No answer, or no engine. */
  | 'unreachable'
  | 'no-such-container'
  | 'no-such-image'
  /** The name is taken, or it is being removed. */
  | 'conflict'
  /** It is so already. */
  | 'already'
  /** It answered, and would not. */
  | 'refused'
  | 'timeout';

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly trouble: EngineTrouble;

  constructor(trouble: EngineTrouble, message: string, options?: ErrorOptions) {
    super(message, options);
    this.trouble = trouble;
  }
}

/** Something happened to a container: which one, by its name. What it was is looked up. */
export interface EngineEvent {
  readonly name: string;
  readonly atMs: number;
}

export interface PullProgress {
  readonly layer?: string | undefined;
  readonly status: string;
  readonly doneBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

/** The two directions of a container's stdin and stdout, and its stderr. */
export interface Attachment {
  readonly stdin: Writable;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  close(): void;
}

/** All of it throws EngineError, promptly when the signal is aborted; what is under way in the engine goes on there. */
export interface ContainerEngine {
  ping(signal: AbortSignal): Promise<void>;
  /** Its own clock, in milliseconds since the epoch: it may run on another machine than the fleet. */
  timeMs(signal: AbortSignal): Promise<number>;
  /** Those with all of these labels, running or not. */
  list(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly Seen[]>;
  inspect(name: string, signal: AbortSignal): Promise<Seen | undefined>;
  /** @returns its id */
  create(spec: ContainerSpec, signal: AbortSignal): Promise<string>;
  start(name: string, signal: AbortSignal): Promise<void>;
  /** Asks it to end, and kills it after the grace. Not running, or not there: all the better. */
  stop(name: string, graceMs: number, signal: AbortSignal): Promise<void>;
  /** With its anonymous volumes; resolves when it is gone. Not there: all the better. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  attach(name: string, signal: AbortSignal): Promise<Attachment>;
  /**
   * What happened since then, and what happens, until the stream breaks or the signal is aborted. Resolves when it listens.
   * @param sinceMs by the engine's clock; what happened at that very moment is told once more
   */
  events(
    labels: Readonly<Record<string, string>>,
    sinceMs: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<EngineEvent>>;
  pull(image: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void>;
  /** Creates it if it is not there. */
  network(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
}
