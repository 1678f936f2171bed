/**
 * A tandem.yaml, read: from its bytes to the services it describes. Reads the files that it names (`.env` beside it, env files,
 * `/etc/passwd`), writes none, starts nothing. Everything that is wrong is told at once, with its place.
 */
import { dirname, join } from 'node:path';
import type { Problem } from '../../core/errors.ts';
import { awaitFirst, type ExternalSpec } from '../../core/external.ts';
import { noRequirements, type Requirements } from '../../core/requirements.ts';
import type { Self, ServiceSpec, UserSpec } from '../../core/spec.ts';
import type { Environment, Remark, ServiceUser } from '../config.ts';
import { parseDependencyUrl, uniqueNames } from '../dependency-url.ts';
import { looksSecret } from '../mask.ts';
import { nearest } from '../nearest.ts';
import { Complaints, placeText } from './complaints.ts';
import { dependenciesOf } from './dependencies.ts';
import { readVariables } from './environment.ts';
import { interpolateTree, type Lookup } from './interpolate.ts';
import { type ServiceInput, serviceKeys, stackKeys } from './keys.ts';
import { type Located, type LocatedMap, type Path, partAt, positionOf } from './located.ts';
import type { KeyTable } from './object.ts';
import { preflightOf } from './preflight.ts';
import { readYaml } from './read-yaml.ts';
import { refusedServiceKeys, refusedTopKeys } from './refused.ts';
import { specOf, type Written } from './service.ts';

export interface StackFile {
  /** Absolute. */
  readonly path: string;
  /** As the operator calls it. */
  readonly shownAs: string;
  readonly bytes: Uint8Array;
}

export interface StackContext {
  /** Tandem's own environment, with secrets read from their files. */
  readonly environment: Environment;
  /** The active profiles; `*`: all. */
  readonly profiles: readonly string[];
  /** The directory of `passwd` and `group`. Default `/etc`. */
  readonly etc?: string | undefined;
  /** Who tandem is. Absent: not known, and any user is accepted. */
  readonly self?: Self | undefined;
  /** Who the services are that say nothing of it. Absent: whoever tandem is. */
  readonly user?: ServiceUser | undefined;
}

export interface Stack {
  readonly name: string | undefined;
  /** Those of active profiles, and before them what is waited for. */
  readonly specs: readonly ServiceSpec[];
  readonly remarks: readonly Remark[];
}

/** What came of a file. */
export interface ReadStack {
  /** Absent if anything is wrong. */
  readonly stack?: Stack;
  readonly problems: readonly Problem[];
  /** What must be there before anything starts, as far as it can be read: what is missing is told with what is wrong. */
  readonly requirements: Requirements;
  /** The variables that the file may refer to: tandem's environment, and below it `.env` beside the file. */
  readonly variables: Environment;
  /** Not to be shown: what went into the requirements' own texts. */
  readonly secrets: readonly string[];
  /** Who all services are that are run; absent if they are not the same. */
  readonly user?: UserSpec | undefined;
}

/** Reads it; throws nothing, whatever is in it. */
export async function readStack(file: StackFile, context: StackContext): Promise<ReadStack> {
  const { environment } = context;
  const nothing = { requirements: noRequirements, variables: environment, secrets: [] };
  const { root: raw, problems } = await readYaml(file.bytes);
  if (!raw) {
    return {
      ...nothing,
      problems: problems.map(({ at, message }) => ({ subject: placeText(file.shownAs, at), message })),
    };
  }
  if (raw.kind !== 'map') {
    const message = `a ${raw.kind === 'list' ? 'list' : 'text'} is not accepted; accepted: a map with "services"`;
    return { ...nothing, problems: [{ subject: placeText(file.shownAs, raw.at), message }] };
  }
  const directory = dirname(file.path);
  const dotenv = await readDotenv(directory);
  const variables: Environment = { ...dotenv.values, ...environment };
  const lookup: Lookup = (name) => (Object.hasOwn(variables, name) ? variables[name] : undefined);
  const { root, remarks, unmet } = withoutVariables(raw, lookup, file);
  const complaints = new Complaints(file.shownAs, root);
  for (const { path, message } of unmet) complaints.missing(path, message);
  for (const [name, { value }] of root.entries) checkTopKey(name, value, complaints);
  const services = readServices(root, context.profiles, complaints);
  const depends = dependenciesOf(services, complaints);
  const specs: ServiceSpec[] = [];
  for (const written of services.values()) {
    if (!written.isActive) continue;
    const needs = depends.needs.get(written.name) ?? { dependsOn: {} };
    const { etc, self, user } = context;
    const spec = await specOf(written, { complaints, needs, directory, environment, lookup, etc, self, user });
    if (spec) specs.push(spec);
  }
  const waits = readWaits(complaints, [...services.keys()]);
  const requirements = preflightOf(complaints, { directory, etc: context.etc });
  const name = complaints.parse(stackKeys.name.accepts, ['name']);
  const problemsOfAll = [...dotenv.problems, ...complaints.problems];
  const read = {
    problems: problemsOfAll,
    requirements,
    variables,
    secrets: secretsOf(root, variables),
    user: commonUser(specs),
  };
  if (read.problems.length > 0) return read;
  return {
    ...read,
    stack: {
      name,
      specs: awaitFirst(specs, waits),
      remarks: [
        ...dotenv.remarks,
        ...complaints.remarks,
        ...remarks,
        ...depends.remarks,
        ...unusedProfiles(services, context.profiles),
        ...(root.entries.has('version') ? [obsoleteVersion] : []),
      ],
    },
  };
}

const obsoleteVersion: Remark = {
  level: 'info',
  message: 'the key "version" is obsolete and without effect',
  facts: {},
};

function commonUser(specs: readonly ServiceSpec[]): UserSpec | undefined {
  const users = specs
    .filter(({ isExternal, skip }) => !isExternal && skip === undefined)
    .map((spec) => spec.process.user);
  const [first] = users;
  return users.every((user) => user?.uid === first?.uid && user?.gid === first?.gid) ? first : undefined;
}

/** The file for variables in the file itself, as Compose has it. It reaches no service. */
async function readDotenv(directory: string) {
  const path = join(directory, '.env');
  const { values, problem, isMissing, remarks } = await readVariables(path, 'dotenv');
  const isProblem = problem !== undefined && !isMissing;
  return { values, remarks, problems: isProblem ? [{ subject: path, message: problem }] : [] };
}

/** Paths are shown where they are not found, whatever went into them. */
function secretsOf(root: Located, variables: Environment): string[] {
  const preflight = partAt(root, ['preflight']);
  if (!preflight || !holdsSecret(preflight)) return [];
  return Object.entries(variables).flatMap(([name, value]) => (looksSecret(name) ? [value] : []));
}

function holdsSecret(part: Located): boolean {
  if (part.kind === 'scalar') return part.isSecret === true;
  return part.kind === 'list'
    ? part.items.some(holdsSecret)
    : [...part.entries.values()].some(({ value }) => holdsSecret(value));
}

/** The tree with its variables replaced; what nobody reads is left alone. */
function withoutVariables(raw: LocatedMap, lookup: Lookup, { shownAs }: StackFile) {
  const remarks = new Map<string, Remark>();
  const unmet: { readonly path: Path; readonly message: string }[] = [];
  const told = {
    problem: (path: Path, message: string) => unmet.push({ path, message }),
    unset: (path: Path, name: string) => {
      const place = placeText(shownAs, positionOf(raw, path));
      const message = 'a variable is not set, nothing is put in its place';
      if (!remarks.has(name)) remarks.set(name, { level: 'warn', message, facts: { variable: name, place } });
    },
  };
  const entries = [...raw.entries].map(([name, entry]) => {
    if (!Object.hasOwn(stackKeys, name)) return [name, entry] as const;
    return [name, { ...entry, value: interpolateTree(entry.value, [name], lookup, told) }] as const;
  });
  const root: LocatedMap = { ...raw, entries: new Map(entries) };
  return { root, remarks: [...remarks.values()], unmet };
}

function checkTopKey(name: string, value: Located, complaints: Complaints): void {
  if (name.startsWith('x-') || Object.hasOwn(stackKeys, name)) return;
  const reason = Object.hasOwn(refusedTopKeys, name) ? refusedTopKeys[name] : undefined;
  const isService = value.kind === 'map' && ['command', 'image', 'entrypoint'].some((key) => value.entries.has(key));
  if (reason !== undefined) complaints.at([name], `is not accepted: ${reason}`);
  else if (isService) complaints.at([name], 'unknown key; it looks like a service: accepted below "services"');
  else complaints.unknown([name], Object.keys(stackKeys));
}

const serviceName = /^[a-z0-9][a-z0-9_-]*$/;

/** All services, active or not, as far as they can be read. */
function readServices(root: Located, profiles: readonly string[], complaints: Complaints): Map<string, Written> {
  const part = partAt(root, ['services']);
  const accepted = 'a map of services, at least one';
  if (part?.kind !== 'map' || part.entries.size === 0) {
    if (part?.kind === 'map') complaints.at(['services'], `there is none; accepted: ${accepted}`);
    else complaints.value(['services'], accepted);
    return new Map();
  }
  const read = [...part.entries].map(([name, { value }]) => readService(name, value, profiles, complaints));
  const awaited = new Set(read.flatMap(({ input }) => completedBy(input)));
  return new Map(
    read.map((service) => {
      const { name, input, keys } = service;
      const isInferred = awaited.has(name) && !keys.has('type');
      return [name, { ...service, type: input.external || isInferred ? 'oneshot' : (input.type ?? 'service') }];
    }),
  );
}

/** The services that this one waits for until they have run to their end. */
function completedBy({ depends_on: needs = {} }: ServiceInput): string[] {
  const isAwaited = ([, { condition }]: [string, { condition: string }]) =>
    condition === 'service_completed_successfully';
  return Object.entries(needs)
    .filter(isAwaited)
    .map(([name]) => name);
}

function readService(name: string, part: Located, profiles: readonly string[], complaints: Complaints): Written {
  const path = ['services', name];
  const before = complaints.problems.length;
  if (!serviceName.test(name)) {
    complaints.at(
      path,
      'is no name for a service; accepted: lower-case letters, digits, - and _, a letter or a digit first',
    );
  }
  if (part.kind !== 'map') complaints.value(path, 'a map with command');
  const entries = part.kind === 'map' ? part.entries : new Map<string, never>();
  const values = [...entries.keys()].map((key) => [key, readKey([...path, key], key, complaints)]);
  const input: ServiceInput = Object.fromEntries(values.filter(([, value]) => value !== undefined));
  const dependencies = partAt(part, ['depends_on']);
  return {
    name,
    path,
    input,
    keys: part.kind === 'map' ? new Set(entries.keys()) : new Set(['command']),
    isBroken: complaints.problems.length > before,
    isActive: isActive(input.profiles, profiles),
    type: 'service',
    listed:
      dependencies?.kind === 'list'
        ? dependencies.items.map((item) => String(item.kind === 'scalar' && item.text))
        : undefined,
  };
}

function readKey(path: Path, key: string, complaints: Complaints): unknown {
  if (key.startsWith('x-')) return undefined;
  const table: KeyTable = serviceKeys;
  const known = Object.hasOwn(table, key) ? table[key] : undefined;
  if (known) return complaints.parse(known.accepts, path);
  const reason = Object.hasOwn(refusedServiceKeys, key) ? refusedServiceKeys[key] : undefined;
  if (reason === undefined) complaints.unknown(path, Object.keys(serviceKeys));
  else complaints.at(path, `is not accepted: ${reason}`);
  return undefined;
}

function isActive(own: readonly string[] = [], active: readonly string[]): boolean {
  return own.length === 0 || active.includes('*') || own.some((profile) => active.includes(profile));
}

function unusedProfiles(services: ReadonlyMap<string, Written>, active: readonly string[]): Remark[] {
  const known = [...new Set([...services.values()].flatMap(({ input }) => input.profiles ?? []))];
  const unused = active.filter((profile) => profile !== '*' && !known.includes(profile));
  return unused.map((profile) => {
    const meant = nearest(profile, known);
    return { level: 'warn', message: 'no service has this profile', facts: { profile, ...(meant && { meant }) } };
  });
}

/** Enough for a database that starts beside this container. */
const defaultWaitMs = 60_000;

function readWaits(complaints: Complaints, taken: readonly string[]): ExternalSpec[] {
  const { urls = [], timeout = defaultWaitMs } = complaints.parse(stackKeys.wait_for.accepts, ['wait_for']) ?? {};
  const found = [...new Set(urls)].flatMap((url) => {
    const parsed = parseDependencyUrl(url);
    if ('probe' in parsed) return [parsed];
    const accepted = 'postgres://, redis://, rediss://, http://, https:// or tcp://HOST:PORT URLs';
    complaints.at(
      ['wait_for'],
      `URL number ${urls.indexOf(url) + 1} is not accepted: ${parsed.problem}; accepted: ${accepted}`,
    );
    return [];
  });
  const names = uniqueNames(
    found.map(({ name }) => name),
    taken,
  );
  return found.map(({ probe }, index) => ({ name: names[index] ?? '', probe, timeoutMs: timeout }));
}
