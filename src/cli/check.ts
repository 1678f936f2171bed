/**
 * `tandem check`: the whole plan as text or JSON, secrets masked. Pure: it is given what `run` would be given, and
 * starts and writes nothing.
 */
import type { Environment, Remark, RunConfig } from '../config/config.ts';
import { formatDuration } from '../config/duration.ts';
import { hideInside, mask, maskCommand, maskUrl, maskValue, secretHider } from '../config/mask.ts';
import { showWord } from '../config/words.ts';
import type { Plan } from '../core/plan.ts';
import type { Address, Endpoint, ProbeSpec, ServiceSpec, UserSpec } from '../core/spec.ts';
import { visible, visibleLines } from '../core/visible.ts';
import { runtimeDirs, socketName } from '../http/runtime-dir.ts';

/** Everything that `run` would go by. */
export interface CheckInput {
  readonly config: RunConfig;
  readonly plan: Plan;
  /** What the operator should know. Default: what the configuration alone has to say. */
  readonly remarks?: readonly Remark[];
  /** What does not work on this machine, one sentence each. */
  readonly lost: readonly string[];
}

/** The text for stdout, with its last newline. */
export function describePlan(input: CheckInput, json: boolean): string {
  const hide = secretHider(input.config.secrets);
  if (!json)
    return `${asText(input)
      .map((line) => visible(hide(line)))
      .join('\n')}\n`;
  return `${visibleLines(JSON.stringify(hideInside(asJson(input), hide), undefined, 2))}\n`;
}

function asText({ config, plan, remarks = config.remarks, lost }: CheckInput): string[] {
  const { source, stop, output, log } = config;
  return [
    row(source.kind, `${source.name} (${source.reason})`),
    row('order', plan.services.map(({ name }) => name).join(', ')),
    row('stop', `within ${formatDuration(stop.timeoutMs)}, drain ${formatDuration(stop.drainDelayMs)}`),
    row('output', `${output}; tandem's own log: ${log.level}, ${log.format}`),
    ...healthEndpoints(config).map((endpoint) => row('health', endpoint)),
    ...plan.services.flatMap((spec) => ['', ...serviceText(spec, config)]),
    ...section('notes', remarks.map(remarkText)),
    ...section('lost on this machine', lost),
  ];
}

const labelWidth = 10;

function row(label: string, text: string): string {
  return `${label.padEnd(labelWidth)} ${text}`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function healthEndpoints({ health, environment }: RunConfig): string[] {
  const { candidates } = runtimeDirs(environment);
  const sockets = candidates.map((directory) => `${directory}/${socketName}`).join(' or ');
  return [
    ...(health.port === undefined ? [] : [`http://${addressText({ ...health, port: health.port })}/health`]),
    sockets,
  ];
}

function serviceText(spec: ServiceSpec, config: RunConfig): string[] {
  const { name, type, process, skip } = spec;
  if (skip !== undefined) return [`${name} (${type}, skipped: ${skip})`];
  if (spec.isExternal) return [`${name} (waited for, not run)`, `  ${row('ready', readinessText(spec))}`];
  return [
    `${name} (${type})`,
    ...[
      row('command', commandText(process.command)),
      row('directory', process.cwd),
      ...(process.user ? [row('user', userText(process.user))] : []),
      row(
        'needs',
        Object.entries(spec.dependsOn)
          .map(([other, condition]) => {
            return `${other} ${condition}${spec.optionalDependencies?.includes(other) ? ', or without it' : ''}`;
          })
          .join(', ') || 'nothing',
      ),
      row('ready', readinessText(spec)),
      row(
        'stop',
        `${spec.stopSignal}${spec.stopGraceMs === undefined ? '' : `, at most ${formatDuration(spec.stopGraceMs)}`}`,
      ),
      ...(spec.output ? [row('output', spec.output)] : []),
      row('forwards', spec.forwardSignals === 'all' ? 'every signal' : spec.forwardSignals.join(', ') || 'no signal'),
      ...environmentText(process.environment, config),
    ].map((line) => `  ${line}`),
  ];
}

function userText({ uid, gid, groups }: UserSpec): string {
  return `uid ${uid}, gid ${gid}, groups ${groups.join(', ') || 'none'}`;
}

function readinessText({ type, readiness, isExternal }: ServiceSpec): string {
  if (!readiness) return type === 'oneshot' ? 'when it exits with 0' : 'when it is started';
  const limit = `within ${formatDuration(readiness.startTimeoutMs)}`;
  if (type === 'oneshot' && !isExternal) return `when it exits with 0, ${limit}`;
  const { port, startProbe, probe } = readiness;
  const stages = [
    ...(port ? [`${addressText(port)} is its own`] : []),
    ...[startProbe, probe].flatMap((question) => (question ? [probeText(question)] : [])),
  ];
  return `${stages.join(', then ') || 'when it is started'}, ${limit}`;
}

function probeText(probe: ProbeSpec): string {
  switch (probe.kind) {
    case 'http':
      return `GET ${maskUrl(probe.url)}${probe.status === undefined ? '' : ` is ${probe.status}`}${probe.json === undefined ? '' : ` with ${JSON.stringify(probe.json)}`}`;
    case 'mcp':
      return `MCP initialize at ${maskUrl(probe.url)}`;
    case 'tcp':
      return `connect to ${addressText(probe.address)}`;
    case 'exec':
      return commandText(probe.command);
    case 'postgres':
      return `PostgreSQL at ${endpointText(probe.endpoint)} takes sessions`;
    case 'redis':
      return `Redis at ${endpointText(probe.endpoint)} answers PING${probe.tls === undefined ? '' : ' over TLS'}`;
  }
}

function endpointText(endpoint: Endpoint): string {
  return 'path' in endpoint ? endpoint.path : addressText(endpoint);
}

function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** What tandem sets, what it keeps from the service, and the names of all the rest. */
function environmentText(environment: Environment, { environment: container, secretNames }: RunConfig): string[] {
  const names = Object.keys(environment).sort();
  const isInherited = (name: string) => container[name] === environment[name];
  const removed = Object.keys(container)
    .filter((name) => !Object.hasOwn(environment, name))
    .sort();
  return [
    ...names
      .filter((name) => !isInherited(name))
      .map((name) => row('sets', `${name}=${secretNames.has(name) ? mask : valueText(name, environment[name] ?? '')}`)),
    ...(removed.length === 0 ? [] : [row('hides', removed.join(', '))]),
    row('inherits', names.filter(isInherited).join(', ') || 'nothing'),
  ];
}

/** As a shell would read it; with control characters in it, so that a terminal does not. */
function valueText(name: string, value: string): string {
  const masked = maskValue(name, value);
  return /\p{Cc}/u.test(masked) ? JSON.stringify(masked) : quoted(masked);
}

function commandText(command: readonly string[]): string {
  return maskCommand(command).map(quoted).join(' ');
}

/** Can be pasted into a shell; but a mask is nothing to paste, so it needs no quotes. */
function quoted(word: string): string {
  return word.includes(mask) && !/\s/.test(word) ? word : showWord(word);
}

function remarkText({ level, message, facts }: Remark): string {
  const details = Object.entries(facts).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [...(level === 'warn' ? ['warning:'] : []), message, ...details].join(' ');
}

function asJson({ config, plan, remarks = config.remarks, lost }: CheckInput) {
  return {
    [config.source.kind]: { name: config.source.name, reason: config.source.reason },
    stop: { timeout_ms: config.stop.timeoutMs, drain_delay_ms: config.stop.drainDelayMs },
    output: config.output,
    log: config.log,
    health: healthEndpoints(config),
    services: plan.services.map((spec) => serviceJson(spec, config)),
    notes: remarks,
    lost,
  };
}

/** The spec itself, with nothing secret in it. */
function serviceJson(spec: ServiceSpec, { secretNames }: RunConfig) {
  const { command, environment, ...process } = spec.process;
  const masked = Object.entries(environment).map(([name, value]) => {
    return [name, secretNames.has(name) ? mask : maskValue(name, value)];
  });
  return {
    ...spec,
    process: { ...process, command: maskCommand(command), environment: Object.fromEntries(masked) },
    ...(spec.readiness && { readiness: withoutSecrets(spec.readiness) }),
    ...(spec.liveness && { liveness: withoutSecrets(spec.liveness) }),
  };
}

/** A copy without passwords, in URLs or by themselves. */
function withoutSecrets(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, part) => (typeof part === 'string' ? maskValue(key, part) : part)));
}
