/**
 * From the environment and a tandem.yaml to a run. The variables of the presets are not read, and so cannot be wrong; but
 * MCP_HUB_CONFIG, which any hub may go by, must be there. Reads files, writes none, starts nothing; all that is wrong, in the environment and in the file, is refused in one error.
 */
import { resolve } from 'node:path';
import type { Problem } from '../core/errors.ts';
import { joinRequirements, noRequirements } from '../core/requirements.ts';
import type { UserSpec } from '../core/spec.ts';
import type { ConfigChoice, Wanted } from './choose-config.ts';
import type { RunConfig } from './config.ts';
import { contradictions } from './contradictions.ts';
import { assembleRun, defaultUserOf, definedOnly, type Surroundings } from './load.ts';
import { secretHider } from './mask.ts';
import { nearest } from './nearest.ts';
import { requirementsOf } from './requirements.ts';
import { readSecretFiles } from './secret-files.ts';
import { type ReadStack, readStack, type Stack, type StackContext } from './stack/stack.ts';
import { stopBudget } from './stack/stop-budget.ts';
import { collectTexts, refused } from './texts.ts';
import { readTrusted } from './trusted-file.ts';
import { isForEveryRun, parseValues, variableNames } from './variables.ts';

export interface LoadedStack {
  readonly config: RunConfig;
  readonly stack: Stack;
  /** Whom directories are made ready for. Absent: whoever tandem is. */
  readonly user: UserSpec | undefined;
}

export interface Refused {
  readonly problems: readonly Problem[];
}

/** All that is run, or all that is wrong. */
export async function loadStack(
  surroundings: Surroundings,
  choice: ConfigChoice,
  wanted: Wanted,
): Promise<LoadedStack | Refused> {
  const { cwd } = surroundings;
  const given = definedOnly(surroundings.environment);
  const secrets = readSecretFiles({ values: given, where: '' }, { cwd, listed: given['TANDEM_FILE_VARS'] });
  const environment = secrets.values;
  const secretNames = new Set(secrets.names);
  const files = { hub: undefined, gateway: undefined, problems: [] };
  const all = collectTexts({ environment, files, secretNames }, { name: undefined, reason: '' });
  const texts = Object.fromEntries(variableNames.filter(isForEveryRun).map((name) => [name, all.texts[name]]));
  const parsed = parseValues(texts);
  const profiles = [...('values' in parsed ? (parsed.values.TANDEM_PROFILES ?? []) : []), ...wanted.profiles];
  const { self } = surroundings;
  const byDefault = defaultUserOf(texts, parsed, surroundings);
  const read = await readChosen(resolve(cwd, choice.name), choice, {
    environment,
    profiles,
    self,
    user: byDefault.user,
  });
  const problems = [
    ...secrets.problems,
    ...('refusals' in parsed ? parsed.refusals.map((refusal) => refused(all, refusal)) : []),
    ...('values' in parsed ? contradictions(parsed.values, all.subjects) : []),
    ...read.problems,
    ...(read.stack ? unknownServices(read.stack, wanted.only) : []),
  ];
  const hidden = [...secrets.secrets, ...read.secrets];
  const requirements = joinRequirements(requirementsOf(all, cwd), read.requirements);
  const user = byDefault.user?.identity ?? read.user;
  const missing = await surroundings.survey?.({ requirements, environment: read.variables, user });
  const unmet = [...byDefault.problems, ...(missing ?? [])];
  if (problems.length > 0 || !('values' in parsed) || !read.stack) {
    const hide = secretHider(hidden);
    return {
      problems: [...problems, ...unmet].map((problem) => ({ ...problem, message: hide(problem.message) })),
    };
  }
  const { values } = parsed;
  const said = { timeoutMs: values.TANDEM_STOP_TIMEOUT, drainDelayMs: values.TANDEM_DRAIN_DELAY };
  const { timeoutMs, remarks } = stopBudget(read.stack.specs, said);
  return {
    stack: read.stack,
    user,
    config: {
      ...assembleRun(values, surroundings),
      source: { kind: 'config', name: choice.name, reason: choice.reason },
      stop: { timeoutMs, drainDelayMs: values.TANDEM_DRAIN_DELAY },
      environment: given,
      secretNames,
      secrets: hidden,
      requirements,
      unmet,
      remarks: [...secrets.remarks, ...remarks, ...byDefault.remarks, ...read.stack.remarks],
    },
  };
}

async function readChosen(path: string, choice: ConfigChoice, context: StackContext): Promise<ReadStack> {
  const read = readTrusted(path);
  if ('bytes' in read) {
    const { bytes, remarks } = read;
    const { stack, ...rest } = await readStack({ path, shownAs: choice.name, bytes }, context);
    return stack ? { ...rest, stack: { ...stack, remarks: [...remarks, ...stack.remarks] } } : rest;
  }
  return {
    problems: [{ subject: choice.namedBy, message: `${JSON.stringify(choice.name)} ${read.problem}` }],
    requirements: noRequirements,
    variables: context.environment,
    secrets: [],
  };
}

function unknownServices({ specs }: Stack, only: readonly string[]): Problem[] {
  const names = specs.filter(({ isExternal }) => !isExternal).map(({ name }) => name);
  const unknown = only.filter((name) => !names.includes(name));
  return unknown.map((name) => {
    const meant = nearest(name, names);
    const accepted = `${meant ? `did you mean "${meant}"? ` : ''}accepted: ${names.join(', ')}`;
    return { subject: '--only', message: `${JSON.stringify(name)} is not accepted; ${accepted}` };
  });
}
