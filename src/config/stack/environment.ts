/** The whole environment of one service: what it inherits, its env files in order, and above them its own variables. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Environment } from '../config.ts';
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
    const { values, problem } = await readVariables(place, file.format ?? 'dotenv');
    const isMissing = problem === 'ENOENT' && file.required === false;
    if (problem && !isMissing) {
      const what =
        problem === 'ENOENT' ? 'does not exist; accepted: a file, or required: false' : `cannot be read: ${problem}`;
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

/** The variables of a file; `problem` is the system's word for why there are none. */
export async function readVariables(
  path: string,
  format: 'dotenv' | 'raw',
): Promise<{ readonly values: Environment; readonly problem?: string }> {
  try {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    if (text === undefined) return { values: {}, problem: 'ENOENT' };
    if (text.includes('\0')) return { values: {}, problem: 'it has a NUL character' };
    if (format === 'raw') return { values: parseRaw(text) };
    const { parse } = await import('dotenv');
    return { values: parse(text) };
  } catch (error) {
    return { values: {}, problem: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
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
