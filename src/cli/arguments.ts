/**
 * The command line, read by hand because everybody's start waits for it. It knows what may be written, not what is
 * acceptable as a preset or as a service's name: that is checked with the rest of the configuration.
 */
import type { Wanted } from '../config/choose-config.ts';
import { durationSyntax, parseDurationMs } from '../config/duration.ts';
import { maskUrl } from '../config/mask.ts';
import { nearest } from '../config/nearest.ts';
import { EX_CONFIG, EX_USAGE } from '../core/outcome.ts';
import { type CommandName, commandHelp, generalHelp, generalUsageLine, usageLines } from './usage.ts';

/** What was asked for. */
export type Invocation =
  | ({ readonly command: 'run' } & Wanted)
  | ({ readonly command: 'check'; readonly json: boolean; readonly yaml: boolean } & Wanted)
  | { readonly command: 'status'; readonly json: boolean }
  | { readonly command: 'schema' }
  | { readonly command: 'health'; readonly url: string | undefined; readonly timeoutMs: number | undefined }
  /** `tandem -- CMD ARG…`. */
  | { readonly command: 'exec'; readonly argv: readonly [string, ...string[]] }
  | { readonly command: 'version' }
  | { readonly command: 'help'; readonly text: string }
  /** To be printed on stderr; `code` is the exit code: 64 for what cannot be read, 78 for a value that is not accepted. */
  | Refused;

export interface Refused {
  readonly command: 'refused';
  readonly code: typeof EX_USAGE | typeof EX_CONFIG;
  readonly message: string;
}

/** With a value, of which the last one counts; with a value and repeatable; alone. */
type FlagKind = 'value' | 'list' | 'switch';

const flagsOf = {
  run: { preset: 'value', config: 'value', profile: 'list', only: 'list' },
  check: { preset: 'value', config: 'value', profile: 'list', only: 'list', json: 'switch', yaml: 'switch' },
  status: { json: 'switch' },
  health: { url: 'value', timeout: 'value' },
  schema: {},
} as const satisfies Record<CommandName, Readonly<Record<string, FlagKind>>>;

const commandNames = Object.keys(usageLines) as CommandName[];

/** @param argv the words behind the program's name */
export function parseArguments(argv: readonly string[]): Invocation {
  const [first = 'run', ...rest] = argv;
  if (first === '--') return execution(rest);
  if (first === '--help' || first === '-h') return { command: 'help', text: generalHelp };
  if (first === '--version') return { command: 'version' };
  const command = commandNames.find((name) => name === first);
  if (command) return invocation(command, rest);
  return unusable(first.startsWith('-') ? strayFlag(first) : unknownCommand(first), generalUsageLine);
}

function execution([program, ...rest]: readonly string[]): Invocation {
  if (!program) return unusable('there is no command after --', 'tandem -- CMD [ARG]...');
  return { command: 'exec', argv: [program, ...rest] };
}

function strayFlag(word: string): string {
  const [flag = word] = word.split('=', 1);
  const owner = commandNames.find((command) => Object.hasOwn(flagsOf[command], flag.replace(/^--/, '')));
  return owner ? `${flag} stands before its command: tandem ${owner} ${flag}` : `unknown flag ${flag}`;
}

function unknownCommand(word: string): string {
  const meant = nearest(word, [...commandNames, 'fleet']);
  const advice = meant ? `did you mean "${meant}"?` : `to run a program: tandem -- ${word}`;
  return `unknown command ${JSON.stringify(word)}; ${advice}`;
}

function invocation(command: CommandName, words: readonly string[]): Invocation {
  const flags = readFlags(command, words);
  if ('refused' in flags) return unusable(flags.refused, usageLines[command]);
  if ('help' in flags) return { command: 'help', text: commandHelp(command) };
  const last = (name: string) => flags.values.get(name)?.at(-1);
  const chosen = {
    preset: last('preset'),
    config: last('config'),
    profiles: flags.values.get('profile') ?? [],
    only: flags.values.get('only') ?? [],
  };
  const { preset, config } = chosen;
  if (preset !== undefined && config !== undefined) {
    return unusable('--config and --preset exclude each other', usageLines[command]);
  }
  if (flags.values.has('profile') && flags.values.has('preset')) {
    return unusable('--profile is for a tandem.yaml, and --preset is none', usageLines[command]);
  }
  switch (command) {
    case 'run':
      return { command, ...chosen };
    case 'check':
      if (flags.values.has('json') && flags.values.has('yaml')) {
        return unusable('--json and --yaml exclude each other', usageLines[command]);
      }
      return { command, ...chosen, json: flags.values.has('json'), yaml: flags.values.has('yaml') };
    case 'status':
      return { command, json: flags.values.has('json') };
    case 'schema':
      return { command };
    case 'health':
      return health(last('url'), last('timeout'));
  }
}

/** The values of each flag that was given, in order; a switch has none. */
type Values = ReadonlyMap<string, readonly string[]>;
type Flags = { readonly values: Values } | { readonly help: true } | { readonly refused: string };

function readFlags(command: CommandName, words: readonly string[]): Flags {
  const values = new Map<string, string[]>();
  for (let at = 0; at < words.length; ) {
    const flag = readFlag(command, words[at] ?? '', words[at + 1]);
    if (!('name' in flag)) return flag;
    values.set(flag.name, [...(values.get(flag.name) ?? []), ...(flag.value === undefined ? [] : [flag.value])]);
    at += flag.length;
  }
  return { values };
}

/** One flag, and how many words it takes. */
interface Flag {
  readonly name: string;
  readonly value?: string;
  readonly length: 1 | 2;
}

function readFlag(
  command: CommandName,
  word: string,
  next: string | undefined,
): Flag | Exclude<Flags, { values: Values }> {
  if (word === '--help' || word === '-h') return { help: true };
  const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (name === undefined) return { refused: unexpected(word) };
  const kinds: Readonly<Record<string, FlagKind>> = flagsOf[command];
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (kind === undefined) return { refused: `unknown flag --${name}` };
  if (kind === 'switch') return inline === undefined ? { name, length: 1 } : { refused: `--${name} takes no value` };
  if (inline !== undefined) return { name, value: inline, length: 1 };
  if (next === undefined || next.startsWith('-')) return { refused: `--${name} needs a value` };
  return { name, value: next, length: 2 };
}

function unexpected(word: string): string {
  const isFlag = word.startsWith('-') && word !== '-' && word !== '--';
  return isFlag ? `unknown flag ${word}` : `unexpected argument ${JSON.stringify(word)}`;
}

function health(url: string | undefined, timeout: string | undefined): Invocation {
  const timeoutMs = timeout === undefined ? undefined : parseDurationMs(timeout);
  const problems = [
    ...(url === undefined || (/^https?:\/\//i.test(url) && URL.canParse(url))
      ? []
      : [unacceptable('--url', url, 'an http or https URL')]),
    ...(timeout === undefined || timeoutMs
      ? []
      : [unacceptable('--timeout', timeout, `more than 0: ${durationSyntax}`)]),
  ];
  if (problems.length > 0) return { command: 'refused', code: EX_CONFIG, message: problems.join('\n') };
  return { command: 'health', url, timeoutMs };
}

function unusable(complaint: string, usageLine: string): Refused {
  return { command: 'refused', code: EX_USAGE, message: `${complaint}\nusage: ${usageLine}` };
}

function unacceptable(flag: string, value: string, accepted: string): string {
  return `${flag}: ${JSON.stringify(maskUrl(value))} is not accepted; accepted: ${accepted}`;
}
