/**
 * The stop budget of a stack, and whether its stop_grace_periods fit it. Services that depend on each other stop one after the
 * other, so it is the longest such row that counts.
 */
import { reserveMs } from '../../core/budget.ts';
import type { ServiceSpec } from '../../core/spec.ts';
import type { Remark } from '../config.ts';
import { defaultStopTimeoutMs, type StopShares, stopShares } from '../stop-shares.ts';

/** What the environment says. */
export interface StopSaid {
  /** TANDEM_STOP_TIMEOUT, if it is set. */
  readonly timeoutMs: number | undefined;
  readonly drainDelayMs: number;
}

/** Services that stop one after the other. */
type Row = readonly ServiceSpec[];

/**
 * A budget that is set stays, and each service whose stop_grace_period it cannot hold is told of; else the budget is the default, or
 * what the longest row needs.
 */
export function stopBudget(specs: readonly ServiceSpec[], said: StopSaid): Omit<StopShares, 'gracefulMs'> {
  const { drainDelayMs } = said;
  const timeoutMs = said.timeoutMs ?? defaultStopTimeoutMs;
  const rows = specs.filter((spec) => spec.stopGraceMs !== undefined && isRun(spec)).map(rowsIn(specs));
  const tooLong = rows.filter(({ row }) => drainDelayMs + graceOf(row) > timeoutMs);
  if (tooLong.length === 0) return { timeoutMs, remarks: [] };
  if (said.timeoutMs !== undefined) {
    return {
      timeoutMs,
      remarks: tooLong.map(({ spec, row }) => unfit(spec, timeoutMs, needed(row, drainDelayMs).timeoutMs)),
    };
  }
  const all = tooLong.map(({ row }) => needed(row, drainDelayMs));
  const { timeoutMs: neededMs, remarks } = all.reduce((most, one) => (one.timeoutMs > most.timeoutMs ? one : most));
  return { timeoutMs: neededMs, remarks };
}

function needed(row: Row, drainDelayMs: number): StopShares {
  return stopShares({
    timeoutMs: undefined,
    drainDelayMs,
    gracefulMs: row.map((spec) => spec.stopGraceMs ?? reserveMs),
  });
}

function unfit({ name, stopGraceMs = 0 }: ServiceSpec, timeoutMs: number, neededMs: number): Remark {
  return {
    level: 'warn',
    message: 'a stop_grace_period does not fit TANDEM_STOP_TIMEOUT; set that to what is needed, or leave it out',
    facts: {
      service: name,
      stop_grace_period_seconds: stopGraceMs / 1000,
      stop_timeout_seconds: timeoutMs / 1000,
      needed_seconds: neededMs / 1000,
    },
  };
}

function graceOf(row: Row): number {
  return row.reduce((sum, { stopGraceMs = 0 }) => sum + stopGraceMs, 0);
}

/** The longest row through each service: who depends on it stops before it, what it depends on after it. */
function rowsIn(specs: readonly ServiceSpec[]) {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const needs = ({ dependsOn }: ServiceSpec) => Object.keys(dependsOn).flatMap((name) => byName.get(name) ?? []);
  const dependents = new Map<ServiceSpec, ServiceSpec[]>(specs.map((spec) => [spec, []]));
  for (const spec of specs) for (const other of needs(spec)) dependents.get(other)?.push(spec);
  const after = longest(needs);
  const before = longest((spec) => dependents.get(spec) ?? []);
  return (spec: ServiceSpec): { readonly spec: ServiceSpec; readonly row: Row } => {
    // Nothing that waits for the end of a oneshot is there as long as it runs.
    const earlier = spec.type === 'oneshot' ? [] : before(spec);
    return { spec, row: [...earlier, spec, ...after(spec)] };
  };
}

/** The longest row that begins behind a service. */
function longest(nextOf: (spec: ServiceSpec) => readonly ServiceSpec[]): (spec: ServiceSpec) => Row {
  const known = new Map<ServiceSpec, Row>();
  const behind = (spec: ServiceSpec): Row => {
    const seen = known.get(spec);
    if (seen) return seen;
    const rows = nextOf(spec).map((next) => [...(takesTime(next) ? [next] : []), ...behind(next)]);
    const row = rows.reduce<Row>((most, one) => (graceOf(one) > graceOf(most) ? one : most), []);
    known.set(spec, row);
    return row;
  };
  return behind;
}

/** A oneshot that others waited for has ended. */
function takesTime(spec: ServiceSpec): boolean {
  return spec.type === 'service' && isRun(spec);
}

function isRun({ isExternal, skip }: ServiceSpec): boolean {
  return !isExternal && skip === undefined;
}
