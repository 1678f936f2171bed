/** Whether the run goes by a tandem.yaml, and by which. Only looks; small, because every start passes here. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Surroundings } from './load.ts';

/** A file that was chosen, and why. */
export interface ConfigChoice {
  /** As the operator calls it. */
  readonly name: string;
  readonly reason: string;
  /** The flag or the variable that names it. */
  readonly namedBy: string;
}

/** What the command line says about which services are run. */
export interface Wanted {
  readonly config: string | undefined;
  readonly preset: string | undefined;
  readonly profiles: readonly string[];
  readonly only: readonly string[];
}

const usualNames = ['tandem.yaml', 'tandem.yml', 'tandem.json'];

/** The file that the run goes by: the one that is named, or the one that lies here and no preset is asked for; if there is one. */
export function chooseConfig({ environment, cwd }: Surroundings, wanted: Wanted): ConfigChoice | undefined {
  const { config, preset } = wanted;
  if (config !== undefined) return { name: config, reason: 'named by --config', namedBy: '--config' };
  const variable = environment['TANDEM_CONFIG']?.trim();
  if (variable) return { name: variable, reason: 'named by TANDEM_CONFIG', namedBy: 'TANDEM_CONFIG' };
  if (preset !== undefined || environment['TANDEM_PRESET']?.trim()) return undefined;
  const found = usualNames.find((name) => existsSync(join(cwd, name)));
  return found === undefined ? undefined : { name: found, reason: `found in ${cwd}`, namedBy: found };
}
