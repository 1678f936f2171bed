/** From the keys of a healthcheck to the question that is asked and how often. */
import { type Address, defaultTiming, type JsonPattern, type ProbeSpec, type ProbeTiming } from '../../core/spec.ts';
import { parseDependencyUrl } from '../dependency-url.ts';
import type { Complaints } from './complaints.ts';
import type { HealthcheckInput, LivenessInput, QuestionInput } from './keys.ts';
import type { Path } from './located.ts';

const questions = ['test', 'http', 'tcp', 'postgres', 'redis', 'mcp'] as const satisfies (keyof QuestionInput)[];

/** What a path is asked of. */
export interface Asked {
  readonly complaints: Complaints;
  /** Of the map that holds the question. */
  readonly path: Path;
  /** Where the service listens, if that is said. */
  readonly port: Address | undefined;
}

/** The question; `undefined` if there is none, or none that is acceptable, which is then told. */
export function questionOf(input: QuestionInput, asked: Asked): ProbeSpec | undefined {
  const [kind, another] = questions.filter((name) => input[name] !== undefined);
  if (kind === undefined) return undefined;
  if (another !== undefined) {
    asked.complaints.at([...asked.path, another], `there is "${kind}", too; accepted: one of ${questions.join(', ')}`);
    return undefined;
  }
  const { test, http, tcp, postgres, redis, mcp } = input;
  if (test !== undefined) return testOf(test, asked);
  if (tcp !== undefined) return { kind: 'tcp', address: tcp };
  if (postgres !== undefined) return databaseOf('postgres', postgres, asked);
  if (redis !== undefined) return databaseOf('redis', redis, asked);
  if (http !== undefined) {
    const url = urlOf(http.url, 'http', asked);
    const { status, json } = http;
    const wanted = {
      ...(status !== undefined && { status }),
      ...(json !== undefined && { json: json as JsonPattern }),
    };
    return url === undefined ? undefined : { kind: 'http', url, ...wanted };
  }
  const url = urlOf(mcp ?? '', 'mcp', asked);
  return url === undefined ? undefined : { kind: 'mcp', url };
}

function testOf(test: string | readonly string[], { complaints, path }: Asked): ProbeSpec | undefined {
  if (typeof test === 'string') return { kind: 'exec', command: ['/bin/sh', '-c', test] };
  const [how, first, ...rest] = test;
  if (how === 'NONE' && first === undefined) return undefined;
  if (how === 'CMD' && first !== undefined) return { kind: 'exec', command: [first, ...rest] };
  if (how === 'CMD-SHELL' && first !== undefined && rest.length === 0)
    return { kind: 'exec', command: ['/bin/sh', '-c', first] };
  complaints.at(
    [...path, 'test'],
    `a list that begins with ${JSON.stringify(how ?? '')} is not accepted; accepted: [CMD, PROGRAM, …], [CMD-SHELL, LINE] or [NONE]`,
  );
  return undefined;
}

function databaseOf(kind: 'postgres' | 'redis', url: string, { complaints, path }: Asked): ProbeSpec | undefined {
  const dependency = parseDependencyUrl(url);
  if ('probe' in dependency && dependency.probe.kind === kind) return dependency.probe;
  const why = 'problem' in dependency ? ` (${dependency.problem})` : '';
  complaints.value([...path, kind], `a ${kind === 'postgres' ? 'postgres://' : 'redis:// or rediss://'} URL${why}`);
  return undefined;
}

/** A path is asked of the service's own port. */
function urlOf(url: string, key: 'http' | 'mcp', { complaints, path, port }: Asked): string | undefined {
  if (!url.startsWith('/')) return url;
  if (port) return `http://${port.host.includes(':') ? `[${port.host}]` : port.host}:${port.port}${url}`;
  complaints.at(
    [...path, key],
    'it is a path, and ready.port does not say of which port; accepted: a URL, or a path with ready.port',
  );
  return undefined;
}

/** Tandem's own defaults; a try does not take longer than the interval unless that is said. */
export function timingOf(input: HealthcheckInput | LivenessInput): ProbeTiming {
  const intervalMs = input.interval ?? defaultTiming.intervalMs;
  return {
    intervalMs,
    timeoutMs: input.timeout ?? Math.min(defaultTiming.timeoutMs, intervalMs),
    failureThreshold: input.retries ?? defaultTiming.failureThreshold,
    successThreshold: input.success_threshold ?? defaultTiming.successThreshold,
    ...('start_interval' in input && input.start_interval !== undefined && { startIntervalMs: input.start_interval }),
  };
}
