/**
 * The two .env files, one for each service. They are parsed by dotenv and never by a shell, so quotes, JSON, `$$`, `&`
 * and CRLF survive. Nothing is written here: `presets/env-example.ts` makes a missing file before the start.
 */
import { existsSync } from 'node:fs';
import type { Problem } from '../core/errors.ts';
import type { EnvFile } from './config.ts';
import { readTrusted } from './trusted-file.ts';

/** Where a service's .env file is, and what stands in for it. */
export interface EnvFileSource {
  readonly path: string;
  /** The first one that exists is used where the file itself does not. */
  readonly examples: readonly string[];
  /** The variable by which the operator named the file; a file that was named must be there. */
  readonly namedBy: string | undefined;
}

/** What was found. No file and no problem: there is none, and there need not be. */
export interface FoundEnvFile {
  readonly file?: EnvFile;
  readonly problem?: Problem;
}

/** Reads one file, or its example. Writes nothing. */
export async function readEnvFile({ path, examples, namedBy }: EnvFileSource): Promise<FoundEnvFile> {
  const example = existsSync(path) ? undefined : examples.find((candidate) => existsSync(candidate));
  if (example === undefined && !existsSync(path)) {
    return namedBy === undefined ? {} : { problem: { subject: namedBy, message: `"${path}" does not exist` } };
  }
  const read = readTrusted(example ?? path);
  if ('problem' in read) {
    return { problem: { subject: namedBy ?? path, message: `"${example ?? path}" ${read.problem}` } };
  }
  const { parse } = await import('dotenv');
  return { file: { path, values: parse(read.bytes.toString('utf8')), example, remarks: read.remarks } };
}
