/** The whole environment of one service: what it inherits, its env files in order, and above them its own variables. */
import { resolve } from 'node:path';
import type { Environment, Remark } from '../config.ts';
import { readTrusted } from '../trusted-file.ts';
import type { Complaints } from './complaints.ts';
import type { Lookup } from './interpolate.ts';
import type { ServiceInput } from './keys.ts';
import type { Path } from './located.ts';

/** Where a service's variables come from. */
export interface Sources {
  /** Tandem's own environment, with secrets read from their files. */
  readonly environment: Environment;
  /** What a name without a value takes: tandem's environment, then the .env file. */
  readonly lookup: Lookup;
  /** Relative paths start here. */
  readonly directory: string;
}

/**
 * @param path of the service
 * @param home of its user, where that is another than tandem's: an inherited HOME would be somebody else's
 */
export async function environmentOf(
  service: ServiceInput,
  sources: Sources,
  complaints: Complaints,
  path: Path,
  home: string | undefined,
): Promise<Environment> {
  const base = home === undefined ? sources.environment : { ...sources.environment, HOME: home };
  const entries = Object.entries(inherited(service, base));
  for (const [index, file] of (service.env_file ?? []).entries()) {
    const place = resolve(sources.directory, file.path);
    const { values, problem, isMissing, remarks } = await readVariables(place, file.format ?? 'dotenv');
    complaints.remarks.push(...remarks);
    if (problem && !(isMissing && file.required === false)) {
      const what = isMissing ? `${problem}; accepted: a file, or required: false` : problem;
      complaints.at([...path, 'env_file', ...(service.env_file?.length === 1 ? [] : [index])], `"${place}" ${what}`);
    }
    entries.push(...Object.entries(values));
  }
  for (const [name, value] of Object.entries(service.environment ?? {})) {
    const set = value ?? sources.lookup(name);
    if (set !== undefined) entries.push([name, set]);
  }
  return Object.fromEntries(entries);
}

function inherited({ inherit_environment: rule = true }: ServiceInput, environment: Environment): Environment {
  if (rule === false) return {};
  const isWanted = (name: string) => {
    if (Array.isArray(rule)) return rule.includes(name);
    if (name.startsWith('TANDEM_')) return false;
    return rule === true || !(rule as { except: readonly string[] }).except.includes(name);
  };
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isWanted(name)));
}

export interface ReadVariables {
  readonly values: Environment;
  /** Why there are none. */
  readonly problem?: string;
  readonly isMissing?: true;
  /** What the operator should know of the file itself. */
  readonly remarks: readonly Remark[];
}

/** The variables of a file. */
export async function readVariables(path: string, format: 'dotenv' | 'raw'): Promise<ReadVariables> {
  const read = readTrusted(path);
  const nothing = { values: {}, remarks: [] };
  if ('problem' in read) {
    return { ...nothing, problem: read.problem, ...(read.code === 'ENOENT' && { isMissing: true }) };
  }
  const { bytes, remarks } = read;
  const text = bytes.toString('utf8');
  if (text.includes('\0')) return { ...nothing, problem: 'cannot be read: it has a NUL character' };
  if (format === 'raw') return { values: parseRaw(text), remarks };
  const { parse } = await import('dotenv');
  return { values: parse(text), remarks };
}

/** Lines of NAME=value; everything behind the first = is the value. */
function parseRaw(text: string): Environment {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const entries = lines.flatMap((line) => {
    const at = line.indexOf('=');
    return at <= 0 || line.trimStart().startsWith('#') ? [] : [[line.slice(0, at).trim(), line.slice(at + 1)] as const];
  });
  return Object.fromEntries(entries);
}
