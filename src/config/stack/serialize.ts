/**
 * From specs to the text of a tandem.yaml that means the same. Secrets never get into it: each becomes a reference to a variable,
 * which the environment or the .env file beside the text has to have.
 */
import { usualSignals } from '../../core/gunicorn.ts';
import {
  type Address,
  defaultTiming,
  type Endpoint,
  type JsonPattern,
  noRestart,
  type ProbeSpec,
  type ProbeTiming,
  type ReadinessSpec,
  type RestartPolicy,
  type ServiceSpec,
} from '../../core/spec.ts';
import { hasUnseen, visibleLines } from '../../core/visible.ts';
import type { Environment } from '../config.ts';
import { formatDuration } from '../duration.ts';
import { isVariableName } from '../lists.ts';
import { mask, maskCommand, maskUrl, maskValue, secretHider } from '../mask.ts';
import { conditions } from './dependencies.ts';

export interface SerializeContext {
  /** What the services inherit: tandem's own environment, with secrets read from their files. */
  readonly environment: Environment;
  /** Variables that are secret whatever their names. */
  readonly secretNames: ReadonlySet<string>;
  /** Texts that are secret wherever they stand. */
  readonly secrets: readonly string[];
}

export interface Serialized {
  readonly text: string;
  /** The variables that the text refers to, with what they stood for. */
  readonly references: Environment;
}

/** @throws TypeError for what no tandem.yaml can say: a command in the foreground */
export async function serializeStack(specs: readonly ServiceSpec[], context: SerializeContext): Promise<Serialized> {
  const { Document, visit } = await import('yaml');
  const references = new References(context.environment);
  const services = specs.map((spec) => [spec.name, new Writer(spec, context, references).service()]);
  const document = new Document({ services: Object.fromEntries(services) }, { aliasDuplicateObjects: false });
  visit(document, {
    // Only between double quotes an escape is one.
    Scalar(_key, scalar) {
      if (typeof scalar.value === 'string' && hasUnseen(scalar.value)) scalar.type = 'QUOTE_DOUBLE';
    },
  });
  const body = visibleLines(document.toString({ lineWidth: 0 }));
  const missing = references.names.filter((name) => context.environment[name] === undefined);
  const note =
    missing.length === 0
      ? ''
      : `# Secrets are not in this file; set in the environment or in .env: ${missing.join(', ')}\n`;
  return { text: `${note}${body}`, references: references.values };
}

/** Names for what must not be written. */
class References {
  readonly #values = new Map<string, string>();
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  get values(): Environment {
    return Object.fromEntries(this.#values);
  }

  /**
   * A variable that has this value already, or a new one.
   * @param hints names that would be good, the best first
   */
  to(value: string, ...hints: readonly string[]): string {
    const known = Object.entries(this.#environment).find(
      ([name, its]) => its === value && maskValue(name, its) !== its,
    );
    if (known && isVariableName(known[0])) return `\${${known[0]}:?is not in this file}`;
    const isFree = (name: string) => [value, undefined].includes(this.#values.get(name) ?? this.#environment[name]);
    const names = hints.map((hint) =>
      hint
        .toUpperCase()
        .replace(/\W+/g, '_')
        .replace(/^(?=\d)/, '_'),
    );
    const last = names.at(-1) ?? 'SECRET';
    let name = names.find(isFree) ?? `${last}_2`;
    for (let count = 3; !isFree(name); count += 1) name = `${last}_${count}`;
    this.#values.set(name, value);
    return `\${${name}:?is not in this file}`;
  }
}

/** What stands for a value that is not written. */
type Optional<T> = T | undefined;

/** Leaves out what is `undefined`. */
function given(map: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined));
}

/** A map, or nothing if it is empty. */
function filled(map: Readonly<Record<string, unknown>>): Optional<Record<string, unknown>> {
  const entries = given(map);
  return Object.keys(entries).length === 0 ? undefined : entries;
}

/** Writes one service. */
class Writer {
  readonly #spec: ServiceSpec;
  readonly #context: SerializeContext;
  readonly #references: References;
  readonly #hide: (text: string) => string;

  constructor(spec: ServiceSpec, context: SerializeContext, references: References) {
    this.#spec = spec;
    this.#context = context;
    this.#references = references;
    this.#hide = secretHider(context.secrets);
  }

  service(): Record<string, unknown> {
    const { process, type, isExternal, readiness, liveness, skip, essential, stopSignal, stopGraceMs, output } =
      this.#spec;
    if (process.attachment !== 'service') throw new TypeError(`"${this.#spec.name}" is in the foreground`);
    const { user, hint, noNewPrivileges } = process;
    return given({
      skip: skip === undefined ? undefined : this.#text('skip', skip),
      external: isExternal,
      type: type === 'oneshot' && !isExternal ? type : undefined,
      command: this.#command(process.command),
      working_dir: this.#text('directory', process.cwd),
      user: user && `${user.uid}:${user.gid}`,
      group_add: this.#addedGroups(),
      no_new_privileges: noNewPrivileges ? true : undefined,
      hint: hint === undefined ? undefined : this.#text('hint', hint),
      ...this.#environment(),
      depends_on: this.#dependsOn(),
      ready: readiness && this.#ready(readiness),
      healthcheck: readiness && filled({ ...this.#question(readiness.probe), ...this.#timing(readiness.timing) }),
      liveness: liveness && given({ ...this.#question(liveness.probe), ...this.#timing(liveness.timing) }),
      restart: restartOf(this.#spec.restart),
      essential: essential ? undefined : false,
      stop_signal: stopSignal === 'SIGTERM' ? undefined : stopSignal,
      stop_grace_period: stopGraceMs === undefined ? undefined : formatDuration(stopGraceMs),
      log_format: output,
      forward_signals: this.#forwarded(),
    });
  }

  /** The primary group is one of them by itself. */
  #addedGroups(): Optional<readonly string[]> {
    const { user } = this.#spec.process;
    const groups = user?.groups.filter((group) => group !== user.gid) ?? [];
    return groups.length > 0 ? groups.map(String) : undefined;
  }

  #forwarded(): unknown {
    const { forwardSignals, process } = this.#spec;
    return forwardSignals.toString() === usualSignals(process.command).toString() ? undefined : forwardSignals;
  }

  #dependsOn(): Optional<Record<string, unknown>> {
    const words = Object.entries(conditions);
    const { dependsOn, optionalDependencies = [] } = this.#spec;
    const entries = Object.entries(dependsOn).map(([name, condition]) => {
      const word = words.find(([, meaning]) => meaning === condition)?.[0];
      return [name, { condition: word, ...(optionalDependencies.includes(name) && { required: false }) }];
    });
    return filled(Object.fromEntries(entries));
  }

  /** What is inherited is not written; what is not inherited is named. */
  #environment(): Record<string, unknown> {
    const own = this.#spec.process.environment;
    const base = Object.entries(this.#context.environment).filter(([name]) => !name.startsWith('TANDEM_'));
    // The HOME of another user is not inherited: it is written, or hidden.
    const isHome = (name: string) => name === 'HOME' && this.#spec.process.user !== undefined;
    const inherited = new Set(
      base
        .filter(([name, value]) => Object.hasOwn(own, name) && own[name] === value && !isHome(name))
        .map(([name]) => name),
    );
    const names = new Set([...base.map(([name]) => name), ...(isHome('HOME') ? ['HOME'] : [])]);
    const hidden = [...names].filter((name) => !Object.hasOwn(own, name));
    const set = Object.entries(own).filter(([name]) => !inherited.has(name));
    const all = hidden.length === 0 ? undefined : { except: hidden.sort() };
    return {
      inherit_environment: inherited.size === 0 && base.length > 0 ? false : all,
      environment: filled(Object.fromEntries(set.map(([name, value]) => [name, this.#variable(name, value)]))),
    };
  }

  #variable(name: string, value: string): string {
    const masked = this.#context.secretNames.has(name) ? mask : maskValue(name, value);
    return this.#shown(value, masked, name, `${this.#spec.name}_${name}`);
  }

  #text(what: string, value: string): string {
    return this.#shown(value, maskValue('', value), `${this.#spec.name}_${what}`);
  }

  /** @param masked the value as its place alone lets it be shown */
  #shown(value: string, masked: string, ...hints: readonly string[]): string {
    const isSecret = value !== '' && (masked !== value || this.#hide(value) !== value);
    return isSecret ? this.#references.to(value, ...hints) : literal(value);
  }

  #command(words: readonly string[]): string[] {
    const masked = maskCommand(words);
    return words.map((word, index) => this.#shown(word, masked[index] ?? mask, `${this.#spec.name}_argument_${index}`));
  }

  #ready({ port, startProbe, settleMs, startTimeoutMs }: ReadinessSpec): Record<string, unknown> {
    return given({
      port: port?.port,
      host: port && port.host !== 'localhost' ? this.#text('host', port.host) : undefined,
      probe: startProbe && this.#question(startProbe),
      timeout: formatDuration(startTimeoutMs),
      settle: settleMs ? formatDuration(settleMs) : undefined,
    });
  }

  #question(probe: Optional<ProbeSpec>): Record<string, unknown> {
    if (!probe) return {};
    switch (probe.kind) {
      case 'exec':
        return { test: ['CMD', ...this.#command(probe.command)] };
      case 'tcp':
        return { tcp: this.#text('address', addressText(probe.address)) };
      case 'mcp':
        return { mcp: this.#url(probe.url) };
      case 'postgres':
        return { postgres: this.#url(postgresUrl(probe)) };
      case 'redis':
        return { redis: this.#url(redisUrl(probe)) };
      case 'http': {
        const { status, json } = probe;
        const url = this.#url(probe.url);
        if (status === undefined && json === undefined) return { http: url };
        return { http: given({ url, status, json: json === undefined ? undefined : escapeJson(json) }) };
      }
    }
  }

  #url(url: string): string {
    return this.#shown(url, maskUrl(url), `${this.#spec.name}_url`);
  }

  /** Only what differs from what is read where nothing is written. */
  #timing({ intervalMs, timeoutMs, failureThreshold, successThreshold, startIntervalMs }: ProbeTiming) {
    const usual = { ...defaultTiming, timeoutMs: Math.min(defaultTiming.timeoutMs, intervalMs) };
    return {
      interval: intervalMs === usual.intervalMs ? undefined : formatDuration(intervalMs),
      timeout: timeoutMs === usual.timeoutMs ? undefined : formatDuration(timeoutMs),
      retries: failureThreshold === usual.failureThreshold ? undefined : failureThreshold,
      success_threshold: successThreshold === usual.successThreshold ? undefined : successThreshold,
      start_interval: startIntervalMs === undefined ? undefined : formatDuration(startIntervalMs),
    };
  }
}

/** A `$` that is to stay one. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function escapeJson(pattern: JsonPattern): JsonPattern {
  if (typeof pattern === 'string') return literal(pattern);
  if (Array.isArray(pattern)) return pattern.map(escapeJson);
  if (typeof pattern !== 'object' || pattern === null) return pattern;
  return Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, escapeJson(value)]));
}

function restartOf(policy: RestartPolicy): unknown {
  const { condition, baseDelayMs, maxDelayMs, maxRestarts, windowMs, resetAfterMs } = policy;
  const changed = filled({
    delay: baseDelayMs === noRestart.baseDelayMs ? undefined : formatDuration(baseDelayMs),
    max_delay: maxDelayMs === noRestart.maxDelayMs ? undefined : formatDuration(maxDelayMs),
    max_restarts: maxRestarts === noRestart.maxRestarts ? undefined : maxRestarts,
    window: windowMs === noRestart.windowMs ? undefined : formatDuration(windowMs),
    reset_after: resetAfterMs === noRestart.resetAfterMs ? undefined : formatDuration(resetAfterMs),
  });
  if (changed) return { condition, ...changed };
  return condition === 'no' ? undefined : condition;
}

function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function postgresUrl({ endpoint, user, database }: Extract<ProbeSpec, { kind: 'postgres' }>): string {
  const credentials = user === undefined ? '' : `${encodeURIComponent(user)}@`;
  const path = database === undefined ? '' : `/${encodeURIComponent(database)}`;
  return `postgres://${credentials}${postgresHost(endpoint)}${path}`;
}

/** The name of a socket says its port. */
function postgresHost(endpoint: Endpoint): string {
  if ('host' in endpoint) return addressText(endpoint);
  const [, directory = endpoint.path, port = '5432'] = /^(.*)\/\.s\.PGSQL\.(\d+)$/.exec(endpoint.path) ?? [];
  return `${encodeURIComponent(directory)}:${port}`;
}

function redisUrl({ endpoint, tls, username, password }: Extract<ProbeSpec, { kind: 'redis' }>): string {
  const encoded = (text: string | undefined) => encodeURIComponent(text ?? '');
  const hasNone = username === undefined && password === undefined;
  const credentials = hasNone ? '' : `${encoded(username)}${password === undefined ? '' : `:${encoded(password)}`}@`;
  if ('path' in endpoint)
    return `redis+unix://${credentials}${endpoint.path.split('/').map(encodeURIComponent).join('/')}`;
  const query = tls === 'unverified' ? '?ssl_cert_reqs=none' : '';
  return `${tls === undefined ? 'redis' : 'rediss'}://${credentials}${addressText(endpoint)}${query}`;
}
