/** Everything that the operator has said, by words, variables and the file. Whatever is wrong in any of them is told at once. */
import { readFileSync } from 'node:fs';
import { ConfigError, type Problem } from '../core/errors.ts';
import { type CommandLine, readCommandLine } from './command-line.ts';
import { type FleetSettings, readSettings } from './settings/settings.ts';

export interface Configuration {
  readonly commandLine: CommandLine;
  readonly settings: FleetSettings;
}

/**
 * @throws UsageError if the words cannot be read
 * @throws ConfigError with all that is wrong
 */
export async function configure(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<Configuration> {
  const { configPath, commandLine, problems } = readCommandLine(argv, environment);
  const read = configPath === undefined ? { problems: [] } : await settingsIn(configPath, environment);
  const all = [...problems, ...('problems' in read ? read.problems : [])];
  if (all.length > 0 || 'problems' in read) throw new ConfigError(all);
  return { commandLine, settings: read.settings };
}

async function settingsIn(path: string, environment: NodeJS.ProcessEnv) {
  const bytes = bytesOf(path);
  return Buffer.isBuffer(bytes) ? readSettings(bytes, path, environment) : { problems: [bytes] };
}

function bytesOf(path: string): Buffer | Problem {
  try {
    return readFileSync(path);
  } catch (error) {
    return { subject: path, message: `cannot be read: ${(error as NodeJS.ErrnoException).code}` };
  }
}
