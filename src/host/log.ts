/**
 * tandem's own events: pino records on stderr, readable lines on a terminal. Messages are constant, facts are fields,
 * secrets arrive masked.
 *
 * pino takes 8 ms to load, which the first child must not wait for: what is logged before `load` is kept, with its time,
 * and written then; later, too, a record is written at the end of the event loop's turn, because what is told is not to wait for
 * the telling: a signal to a sibling, a spawn. Where it cannot be loaded, records are written without it, as JSON: how tandem ends must not hang on
 * its log. Records go through the sink of stderr (output-sink.ts), so a reader that stalls never blocks PID 1:
 * up to 1 MiB is queued, then records are dropped and counted, and `flush` waits for a bounded time.
 */
import { visible, visibleLines } from '../core/visible.ts';
import { openSink, type Sink } from './output-sink.ts';

/** The facts of a record. An `Error` goes under `err`. `level`, `time`, `name` and `msg` are the record's own. */
export type Fields = Readonly<Record<string, unknown>>;

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface Log {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  /** Loads pino and writes what was kept. To be called once the first child is on its way. Never rejects. */
  load(): Promise<void>;
  /** Resolves when the kernel has every record, at the latest after `limitMs` (default 1000). Loads pino if need be. */
  flush(limitMs?: number): Promise<void>;
}

export interface LogOptions {
  /** The least level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** `HH:MM:SS.mmm LEVEL: message key=value …` instead of JSON. Default false. */
  readonly pretty?: boolean;
  /** Colours in pretty lines. Default true. */
  readonly color?: boolean;
  /** The `name` field of every record. Default `tandem`. */
  readonly name?: string;
  /** Where records go; asked when the first one is written. Default stderr, as a descriptor that children share. */
  readonly sink?: () => Sink;
}

type RecordLevel = 'debug' | 'info' | 'warn' | 'error';

interface LogRecord {
  /** Wall time, milliseconds. */
  readonly time: number;
  readonly level: RecordLevel;
  readonly fields: Fields;
  readonly message: string;
}

/** pino's numbers. */
const severity = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Number.POSITIVE_INFINITY,
} as const satisfies Record<LogLevel, number>;

const maxQueuedBytes = 1024 * 1024;

/** Makes the log. Cheap: nothing is loaded or opened yet. */
export function makeLog(options: LogOptions = {}): Log {
  const { level: leastLevel = 'info', sink: sinkOf = () => openSink(2, { shared: true }) } = options;
  const waiting: LogRecord[] = [];
  let write: ((record: LogRecord) => void) | undefined;
  let next: NodeJS.Immediate | undefined;
  let loading: Promise<void> | undefined;

  const writeAll = () => {
    next = undefined;
    if (write) for (const record of waiting.splice(0)) write(record);
  };
  const logAt = (level: RecordLevel) => (fields: Fields, message: string) => {
    if (severity[level] < severity[leastLevel]) return;
    waiting.push(record(level, fields, message));
    if (write && next === undefined) next = setImmediate(writeAll);
  };

  const loadAndWrite = async () => {
    const sink = sinkOf();
    try {
      write = await loadWriter(options, sink);
    } catch (error) {
      write = plainWriter(options, sink);
      write(record('warn', { err: error }, 'the log is written without pino, which cannot be loaded'));
    }
    writeAll();
  };
  const load = () => {
    loading ??= loadAndWrite();
    return loading;
  };

  return {
    debug: logAt('debug'),
    info: logAt('info'),
    warn: logAt('warn'),
    error: logAt('error'),
    load,
    async flush(limitMs = 1000) {
      // No turn is lost on the way out: the kernel writes while the rest is closed.
      if (!write) await load();
      writeAll();
      await sinkOf().flush(limitMs);
    },
  };
}

function record(level: RecordLevel, fields: Fields, message: string): LogRecord {
  return { time: Date.now(), level, fields, message };
}

/** What turns a record into a line at the sink. */
async function loadWriter(options: LogOptions, sink: Sink): Promise<(record: LogRecord) => void> {
  const { pino } = await import('pino');
  const format = options.pretty ? await loadPrettyFormat(options.color ?? true) : visibleLines;
  let recordTime = 0;
  const { level = 'info', name = 'tandem' } = options;
  const queue = makeBoundedQueue(sink, (dropped) => write(record('warn', { dropped }, 'log records dropped')));
  const logger = pino(
    // Not pino's own pid and hostname: `pid` is a service's here, and a container's name is known to who reads its log.
    { name, level, base: {}, timestamp: () => `,"time":${recordTime}` },
    { write: (line) => queue(format(line)) },
  );
  function write(record: LogRecord): void {
    recordTime = record.time;
    logger[record.level](record.fields, record.message);
  }
  return write;
}

/** The same lines as pino's, JSON also where they should be pretty. */
function plainWriter({ level: leastLevel = 'info', name = 'tandem' }: LogOptions, sink: Sink) {
  const queue = makeBoundedQueue(sink, (dropped) => write(record('warn', { dropped }, 'log records dropped')));
  function write({ time, level, fields, message }: LogRecord): void {
    if (severity[level] < severity[leastLevel]) return;
    const record = { level: severity[level], time, name, ...fields, msg: message };
    queue(`${visibleLines(JSON.stringify(record, withoutErrors))}\n`);
  }
  return write;
}

/** An error has nothing that JSON would show. */
function withoutErrors(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return { type: value.name, message: value.message, stack: value.stack };
}

/** A log cannot wait for its reader as output can: beyond its bound it drops, and says how many once there is room. */
function makeBoundedQueue(sink: Sink, report: (dropped: number) => void): (line: string) => void {
  let queuedBytes = 0;
  let dropped = 0;
  return (line) => {
    if (queuedBytes > maxQueuedBytes) {
      dropped += 1;
      return;
    }
    queuedBytes += line.length;
    sink.write(line, () => {
      queuedBytes -= line.length;
      if (dropped === 0 || queuedBytes > 0) return;
      const count = dropped;
      dropped = 0;
      report(count);
    });
  };
}

/** `12:34:56.789 INFO: service state service=hub from=starting to=ready`. */
async function loadPrettyFormat(color: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty');
  const prettify = prettyFactory({
    colorize: color,
    translateTime: 'SYS:HH:MM:ss.l',
    customPrettifiers: { time: String },
  });
  return (line) => {
    // Only these: pino-pretty has ideas of its own about fields like `pid`, and wants a line for each.
    const { level, time, msg, name: _, ...facts } = JSON.parse(line) as Record<string, unknown>;
    const head = prettify({ level, time, msg: visible(String(msg)) }).trimEnd();
    return `${[head, ...Object.entries(facts).map(factText)].join(' ')}\n`;
  };
}

function factText([key, value]: [string, unknown]): string {
  return hasStack(value) ? `\n    ${visibleLines(value.stack)}` : visible(`${key}=${readable(value)}`);
}

/** An error as pino serialises it. Its stack is for a person, not for one line. */
function hasStack(value: unknown): value is { readonly stack: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string';
}

/** Plain words as they are, everything else as JSON, so that no line break reaches the log. */
function readable(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@+-]+$/.test(value) ? value : (JSON.stringify(value) ?? String(value));
}
