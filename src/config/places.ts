/**
 * The directories and files that a configuration speaks of, and the two .env files in them. They are settled first,
 * from the environment alone, because everything else may be set in those files.
 */
import { dirname, join, resolve } from 'node:path';
import type { Problem } from '../core/errors.ts';
import type { EnvFile, Environment, PresetChoice } from './config.ts';
import { type FoundEnvFile, readEnvFile } from './env-files.ts';
import { type VariableName, variable } from './variables.ts';

/** All absolute. */
export interface Places {
  readonly hubRoot: string;
  readonly hubVenv: string;
  readonly gatewayRoot: string;
  readonly gatewayVenv: string;
  readonly hubEnvFile: string | undefined;
  readonly gatewayEnvFile: string | undefined;
  /** Variables by which the operator named a file. */
  readonly named: ReadonlySet<string>;
}

export function placesOf(environment: Environment, cwd: string, { name }: PresetChoice): Places {
  const given = (variableName: VariableName) => environment[variableName]?.trim() || undefined;
  const at = (variableName: VariableName, otherwise: string) => resolve(cwd, given(variableName) ?? otherwise);
  const file = (variableName: VariableName, otherwise: string) =>
    given(variableName) || name === 'matrix' ? at(variableName, otherwise) : undefined;
  const hubRoot = at('APP_ROOT', String(variable('APP_ROOT').default));
  const gatewayRoot = at('GATEWAY_DIR', join(hubRoot, 'mcpgateway'));
  return {
    hubRoot,
    hubVenv: at('HUB_VENV', join(hubRoot, '.venv')),
    gatewayRoot,
    gatewayVenv: at('GATEWAY_VENV', join(gatewayRoot, '.venv')),
    hubEnvFile: file('HUB_ENV_FILE', join(hubRoot, '.env')),
    gatewayEnvFile: file('GATEWAY_ENV_FILE', join(gatewayRoot, '.env')),
    named: new Set((['HUB_ENV_FILE', 'GATEWAY_ENV_FILE'] as const).filter(given)),
  };
}

/** What the .env files say. */
export interface Files {
  readonly hub: EnvFile | undefined;
  readonly gateway: EnvFile | undefined;
  readonly problems: readonly Problem[];
}

/** Reads both. An example lies beside the file that it is for; the gateway's also in the hub's root. */
export async function readFiles({ hubRoot, hubEnvFile, gatewayEnvFile, named }: Places): Promise<Files> {
  const read = async (
    path: string | undefined,
    variableName: VariableName,
    examplesFor: (directory: string) => readonly string[],
  ): Promise<FoundEnvFile> => {
    if (path === undefined) return {};
    const namedBy = named.has(variableName) ? variableName : undefined;
    return readEnvFile({ path, examples: examplesFor(dirname(path)), namedBy });
  };
  const hub = await read(hubEnvFile, 'HUB_ENV_FILE', (directory) => [join(directory, '.env.example')]);
  const gateway = await read(gatewayEnvFile, 'GATEWAY_ENV_FILE', (directory) =>
    [directory, hubRoot].map((place) => join(place, '.env.gateway.local')),
  );
  const problems = [hub.problem, gateway.problem].filter((problem) => problem !== undefined);
  return { hub: hub.file, gateway: gateway.file, problems };
}
