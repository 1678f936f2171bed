/** Words for the configuration files of others. */
import { chmodSync, writeFileSync } from 'node:fs';

/** The words as a shell, an ini file and a Procfile all read them. The bench's own words need no quotes, and none has any. */
export function joined(words: readonly string[]): string {
  const odd = words.find((word) => !/^[\w./:=@+,-]+$/.test(word));
  if (odd !== undefined) throw new Error(`cannot write ${JSON.stringify(odd)} without quotes`);
  return words.join(' ');
}

export function executable(file: string, text: string): string {
  writeFileSync(file, text);
  chmodSync(file, 0o755);
  return file;
}

/** Shell: true as soon as somebody listens on the port. */
export const listens = (port: number | undefined): string => `(: </dev/tcp/127.0.0.1/${port}) 2>/dev/null`;

/** `NAME=value` of an environment, one each. */
export const pairs = (environment: Readonly<Record<string, string>>): string[] =>
  Object.entries(environment).map(([name, value]) => `${name}=${value}`);
