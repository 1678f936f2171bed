/**
 * What somebody else runs, as services of the plan: they are asked until they answer, and those that need them start
 * then. Nothing is spawned, stopped or watched later.
 */
import { defaultTiming, noRestart, type ProbeSpec, type ServiceSpec } from './spec.ts';

/** An external dependency. */
export interface ExternalSpec {
  /** Unique in the plan. */
  readonly name: string;
  readonly probe: ProbeSpec;
  /** The most that it is waited for; then the run ends with 69 and the last reason. */
  readonly timeoutMs: number;
}

/** The service that stands for it: a oneshot that is completed with the first good answer. */
export function externalService({ name, probe, timeoutMs }: ExternalSpec): ServiceSpec {
  return {
    name,
    type: 'oneshot',
    isExternal: true,
    process: { command: ['true'], cwd: '/', environment: {}, attachment: 'service' },
    dependsOn: {},
    readiness: { probe, timing: defaultTiming, startTimeoutMs: timeoutMs },
    restart: noRestart,
    essential: true,
    stopSignal: 'SIGTERM',
    forwardSignals: [],
  };
}

/**
 * Puts external dependencies before everything that is run: they are asked side by side, and no service starts before
 * all have answered. Every service depends on them directly, because one between them may be skipped.
 */
export function awaitFirst(specs: readonly ServiceSpec[], externals: readonly ExternalSpec[]): readonly ServiceSpec[] {
  const needs = Object.fromEntries(externals.map(({ name }) => [name, 'completed' as const]));
  return [
    ...externals.map(externalService),
    ...specs.map((spec) => (spec.isExternal ? spec : { ...spec, dependsOn: { ...needs, ...spec.dependsOn } })),
  ];
}
