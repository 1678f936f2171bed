/** What a container gets as its environment: what the configuration says, and secrets from their files. */
import { readFileSync } from 'node:fs';
import { trimEnd } from '../core/trim.ts';
import { EngineError } from './engine.ts';
import type { ServerSettings } from './settings/settings.ts';

/** @throws EngineError if a secret's file cannot be read: the container is not started without it */
export function environmentOf(
  { environment, secrets }: ServerSettings,
  own: NodeJS.ProcessEnv,
): Readonly<Record<string, string>> {
  const said = Object.entries(environment).flatMap(([name, value]): [string, string][] => {
    const text = value ?? own[name];
    return text === undefined ? [] : [[name, text]];
  });
  const read = Object.entries(secrets).map(([name, path]): [string, string] => [name, secretIn(name, path)]);
  return Object.fromEntries([...said, ...read]);
}

function secretIn(name: string, path: string): string {
  try {
    return trimEnd(readFileSync(path, 'utf8'), '\n');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new EngineError('refused', `the secret ${name} cannot be read from "${path}": ${code}`, { cause: error });
  }
}
