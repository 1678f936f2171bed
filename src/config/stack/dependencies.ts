/** `depends_on`: names and conditions checked against what is there and what is active. */
import type { DependencyCondition } from '../../core/spec.ts';
import type { Remark } from '../config.ts';
import { nearest } from '../nearest.ts';
import type { Complaints } from './complaints.ts';
import { hasReadiness, type Needs, type Written } from './service.ts';

export const conditions = {
  service_started: 'started',
  service_healthy: 'ready',
  service_completed_successfully: 'completed',
  service_ended: 'ended',
} as const satisfies Record<string, DependencyCondition>;

type ConditionWord = keyof typeof conditions;

/** @returns the conditions of each active service; a dependency that is not required and not there is left out */
export function dependenciesOf(
  services: ReadonlyMap<string, Written>,
  complaints: Complaints,
): { readonly needs: ReadonlyMap<string, Needs>; readonly remarks: readonly Remark[] } {
  const remarks: Remark[] = [];
  const active = [...services.values()].filter(({ isActive }) => isActive);
  const needs = new Map(
    active.map((service) => {
      const optional: string[] = [];
      const entries = Object.entries(service.input.depends_on ?? {}).flatMap(
        ([name, { condition, required, restart }]) => {
          const path = [...service.path, 'depends_on', name];
          if (restart)
            complaints.at(
              path,
              'restart: true is not accepted, a restart of one service restarts no other; accepted: false',
            );
          const lack = whatLacks(name, condition as ConditionWord, services);
          if (lack === undefined) {
            if (required === false) optional.push(name);
            return [[name, conditions[condition as ConditionWord]] as const];
          }
          if (lack.isAbsent && required === false) {
            const facts = { service: service.name, dependency: name };
            remarks.push({ level: 'info', message: 'a dependency that is not required is not there', facts });
          } else {
            complaints.at(inList(service, name) ?? path, lack.message);
          }
          return [];
        },
      );
      const dependsOn = Object.fromEntries(entries);
      return [service.name, { dependsOn, ...(optional.length > 0 && { optionalDependencies: optional }) }] as const;
    }),
  );
  tellCycle(active, needs, complaints);
  return { needs, remarks };
}

/** In the short form there is no key for the name, but an element. */
function inList({ path, listed }: Written, name: string) {
  const index = listed?.indexOf(name) ?? -1;
  return index < 0 ? undefined : [...path, 'depends_on', index];
}

function whatLacks(name: string, condition: ConditionWord, services: ReadonlyMap<string, Written>) {
  const other = services.get(name);
  if (!other) {
    const meant = nearest(name, [...services.keys()]);
    const accepted = meant ? `did you mean "${meant}"?` : `accepted: ${[...services.keys()].join(', ')}`;
    return { isAbsent: true, message: `there is no service "${name}"; ${accepted}` };
  }
  if (!other.isActive) {
    const [profile] = other.input.profiles ?? [];
    const message = `"${name}" is not active; accepted: --profile ${profile}, or required: false`;
    return { isAbsent: true, message };
  }
  if (condition === 'service_completed_successfully' && other.type !== 'oneshot') {
    return {
      isAbsent: false,
      message: `"${name}" is of type service and does not complete; accepted: with type: oneshot there`,
    };
  }
  if (condition === 'service_healthy' && !hasReadiness(other)) {
    const message = `nothing says when "${name}" is healthy; accepted: with healthcheck or ready there, or service_started`;
    return { isAbsent: false, message };
  }
  return undefined;
}

/** The plan would refuse a cycle, too, but does not know where it stands. */
function tellCycle(active: readonly Written[], needs: ReadonlyMap<string, Needs>, complaints: Complaints): void {
  const done = new Set<string>();
  const visit = (name: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return undefined;
    done.add(name);
    for (const other of Object.keys(needs.get(name)?.dependsOn ?? {})) {
      const cycle = visit(other, [...way, name]);
      if (cycle) return cycle;
    }
    return undefined;
  };
  for (const { name } of active) {
    const cycle = visit(name, []);
    const first = active.find((service) => service.name === cycle?.[0]);
    if (cycle && first) {
      complaints.at([...first.path, 'depends_on'], `it depends on itself: ${cycle.join(' -> ')}; accepted: no cycles`);
      return;
    }
  }
}
