/**
 * The files that tandem goes by: its configuration, .env files, secrets. Whatever lies there in their place, a pipe that
 * nobody writes to, a device, a disk's worth of zeros, reading it ends soon; and if somebody else could have written it,
 * that is said.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import type { Remark } from './config.ts';

/** What a file of text may have; one of NAME=VALUE lines or a tandem.yaml has a few kilobytes. */
export const mostTextBytes = 1024 * 1024;

/** The bytes, and what the operator should know of the file; or why there are none, as a code of the system where it is one. */
export type TrustedFile =
  | { readonly bytes: Buffer; readonly remarks: readonly Remark[] }
  | { readonly problem: string; readonly code?: string | undefined };

/** Reads a regular file of at most `mostBytes` bytes. */
export function readTrusted(path: string, mostBytes: number = mostTextBytes): TrustedFile {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stats = fstatSync(file);
    if (!stats.isFile()) return { problem: 'is no file' };
    if (stats.size > mostBytes)
      return { problem: `is too long: ${stats.size} bytes; accepted: at most ${mostBytes}`, code: 'EFBIG' };
    const bytes = readUpTo(file, mostBytes + 1);
    // Files of the kernel's own, in /proc, say nothing of their size.
    if (bytes.length > mostBytes)
      return { problem: `is too long; accepted: at most ${mostBytes} bytes`, code: 'EFBIG' };
    return { bytes, remarks: doubts(path, stats) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { problem: code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code ?? String(error)}`, code };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function readUpTo(file: number, mostBytes: number): Buffer {
  const chunks: Buffer[] = [];
  for (let length = 0; length < mostBytes; ) {
    const chunk = Buffer.alloc(Math.min(64 * 1024, mostBytes - length));
    const read = readSync(file, chunk);
    if (read === 0) break;
    chunks.push(chunk.subarray(0, read));
    length += read;
  }
  return Buffer.concat(chunks);
}

const writableByOthers = 0o002;

/** Root may change everything anyway; groups are left to the operator, who may want to share. */
function doubts(path: string, { uid, mode }: Stats): Remark[] {
  const isForeign = uid !== 0 && uid !== (process.geteuid?.() ?? uid);
  if (!isForeign && (mode & writableByOthers) === 0) return [];
  const facts = { path, owner: uid, mode: (mode & 0o7777).toString(8).padStart(4, '0') };
  return [{ level: 'warn', message: 'others can change a file that tandem goes by', facts }];
}
