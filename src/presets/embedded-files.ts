/**
 * The pair's files, all below the data directory: where each one is, and the writing of those that must be there before
 * a start. The pair itself is told by its environment to write nowhere else.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '../core/errors.ts';
import { gatewayUrl } from './embedded-address.ts';
import { type EmbeddedOptions, type Environment, isOwn } from './embedded-options.ts';

/** What the hub calls the gateway, in its configuration and in its health. */
export const gatewayEntry = 'gateway';

/** The hub's configuration, which `prepareEmbedded` renders. */
export function hubConfigFile(dataDir: string): string {
  return join(hubHome(dataDir), 'config.json');
}

/** Where the memory server keeps its graph. It would look for a relative path inside its own package. */
export function memoryFile(dataDir: string, environment: Environment): string {
  return resolve(dataDir, environment['MEMORY_FILE_PATH'] || join('gateway', 'memory.jsonl'));
}

/** Where the hub keeps its state. HOME belongs to it, because a `~/.mcp-hub` would win over all the others. */
export function hubState({ directories }: EmbeddedOptions): Environment {
  const home = hubHome(directories.data);
  return {
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_DATA_HOME: join(home, 'share'),
    XDG_STATE_HOME: join(home, 'state'),
  };
}

/**
 * Makes the data directory ready for a start: directories, the hub's configuration, the seed of its registry cache.
 * Repeatable; files are replaced as a whole, readable by their owner only.
 * @throws ConfigError if the data directory cannot be written
 */
export function prepareEmbedded(options: EmbeddedOptions): void {
  const { data, pair } = options.directories;
  const hubFile = (...path: string[]) => join(hubHome(data), ...path);
  try {
    if (isOwn(options.gateway)) makeDirectory(dirname(memoryFile(data, options.gateway.environment)));
    if (!isOwn(options.hub)) return;
    replaceFile(hubConfigFile(data), hubConfig(options));
    // without a fresh cache the hub asks the internet for a list of servers before it starts anything
    replaceFile(
      hubFile('share', 'mcp-hub', 'cache', 'registry.json'),
      readFileSync(join(pair, 'registry.json'), 'utf8'),
    );
    // a hub that was killed at the wrong moment leaves a lock, which costs the next one a second
    rmSync(hubFile('state', 'mcp-hub', 'workspaces.json.lock'), { force: true });
    discard(hubFile('state', 'mcp-hub', 'logs', 'mcp-hub.log'));
  } catch (cause) {
    throw notWritable(data, cause);
  }
}

/** The gateway's URL is written out: the hub validates URLs before it would substitute a variable. */
function hubConfig(options: EmbeddedOptions): string {
  const url = gatewayUrl(options);
  const mcpServers = url === undefined ? {} : { [gatewayEntry]: { url } };
  return `${JSON.stringify({ mcpServers }, undefined, 2)}\n`;
}

function hubHome(dataDir: string): string {
  return join(dataDir, 'hub');
}

/** With all that is missing above it. Node's own way never ends where a file system takes no directories, as `/proc` does. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path, 0o700);
}

function replaceFile(path: string, text: string): void {
  replace(path, (draft) => writeFileSync(draft, text, { mode: 0o600 }));
}

/** The hub's log file grows without limit and only repeats what the hub prints: it is led to nowhere. */
function discard(path: string): void {
  replace(path, (draft) => symlinkSync('/dev/null', draft));
}

/** Nobody sees half a file; a draft that a crash left behind is in nobody's way. */
function replace(path: string, make: (draft: string) => void): void {
  const draft = `${path}.tmp`;
  makeDirectory(dirname(path));
  rmSync(draft, { force: true });
  make(draft);
  renameSync(draft, path);
}

function notWritable(dataDir: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ConfigError([
    { subject: 'TANDEM_DATA_DIR', message: `cannot write the pair's state below "${dataDir}": ${reason}` },
  ]);
}
