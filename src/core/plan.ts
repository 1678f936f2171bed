/** The plan: specs checked against each other and put in the order in which they can start. */
import { PlanError, type Problem } from './errors.ts';
import type { ServiceSpec } from './spec.ts';

/** Specs that fit together. `services` is in start order: each comes after all it depends on. */
export interface Plan {
  readonly services: readonly ServiceSpec[];
  /** For each service the names of those that depend on it directly; they stop before it does. */
  readonly dependents: ReadonlyMap<string, readonly string[]>;
}

/**
 * Checks the specs and orders them. Independent services keep the order in which they were given.
 * @throws PlanError with all problems at once: no service, a name twice, an unknown dependency, a cycle, a condition that cannot hold
 */
export function makePlan(specs: readonly ServiceSpec[]): Plan {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const problems = [
    ...(specs.length === 0 ? [{ subject: 'services', message: 'there is nothing to run' }] : []),
    ...duplicates(specs),
    ...specs.flatMap((spec) => dependencyProblems(spec, byName)),
  ];
  const { ordered, cycle } = sort(specs, byName);
  if (cycle) problems.push(cycle);
  if (problems.length > 0) throw new PlanError(problems);
  return { services: ordered, dependents: dependentsOf(specs) };
}

function duplicates(specs: readonly ServiceSpec[]): Problem[] {
  const seen = new Set<string>();
  return specs.flatMap(({ name }) => {
    if (seen.has(name)) return [{ subject: name, message: 'this name is used twice' }];
    seen.add(name);
    return [];
  });
}

function dependencyProblems(spec: ServiceSpec, byName: ReadonlyMap<string, ServiceSpec>): Problem[] {
  return Object.entries(spec.dependsOn).flatMap(([name, condition]) => {
    const dependency = byName.get(name);
    if (!dependency) return [{ subject: spec.name, message: `depends on "${name}", which does not exist` }];
    if (condition === 'completed' && dependency.type !== 'oneshot') {
      return [{ subject: spec.name, message: `waits until "${name}" is completed, but that is not a oneshot` }];
    }
    return [];
  });
}

/** Depth-first, dependencies first; the first cycle found ends the search. */
function sort(specs: readonly ServiceSpec[], byName: ReadonlyMap<string, ServiceSpec>) {
  const ordered: ServiceSpec[] = [];
  const done = new Set<string>();
  const visit = (spec: ServiceSpec, path: readonly string[]): Problem | undefined => {
    if (done.has(spec.name)) return undefined;
    if (path.includes(spec.name)) {
      const cycle = [...path.slice(path.indexOf(spec.name)), spec.name];
      return { subject: spec.name, message: `depends on itself: ${cycle.join(' -> ')}` };
    }
    for (const name of Object.keys(spec.dependsOn)) {
      const dependency = byName.get(name);
      const cycle = dependency && visit(dependency, [...path, spec.name]);
      if (cycle) return cycle;
    }
    done.add(spec.name);
    ordered.push(spec);
    return undefined;
  };
  for (const spec of specs) {
    const cycle = visit(spec, []);
    if (cycle) return { ordered, cycle };
  }
  return { ordered };
}

function dependentsOf(specs: readonly ServiceSpec[]): Map<string, string[]> {
  const dependents = new Map<string, string[]>(specs.map(({ name }) => [name, []]));
  for (const spec of specs) {
    for (const name of Object.keys(spec.dependsOn)) dependents.get(name)?.push(spec.name);
  }
  return dependents;
}
