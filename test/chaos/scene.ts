/** Where a run lives, what it runs, and its environment. */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinWords } from '../../src/config/words.ts';
import { freePorts } from '../fixtures/e2e-run-pair.ts';
import { gatewaySecrets } from '../support/gateway-secrets.ts';
import { node } from '../support/run-tandem.ts';
import type { Run, RunOptions, Script } from './run.ts';

const serviceFixture = join(import.meta.dirname, '../fixtures/chaos-service.cjs');
/** What is run, where. */
export interface Stack {
  readonly directory: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
}

export interface Scene extends Stack {
  readonly ports: Run['ports'];
}

/** Of the gateway, the hub and health. */
export type Ports = readonly [number, number, number];

/** The three of the presets, and of every tandem.yaml here. */
export const services = ['migrations', 'gateway', 'hub'] as const;

export async function makeScene(options: RunOptions): Promise<Scene> {
  const [gateway, hub, health] = await freePorts(3);
  const scene = options.stack ?? fixtureScene(options, [gateway, hub, health]);
  options.prepare?.(scene.directory);
  const env: Record<string, string> = { ...scene.env, TANDEM_HEALTH_PORT: String(health), ...options.env };
  const own = options.stack && { gateway: Number(env['GW_PORT']), hub: Number(env['PORT']) };
  return { ...scene, env, ports: { gateway, hub, ...own, health } };
}

function fixtureScene(options: RunOptions, ports: Ports): Stack {
  const directory = makeDirectory();
  const isContainer = options.form === 'container';
  const env = {
    E2E_DIR: directory,
    HOME: directory,
    TANDEM_OUTPUT: options.mode,
    TANDEM_LOG_FORMAT: 'json',
    ...(!isContainer && {
      PATH: process.env['PATH'] ?? '',
      TANDEM_RUNTIME_DIR: join(directory, 'run'),
      TANDEM_DATA_DIR: join(directory, 'data'),
    }),
  };
  if (options.image === 'matrix') return { directory, args: ['run'], env: matrixEnvironment(directory, ports) };
  if (!options.yaml) return { directory, args: ['run'], env: { ...env, ...pairEnvironment(options, ports) } };
  const file = join(directory, 'tandem.yaml');
  writeFileSync(file, options.yaml(ports));
  return { directory, args: ['run', '--config', file], env };
}

function matrixEnvironment(directory: string, [gateway, hub]: Ports) {
  return {
    ...{ E2E_DIR: directory, TANDEM_OUTPUT: 'raw', TANDEM_LOG_FORMAT: 'json', HOST: '127.0.0.1', GW_HOST: '127.0.0.1' },
    ...{ GW_PORT: String(gateway), PORT: String(hub), HUB_WORKERS: '1', GW_WORKERS: '2' },
    ...gatewaySecrets,
  };
}

function pairEnvironment({ form, scripts }: RunOptions, [gateway, hub]: Ports) {
  const command = (name: string, script?: Script) =>
    joinWords(serviceWords(name, script, form === 'container' ? 'node' : node));
  return {
    TANDEM_PRESET: 'embedded',
    HOST: '127.0.0.1',
    GW_PORT: String(gateway),
    PORT: String(hub),
    GW_COMMAND: command('gateway', scripts?.gateway),
    HUB_COMMAND: command('hub', scripts?.hub),
    ...(scripts?.migrations && { MIGRATE_COMMAND: command('migrations', scripts.migrations) }),
  };
}

/** The words that run a service of the fixture. */
export function serviceWords(name: string, script: Script = {}, runner = node): string[] {
  return [runner, serviceFixture, name, JSON.stringify(script)];
}

/** A short path, because a socket goes below it; a container's user may write there, too. */
function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-chaos-'));
  chmodSync(directory, 0o777);
  mkdirSync(join(directory, 'run'), { mode: 0o700 });
  return directory;
}
