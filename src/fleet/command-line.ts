/** The words and variables of `tandem fleet`. All that is wrong is told at once. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import type { Problem } from '../core/errors.ts';

export const usage = 'tandem fleet [--config FILE] [--host ADDRESS] [--port PORT] [--token-file FILE]';

export const help = `tandem fleet: runs MCP servers as containers, on demand.

Usage: ${usage}
  --config FILE       the hub's configuration with its part "docker" (MCP_HUB_CONFIG)
  --host ADDRESS      where the API listens (TANDEM_FLEET_HOST, 127.0.0.1); elsewhere than on a loopback address it wants a token
  --port PORT         (TANDEM_FLEET_PORT, 3456)
  --token-file FILE   the bearer token that every request must have (TANDEM_FLEET_TOKEN_FILE, or TANDEM_FLEET_TOKEN itself)
  --help

Exit codes: 0 stopped as asked; 64 wrong command line; 69 the port is taken; 70 a bug; 78 invalid configuration.
`;

export interface CommandLine {
  readonly configPath: string;
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
}

export type Read = { readonly commandLine: CommandLine } | { readonly problems: readonly Problem[] };

const options = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'token-file': { type: 'string' },
} as const;

/** Fewer can be guessed. */
const leastTokenCharacters = 16;

/** @throws UsageError if the words themselves cannot be read */
export function readCommandLine(argv: readonly string[], environment: NodeJS.ProcessEnv): Read {
  const { values } = parsed(argv);
  const problems: Problem[] = [];
  const complain = (subject: string, message: string) => void problems.push({ subject, message });
  const given = (flag: keyof typeof options, variable: string) =>
    values[flag] !== undefined
      ? { subject: `--${flag}`, text: values[flag] }
      : { subject: variable, text: environment[variable]?.trim() || undefined };

  const config = given('config', 'MCP_HUB_CONFIG');
  if (config.text === undefined)
    complain('--config', 'is missing, and MCP_HUB_CONFIG is not set; accepted: the path of a JSON file');
  const host = given('host', 'TANDEM_FLEET_HOST');
  const address = host.text ?? '127.0.0.1';
  if (address !== 'localhost' && isIP(address) === 0) {
    complain(host.subject, `"${address}" is not accepted; accepted: an IP address, or localhost`);
  }
  const port = given('port', 'TANDEM_FLEET_PORT');
  const number = /^\d{1,5}$/.test(port.text ?? '3456') ? Number(port.text ?? 3456) : Number.NaN;
  if (!(number >= 1 && number <= 65_535))
    complain(port.subject, `"${port.text}" is not accepted; accepted: 1 to 65535`);
  const token = tokenOf(given('token-file', 'TANDEM_FLEET_TOKEN_FILE'), environment['TANDEM_FLEET_TOKEN'], complain);
  if (token === undefined && !isLoopback(address) && problems.length === 0) {
    complain(
      host.subject,
      `"${address}" can be reached from elsewhere, and then a token is needed: --token-file, or TANDEM_FLEET_TOKEN_FILE`,
    );
  }
  if (problems.length > 0 || config.text === undefined) return { problems };
  return { commandLine: { configPath: config.text, host: address, port: number, token } };
}

/** What is wrong with the words, in a sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: false });
  } catch (error) {
    const [word = ''] = /'(--[\w-]+)/.exec((error as Error).message)?.slice(1) ?? [];
    const meant = nearest(
      word,
      Object.keys(options).map((name) => `--${name}`),
    );
    throw new UsageError(`${(error as Error).message.split('. ')[0]}${meant ? `; did you mean ${meant}?` : ''}`);
  }
}

function tokenOf(
  file: { readonly subject: string; readonly text: string | undefined },
  direct: string | undefined,
  complain: (subject: string, message: string) => void,
): string | undefined {
  const token = file.text === undefined ? direct?.trim() : readToken(file.subject, file.text, complain);
  if (token === undefined || token === '') return undefined;
  const subject = file.text === undefined ? 'TANDEM_FLEET_TOKEN' : file.subject;
  if (token.length < leastTokenCharacters || !/^[\x21-\x7e]+$/.test(token)) {
    complain(
      subject,
      `the token is not accepted; accepted: ${leastTokenCharacters} or more characters of ASCII, without spaces`,
    );
  }
  return token;
}

function readToken(
  subject: string,
  path: string,
  complain: (subject: string, message: string) => void,
): string | undefined {
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
