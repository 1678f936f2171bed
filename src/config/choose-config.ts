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

/**
 * The file that the run goes by, if it goes by one. A flag beats the environment, and a file is more than a preset: one that is
 * named wins, one that only lies here does if no preset is asked for.
 */
export function chooseConfig({ environment, cwd }: Surroundings, wanted: Wanted): ConfigChoice | undefined {
  const { config, preset } = wanted;
  if (config !== undefined) return { name: config, reason: 'named by --config', namedBy: '--config' };
  if (preset !== undefined) return undefined;
  const variable = environment['TANDEM_CONFIG']?.trim();
  const isPresetSet = Boolean(environment['TANDEM_PRESET']?.trim());
  if (variable) {
    const reason = `named by TANDEM_CONFIG${isPresetSet ? ', which wins over TANDEM_PRESET' : ''}`;
    return { name: variable, reason, namedBy: 'TANDEM_CONFIG' };
  }
  if (isPresetSet) return undefined;
  const found = usualNames.find((name) => existsSync(join(cwd, name)));
  return found === undefined ? undefined : { name: found, reason: `found in ${cwd}`, namedBy: found };
}
