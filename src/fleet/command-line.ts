/** The words and variables of `tandem fleet`. All that is wrong is told at once. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import type { Problem } from '../core/errors.ts';

export const usage = 'tandem fleet [--config FILE] [--host ADDRESS] [--port PORT] [--token-file FILE] [--schema]';

export const help = `tandem fleet: runs MCP servers as containers, on demand.

Usage: ${usage}
  --config FILE       the hub's configuration with its part "docker" (MCP_HUB_CONFIG)
  --host ADDRESS      where the API listens (TANDEM_FLEET_HOST, 127.0.0.1); elsewhere than on a loopback address it wants a token
  --port PORT         (TANDEM_FLEET_PORT, 3456)
  --token-file FILE   the bearer token that every request must have (TANDEM_FLEET_TOKEN_FILE, or TANDEM_FLEET_TOKEN itself)
  --schema            prints the JSON Schema of the configuration
  --help

Exit codes: 0 stopped as asked; 64 wrong command line; 69 the port is taken; 70 a bug; 78 invalid configuration.
`;

export interface CommandLine {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
}

export interface Read {
  /** Absent: it was not given, and that is among the problems. */
  readonly configPath: string | undefined;
  /** Not to be used where there are problems. */
  readonly commandLine: CommandLine;
  readonly problems: readonly Problem[];
}

const options = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'token-file': { type: 'string' },
  schema: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

type ValueFlag = 'config' | 'host' | 'port' | 'token-file';

/** What was given, and by what. */
interface Given {
  readonly subject: string;
  readonly text: string | undefined;
}

type Complain = (subject: string, message: string) => void;

const tokenFileVariable = 'TANDEM_FLEET_TOKEN_FILE';
/** Fewer can be guessed. */
const leastTokenCharacters = 16;

/** Whether something is asked for that needs no configuration. @throws UsageError if the words themselves cannot be read */
export function askedFor(argv: readonly string[]): 'help' | 'schema' | undefined {
  const { help: wantsHelp, schema } = parsed(argv);
  if (wantsHelp) return 'help';
  return schema ? 'schema' : undefined;
}

/** @throws UsageError if the words themselves cannot be read */
export function readCommandLine(argv: readonly string[], environment: NodeJS.ProcessEnv): Read {
  const values = parsed(argv);
  const problems: Problem[] = [];
  const complain = (subject: string, message: string) => void problems.push({ subject, message });
  const given = (flag: ValueFlag, variable: string): Given =>
    values[flag] !== undefined
      ? { subject: `--${flag}`, text: values[flag] }
      : { subject: variable, text: environment[variable]?.trim() || undefined };

  const config = given('config', 'MCP_HUB_CONFIG');
  if (config.text === undefined)
    complain('--config', 'is missing, and MCP_HUB_CONFIG is not set; accepted: the path of a JSON file');
  const host = given('host', 'TANDEM_FLEET_HOST');
  const address = hostOf(host, complain);
  const port = portOf(given('port', 'TANDEM_FLEET_PORT'), complain);
  const tokenFile = given('token-file', tokenFileVariable);
  const direct = environment['TANDEM_FLEET_TOKEN']?.trim();
  const token = tokenOf(tokenFile, direct, complain);
  if (address !== undefined && !isLoopback(address) && tokenFile.text === undefined && !direct) {
    complain(
      host.subject,
      `"${address}" can be reached from elsewhere, and then a token is needed: --token-file, or TANDEM_FLEET_TOKEN_FILE`,
    );
  }
  return { configPath: config.text, commandLine: { host: address ?? '', port, token }, problems };
}

/** What is wrong with the words, in a sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: false }).values;
  } catch (error) {
    const [word = ''] = /'(--[\w-]+)/.exec((error as Error).message)?.slice(1) ?? [];
    const meant = nearest(
      word,
      Object.keys(options).map((name) => `--${name}`),
    );
    throw new UsageError(`${(error as Error).message.split('. ')[0]}${meant ? `; did you mean ${meant}?` : ''}`);
  }
}

function hostOf({ subject, text: address = '127.0.0.1' }: Given, complain: Complain): string | undefined {
  if (address === 'localhost' || isIP(address) !== 0) return address;
  complain(subject, `"${address}" is not accepted; accepted: an IP address, or localhost`);
  return undefined;
}

function portOf({ subject, text = '3456' }: Given, complain: Complain): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 1 && port <= 65_535)) complain(subject, `"${text}" is not accepted; accepted: 1 to 65535`);
  return port;
}

function tokenOf(file: Given, direct: string | undefined, complain: Complain): string | undefined {
  if (file.text !== undefined && file.subject === tokenFileVariable && direct) {
    complain(tokenFileVariable, 'is set, and TANDEM_FLEET_TOKEN is, too; accepted: one of the two');
  }
  const token = file.text === undefined ? direct : readToken(file.subject, file.text, complain);
  if (!token) return undefined;
  const subject = file.text === undefined ? 'TANDEM_FLEET_TOKEN' : file.subject;
  if (token.length < leastTokenCharacters || !/^[\x21-\x7e]+$/.test(token)) {
    complain(
      subject,
      `the token is not accepted; accepted: ${leastTokenCharacters} or more characters of ASCII, without spaces`,
    );
  }
  return token;
}

function readToken(subject: string, path: string, complain: Complain): string | undefined {
  try {
    const token = readFileSync(path, 'utf8').trim();
    if (token === '') complain(subject, `"${path}" is empty`);
    return token;
  } catch (error) {
    complain(subject, `"${path}" cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    return undefined;
  }
}

const isLoopback = (address: string): boolean =>
  address === 'localhost' || address === '::1' || address.startsWith('127.');
