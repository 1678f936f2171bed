/**
 * `tandem status`: what the running supervisor says of itself and its services, as a table for people. Whether all of it
 * is well is `tandem health`'s to say.
 */
import type { HealthReport } from '../core/health.ts';
import { visibleLines } from '../core/visible.ts';
import { askSupervisor, type SupervisorEnvironment } from './ask-supervisor.ts';
import { printable } from './printable.ts';

export interface StatusOptions {
  /** The report as it came, for programs. */
  readonly json: boolean;
  /** The limit for an answer. */
  readonly timeoutMs: number;
  readonly env: SupervisorEnvironment;
}

/** A person waits. */
export const statusTimeoutMs = 4_000;

/** What to print, and the exit code: 0 a supervisor answered, whatever it said; 1 none did. */
export interface Status {
  readonly code: 0 | 1;
  /** If the code is 0 for stdout, with its last newline; else why there is nothing, in a line. */
  readonly text: string;
}

/** Asks once. Never throws. */
export async function readStatus({ json, timeoutMs, env }: StatusOptions): Promise<Status> {
  const answer = await askSupervisor(env, AbortSignal.timeout(timeoutMs));
  if (!('response' in answer)) return { code: 1, text: printable(answer.noAnswer) };
  const report = parseReport(answer.response.body);
  if (report === undefined) return { code: 1, text: 'what answers on the health port is no supervisor' };
  return { code: 0, text: json ? `${visibleLines(JSON.stringify(report, undefined, 2))}\n` : describeReport(report) };
}

/** As much of it as the table needs. The health port may be another program's. */
function parseReport(body: string): HealthReport | undefined {
  try {
    const report = JSON.parse(body);
    const isReport = typeof report.version === 'string' && Number.isFinite(report.uptime_seconds);
    return isReport && Object.values(report.components).every(isComponent) ? report : undefined;
  } catch {
    return undefined;
  }
}

function isComponent(value: unknown): boolean {
  const { state, reason, since_seconds } = Object(value);
  return typeof state === 'string' && typeof reason === 'string' && Number.isFinite(since_seconds);
}

/**
 * One line about the whole, then one for each service, in start order.
 * @example
 * healthy, up 12 s, tandem 1.2.3
 * SERVICE     STATE    SINCE  PID  RESTARTS  REASON
 * migrations  skipped  12 s   -    0         nothing to migrate
 * gateway     ready    11 s   17   2         probe succeeded
 */
export function describeReport({ status, version, uptime_seconds, reason, components }: HealthReport): string {
  const summary = [`${status}${reason === undefined ? '' : ` (${reason})`}`, `up ${age(uptime_seconds)}`];
  const rows = Object.entries(components).map(([name, { state, since_seconds, pid, restarts, reason, probe }]) => [
    ...[name, state, age(since_seconds), String(pid ?? '-'), String(restarts)],
    // What a probe said last is nearer to the cause than how the state came about.
    probe?.reason ?? reason,
  ]);
  const lines = [`${summary.join(', ')}, tandem ${version}`, ...table([titles, ...rows])];
  return `${lines.map(printable).join('\n')}\n`;
}

const titles = ['SERVICE', 'STATE', 'SINCE', 'PID', 'RESTARTS', 'REASON'];

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = titles.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

const units = [
  { seconds: 86_400, name: 'd' },
  { seconds: 3_600, name: 'h' },
  { seconds: 60, name: 'min' },
];

/** In whole units of which there are at least two: `90 s`, `2 min`, `36 h`. */
function age(seconds: number): string {
  const unit = units.find((unit) => seconds >= 2 * unit.seconds) ?? { seconds: 1, name: 's' };
  return `${Math.floor(seconds / unit.seconds)} ${unit.name}`;
}
