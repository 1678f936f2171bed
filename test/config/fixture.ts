/** Surroundings for the tests of config, presets and cli: a scratch directory and nothing of this machine. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import type { Config, PresetName } from '../../src/config/config.ts';
import { loadConfig, type Surroundings } from '../../src/config/load.ts';
import { ConfigError, type Problem } from '../../src/core/errors.ts';

type Variables = Readonly<Record<string, string>>;

/** A directory with these files in it, gone after the test. Files below `bin/` are executable. */
export function scratchDir(t: Test, files: Variables = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    if (name.includes('bin/')) chmodSync(path, 0o755);
  }
  return directory;
}

/** No terminal, and a working directory where nothing is. */
export function surroundings(environment: Variables, more: Partial<Surroundings> = {}): Surroundings {
  return { environment, cwd: '/nowhere', installDir: '/nowhere/tandem', isTerminal: () => false, ...more };
}

/** The configuration of a preset that was asked for. */
export function load(
  environment: Variables,
  name: PresetName = 'embedded',
  more: Partial<Surroundings> = {},
): Promise<Config> {
  return loadConfig(surroundings(environment, more), { name, reason: 'a test wants it' });
}

/** The problems for which a configuration is refused; none if it is not. */
export async function problemsOf(attempt: Promise<unknown>): Promise<readonly Problem[]> {
  try {
    await attempt;
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
