/**
 * Dependencies: what a service waits for before it starts. It reads the views of the others and writes nothing; what
 * follows from the answer is the service's affair.
 */
import type { ServiceView } from './health.ts';
import { aborted, type Cell, forever, race } from './scope.ts';
import type { DependencyCondition, ServiceSpec } from './spec.ts';
import { isTerminal } from './state.ts';

/** One condition on another service. */
interface Need {
  readonly view: Cell<ServiceView>;
  readonly met: (view: ServiceView) => boolean;
  /** It does not hold and never will. */
  readonly lost: (view: ServiceView) => boolean;
}

/**
 * Resolves once all conditions hold at the same moment, once one never will, or when aborted.
 * @returns the view of the dependency that is lost, else `undefined`
 */
export async function awaitDependencies(
  { dependsOn, optionalDependencies = [] }: ServiceSpec,
  viewOf: (name: string) => Cell<ServiceView>,
  signal: AbortSignal,
): Promise<ServiceView | undefined> {
  const needs = Object.entries(dependsOn).map(([name, condition]) => {
    return makeNeed(condition, viewOf(name), optionalDependencies.includes(name));
  });
  await race({
    stop: (scope) => aborted(signal, scope),
    met: (scope) => allMet(needs, scope),
    lost: (scope) => Promise.race([forever(scope), ...needs.map(({ view, lost }) => view.until(lost, scope))]),
  });
  return needs.find(({ view, lost }) => lost(view.value))?.view.value;
}

function makeNeed(condition: DependencyCondition, view: Cell<ServiceView>, isOptional: boolean): Need {
  const met = (seen: ServiceView) => isMet(condition, seen) || (isOptional && isTerminal(seen.state));
  return { view, met, lost: (seen) => isTerminal(seen.state) && !met(seen) };
}

/** What was met may be lost again while another is waited for. */
async function allMet(needs: readonly Need[], scope: AbortSignal): Promise<void> {
  for (;;) {
    const unmet = needs.find(({ view, met }) => !met(view.value));
    if (!unmet || scope.aborted) return;
    await unmet.view.until(unmet.met, scope);
  }
}

function isMet(condition: DependencyCondition, { state, type, pid }: ServiceView): boolean {
  const isThere = state === 'ready' || state === 'completed' || state === 'skipped';
  switch (condition) {
    case 'started':
      return isThere || pid !== undefined;
    case 'ready':
      return isThere;
    case 'completed':
      return state === 'completed' || state === 'skipped';
    case 'ended':
      return type === 'oneshot' ? isTerminal(state) : isThere;
  }
}
