/** A tandem.yaml for a test, and what becomes of it. */
import { join } from 'node:path';
import { type ReadStack, readStack, type Stack, type StackContext } from '../../../src/config/stack/stack.ts';
import { ConfigError } from '../../../src/core/errors.ts';
import type { ServiceSpec } from '../../../src/core/spec.ts';

export interface Around {
  readonly environment?: Readonly<Record<string, string>>;
  readonly profiles?: readonly string[];
  /** Where the file is. */
  readonly directory?: string;
  readonly etc?: string;
  readonly self?: StackContext['self'];
  readonly user?: StackContext['user'];
  readonly shownAs?: string;
}

/** What becomes of a text. */
export function read(text: string | Uint8Array, around: Around = {}): Promise<ReadStack> {
  const { environment = {}, profiles = [], directory = '/nowhere', etc, self, user, shownAs = 'tandem.yaml' } = around;
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return readStack({ path: join(directory, shownAs), shownAs, bytes }, { environment, profiles, etc, self, user });
}

/** The stack that a text describes. */
export async function parse(text: string | Uint8Array, around: Around = {}): Promise<Stack> {
  const { stack, problems } = await read(text, around);
  if (!stack) throw new ConfigError(problems);
  return stack;
}

/** The spec of its only service, or of the named one. */
export async function specIn(text: string, around: Around = {}, name?: string): Promise<ServiceSpec> {
  const { specs } = await parse(text, around);
  const spec = name === undefined ? specs[0] : specs.find((one) => one.name === name);
  if (!spec) throw new Error(`no service ${name ?? ''}`);
  return spec;
}

/** `FILE:LINE:COLUMN: message` for all that is wrong; nothing if it is accepted. */
export async function complaintsOf(text: string | Uint8Array, around: Around = {}): Promise<readonly string[]> {
  const { problems } = await read(text, around);
  return problems.map(({ subject, message }) => `${subject}: ${message}`);
}
