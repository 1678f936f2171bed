/** The pair's own command lines: which packages they are, where those are installed, and the flags they are run with. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ConfigError, type Problem } from '../core/errors.ts';
import { hubConfigFile } from './embedded-files.ts';
import { type Command, type EmbeddedOptions, isOwn } from './embedded-options.ts';

/** Where the pair's own programs answer. */
export const ownHealthPath = { gateway: '/healthz', hub: '/api/health' } as const;

/**
 * The commands of the pair's own programs, as far as they are run.
 * @throws ConfigError naming every package that is missing
 */
export function ownCommands(options: EmbeddedOptions): { readonly gateway?: Command; readonly hub?: Command } {
  const problems: Problem[] = [];
  const entryOf = (name: string) => {
    const entry = findEntry(options.directories.pair, name);
    if (entry === undefined) problems.push(notInstalled(options.directories.pair, name));
    return entry ?? '';
  };
  const commands = {
    ...(isOwn(options.gateway) && { gateway: gatewayCommand(options, entryOf) }),
    ...(isOwn(options.hub) && { hub: hubCommand(options, entryOf) }),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return commands;
}

function gatewayCommand(options: EmbeddedOptions, entryOf: (name: string) => string): Command {
  const { port, healthPath } = options.gateway;
  const words = [process.execPath, entryOf('@modelcontextprotocol/server-memory')];
  return [
    ...loopbackNode(options),
    entryOf('supergateway'),
    // a shell runs this line; without exec it would stay between the gateway and the memory server
    ...['--stdio', ['exec', ...words.map(quote)].join(' ')],
    // not its SSE transport, which hands answers to the wrong client when there are several
    ...['--outputTransport', 'streamableHttp', '--stateful'],
    ...['--port', String(port), '--healthEndpoint', healthPath?.split('?')[0] || ownHealthPath.gateway],
    // any other level prints the payload of every call
    ...['--logLevel', 'none'],
  ];
}

function hubCommand(options: EmbeddedOptions, entryOf: (name: string) => string): Command {
  const { directories, hub } = options;
  return [
    ...loopbackNode(options),
    entryOf('mcp-hub'),
    ...['--port', String(hub.port), '--config', hubConfigFile(directories.data)],
  ];
}

/** Node with the preload that keeps a server on its host; a flag, so that NODE_OPTIONS stays the user's. */
function loopbackNode({ directories }: EmbeddedOptions): [string, ...string[]] {
  return [process.execPath, '--require', join(directories.pair, 'loopback.cjs')];
}

/** The file behind a package's only command. */
function findEntry(pairDir: string, name: string): string | undefined {
  try {
    const manifest = createRequire(join(pairDir, 'package.json')).resolve(`${name}/package.json`);
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin?: Record<string, string> };
    const [entry] = Object.values(bin ?? {});
    return entry === undefined ? undefined : join(dirname(manifest), entry);
  } catch {
    return undefined;
  }
}

function notInstalled(pairDir: string, name: string): Problem {
  return { subject: name, message: `cannot find this package from "${pairDir}"; install the pair with \`npm ci\`` };
}

/** One word of a POSIX shell's command line. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
