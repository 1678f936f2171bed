/**
 * The native parts: `reaper.node`, the addon, `launch`, the exec helper, `guard`, and `hold.so`, which only `launch` uses.
 * Finds and loads what the build made, and says what is lost where it made nothing. It never fails: tandem runs without
 * them, with less.
 */
import { accessSync, constants } from 'node:fs';
import { basename, join, resolve } from 'node:path';

/**
 * The addon: system calls as they are, with the kernel's negative errno for an error. `reaper.c`, `listeners.c`,
 * `lines.c` and `ask.c` in `src/native` describe each.
 */
export interface Addon extends LineWriter {
  /** The pid of the next ended child, left uncollected; 0 if there is none. */
  peekZombie(): number;
  /** Collects this ended child. False if it has not ended. */
  reap(pid: number): boolean | number;
  /** From now on orphans below this process become its children. */
  becomeSubreaper(): boolean;
  /** Nobody without CAP_SYS_PTRACE may trace this process or read its memory, environment and descriptors; no core dumps. */
  closeMemory(): boolean;
  /** A real pipe, `[readEnd, writeEnd]`, both closed on exec. */
  pipe(): [number, number] | number;
  /** Asks for a size in bytes; returns the size that the pipe has then. */
  setPipeSize(fd: number, bytes: number): number;
  /** A TCP socket bound to an address, given as a 32-bit number, and a port; its descriptor, closed on exec. */
  bindIPv4(address: number, port: number): number;
  /** Asks who listens on a Unix socket and blocks until the answer has ended: its length, in `answer`. */
  ask(path: string, question: string, answer: Buffer, limitMs: number): number;
  /** Ends the process at once: no teardown, no thread is waited for. */
  exit(code: number): never;
  /** From now on notes the signals of this set (bit N for signal N) that another process sends; SIGCHLD follows each. */
  catchSignals(set: number): void;
  /** The set of those that came since the last call. */
  takeCaught(): number;
  /** Collects all garbage and gives its memory back to the system; takes some milliseconds. */
  giveBack(): void;
  /** The TCP sockets that listen on a port, whatever they are bound to. */
  listeners(port: number): { address: string; uid: number; inode: number }[] | number;
  /** 1 if a connect to this literal address would be accepted, 0 if not. */
  listensAt(address: string, port: number): number;
  /** Starts the thread that watches doors; SIGCHLD tells that one is open. Once. */
  startWatch(): number;
  /** From now on this door is watched, the less often the longer it has been waited for; its number. */
  watchDoor(address: string, port: number, waitedMs: number): number;
  /** Somebody has been seen to listen at this door. */
  isOpen(door: number): boolean;
  /** This door is not watched any more. */
  forgetDoor(door: number): number;
  /** Makes this process' group the terminal's foreground group again if `group` is it now. */
  takeTerminal(group: number): number;
}

/** Whole lines as they look at the destination, into `out`: how much of it was filled, or -1 if that is not for the addon. */
export interface LineWriter {
  /** Each behind this prefix; -1 also for control characters. */
  prefixLines(lines: Buffer, prefix: Buffer, out: Buffer): number;
  /** Each, which must be UTF-8, as a string that this head begins and that ends its record. */
  jsonLines(lines: Buffer, head: Buffer, out: Buffer): number;
}

/** What was found. */
export interface Native {
  readonly reaper?: Addon;
  readonly launcherPath?: string;
  readonly guardPath?: string;
  /** For each part that is not there, what is lost by it. */
  readonly missing: readonly string[];
}

let loaded: Native | undefined;

/** The native parts beside the bundle, or in `TANDEM_NATIVE_DIR`. Looked for once, when first asked. */
export function native(): Native {
  const { TANDEM_NATIVE_DIR: directory } = process.env;
  loaded ??= loadNative(resolve(directory || nativeDirectory()));
  return loaded;
}

/** Loads the native parts from a directory. */
export function loadNative(directory: string): Native {
  const missing: string[] = [];
  const reaper = attempt(() => loadAddon(join(directory, 'reaper.node')), missing, {
    part: 'reaper.node',
    lost: 'adopted orphans stay zombies, and services of the same user can read the memory of tandem',
  });
  const launcherPath = attempt(() => executable(join(directory, 'launch')), missing, {
    part: 'launch',
    lost:
      'services outlive a tandem that is killed, lose supplementary groups and the original file limit, ' +
      'and no terminal is handed over',
  });
  const guardPath = attempt(() => executable(join(directory, 'guard')), missing, {
    part: 'guard',
    lost: 'what a service has started outlives a tandem that is killed',
  });
  attempt(() => accessSync(join(directory, 'hold.so'), constants.R_OK), missing, {
    part: 'hold.so',
    lost: 'as PID 1 a signal that comes while Node itself starts is dropped',
  });
  return {
    ...(reaper && { reaper }),
    ...(launcherPath !== undefined && { launcherPath }),
    ...(guardPath !== undefined && { guardPath }),
    missing,
  };
}

/** In the shipped form this file is dist/tandem.cjs; from source, for the tests, it is src/host/native.ts. */
function nativeDirectory(): string {
  return basename(__filename) === 'native.ts' ? join(__dirname, '../../dist/native') : join(__dirname, 'native');
}

function attempt<T>(load: () => T, missing: string[], { part, lost }: { part: string; lost: string }): T | undefined {
  try {
    return load();
  } catch (error) {
    missing.push(`${part} ${reasonOf(error)}: ${lost}`);
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (process.platform !== 'linux') return 'is for Linux only';
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 'was not built' : `cannot be used (${message})`;
}

function loadAddon(path: string): Addon {
  accessSync(path, constants.R_OK);
  const module: { exports: unknown } = { exports: {} };
  // dlopen, not require: the path is known only now, and a bundler must leave it alone.
  process.dlopen(module, path);
  return module.exports as Addon;
}

function executable(path: string): string {
  accessSync(path, constants.X_OK);
  return path;
}
