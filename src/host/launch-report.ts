/**
 * How tandem hears from the exec helper: by a pipe that a successful exec closes. Silence means that the command itself
 * is running; words mean that it could not be started, and why. (The helper closes nothing itself: close-on-exec does.)
 */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { LaunchFailure } from '../core/ports.ts';
import type { Addon } from './native.ts';

/** The report of one launch. Exactly one of `read` and `close` is called, after the spawn. */
export interface LaunchReport {
  /** Our copy of the helper's end. */
  readonly helperEnd: number;
  /** Resolves when the command runs, or with the reason why it does not. Aborted: as if it ran. */
  read(signal: AbortSignal): Promise<LaunchFailure | undefined>;
  /** Nothing was spawned. */
  close(): void;
}

/** Opens a report, or none where no pipe can be had: then a failed exec is an exit with 126 or 127. */
export function openLaunchReport(addon: Addon | undefined): LaunchReport | undefined {
  const pipe = addon?.pipe();
  if (pipe === undefined || typeof pipe === 'number') return undefined;
  const [ourEnd, helperEnd] = pipe;
  return {
    helperEnd,
    async read(signal) {
      closeSync(helperEnd); // else the end would never come
      return parseReport(await readAll(ourEnd, signal));
    },
    close() {
      closeSync(helperEnd);
      closeSync(ourEnd);
    },
  };
}

/** A socket, not `fs.read`: the thread pool may be held up by name lookups. */
function readAll(fd: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const reader = new Socket({ fd, readable: true, writable: false }).setEncoding('utf8');
    reader.on('data', (chunk: string) => {
      text += chunk;
    });
    const giveUp = () => reader.destroy();
    signal.addEventListener('abort', giveUp);
    reader.on('error', () => {}); // `close` follows
    reader.on('close', () => {
      signal.removeEventListener('abort', giveUp);
      resolve(text);
    });
    if (signal.aborted) giveUp();
  });
}

function parseReport(text: string): LaunchFailure | undefined {
  const [, code, message] = /^(\d+) (.*)$/s.exec(text) ?? [];
  return message === undefined ? undefined : { code: code === '127' ? 127 : 126, message };
}
