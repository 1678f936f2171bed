/**
 * Defects such as one makes: each a small change of one file of src/core, by which a text that is found there exactly
 * once becomes another. They are planted in a bundle, never in the tree. The model has to find every one of them.
 */

export interface Defect {
  /** What is wrong then. */
  readonly name: string;
  /** In src/core. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const defects: readonly Defect[] = [
  {
    name: 'the first to stop may use the whole budget',
    file: 'budget.ts',
    find: 'leftMs -= eachMs;',
    replace: '',
  },
  {
    name: "a service's own limit is not heeded in a stop",
    file: 'budget.ts',
    find: 'Math.min(ownLimitMs ?? Infinity, leftMs / sharers)',
    replace: 'leftMs / sharers',
  },
  {
    name: 'who needs more than its share leaves all to the others',
    file: 'budget.ts',
    find: 'if (eachMs > leftMs / sharers) break;',
    replace: '',
  },
  {
    name: 'what one does not need goes to the first',
    file: 'budget.ts',
    find: 'if (eachMs > leftMs / sharers) break;\n    leftMs -= eachMs;',
    replace: 'leftMs -= Math.min(eachMs, remainingMs / (laterNeedsMs.length + 1));',
  },
  {
    name: 'conditions need not hold at the same moment',
    file: 'dependencies.ts',
    find: `  for (;;) {
    const unmet = needs.find(({ view, met }) => !met(view.value));
    if (!unmet || scope.aborted) return;
    await unmet.view.until(unmet.met, scope);
  }`,
    replace: '  for (const { view, met } of needs) await view.until(met, scope);',
  },
  {
    name: 'a dependency that was never started is not taken for lost',
    file: 'dependencies.ts',
    find: 'isTerminal(seen.state) && !met(seen)',
    replace: "seen.state === 'failed' && !met(seen)",
  },
  {
    name: 'a oneshot that failed counts as completed',
    file: 'dependencies.ts',
    find: "return state === 'completed' || state === 'skipped';",
    replace: 'return isTerminal(state);',
  },
  {
    name: 'started means ready',
    file: 'dependencies.ts',
    find: 'return isThere || pid !== undefined;',
    replace: 'return isThere;',
  },
  {
    name: 'only the first problem is told',
    file: 'errors.ts',
    find: 'problems.map(({ subject, message })',
    replace: 'problems.slice(0, 1).map(({ subject, message })',
  },
  {
    name: 'only services without needs of their own wait for the outside',
    file: 'external.ts',
    find: '{ ...needs, ...spec.dependsOn }',
    replace: '(Object.keys(spec.dependsOn).length > 0 ? spec.dependsOn : needs)',
  },
  {
    name: 'what never answers outside is passed over',
    file: 'external.ts',
    find: 'essential: true,',
    replace: 'essential: false,',
  },
  {
    name: 'a grace that has begun is not shortened by a stop',
    file: 'grace.ts',
    find: 'deadline = Math.min(deadline, clock.now() + graceMs());',
    replace: '',
  },
  {
    name: 'a grace begins anew with a stop',
    file: 'grace.ts',
    find: 'deadline = Math.min(deadline, clock.now() + graceMs());',
    replace: 'deadline = clock.now() + graceMs();',
  },
  {
    name: 'a bad word of a component is as good as any',
    file: 'health-verdict.ts',
    find: "return typeof status === 'string' ? goodWords.has(status.trim().toLowerCase()) : Boolean(status);",
    replace: 'return Boolean(status);',
  },
  {
    name: 'one sick component is none',
    file: 'health-verdict.ts',
    find: 'if (sick.length > 0) {',
    replace: 'if (sick.length > 1) {',
  },
  {
    name: 'unready is healthy enough for the whole',
    file: 'health.ts',
    find: "unready: 'unhealthy',\n  stopping: 'unhealthy',",
    replace: "unready: 'healthy',\n  stopping: 'unhealthy',",
  },
  {
    name: 'readiness does not drop for a stop that was asked for',
    file: 'health.ts',
    find: "const status = ending ? 'stopping'",
    replace: "const status = ending?.isFailure ? 'stopping'",
  },
  {
    name: 'an ending with 0 that nobody asked for is a success',
    file: 'outcome.ts',
    find: 'failure.exit.code || 1',
    replace: 'failure.exit.code',
  },
  {
    name: 'who was lost for a dependency has no code of its own',
    file: 'outcome.ts',
    find: 'return codeOfFailure(failure.failure, numberOf);',
    replace: 'return EX_UNAVAILABLE;',
  },
  {
    name: 'only who needs a service ready stops before it',
    file: 'plan.ts',
    find: 'for (const name of Object.keys(spec.dependsOn)) dependents.get(name)?.push(spec.name);',
    replace:
      "for (const [name, condition] of Object.entries(spec.dependsOn)) if (condition === 'ready') dependents.get(name)?.push(spec.name);",
  },
  {
    name: 'one name may be given twice',
    file: 'plan.ts',
    find: '    seen.add(name);\n',
    replace: '',
  },
  {
    name: 'who holds its port is ready',
    file: 'readiness.ts',
    find: "if (listening?.owner !== 'foreign') await untilAnswered",
    replace: 'if (!listening) await untilAnswered',
  },
  {
    name: 'failures count although they are not in a row',
    file: 'readiness.ts',
    find: 'against = result.ok === ok ? 0 : against + 1;',
    replace: 'against = result.ok === ok ? against : against + 1;',
  },
  {
    name: 'the first success makes well again',
    file: 'readiness.ts',
    find: 'ok ? timing.failureThreshold : timing.successThreshold',
    replace: 'ok ? timing.failureThreshold : 1',
  },
  {
    name: 'nothing is asked again after the time to settle',
    file: 'readiness.ts',
    find: '  await inquiry.machine.clock.sleep(settleMs, signal);\n  await untilSuccess(inquiry, probe, timing, signal);',
    replace: '  await inquiry.machine.clock.sleep(settleMs, signal);',
  },
  {
    name: 'what is elsewhere is asked as often as what is ours',
    file: 'readiness.ts',
    find: 'inquiry.spec.isExternal ? longestExternalPauseMs : startPause.lastMs',
    replace: 'startPause.lastMs',
  },
  {
    name: 'an answer that comes after the end is heard',
    file: 'readiness.ts',
    find: `signal);
    if (signal.aborted) return;
    inquiry.heard(result);
    against`,
    replace: `signal);
    inquiry.heard(result);
    against`,
  },
  {
    name: 'one restart too many',
    file: 'restart.ts',
    find: 'times.length >= policy.maxRestarts',
    replace: 'times.length > policy.maxRestarts',
  },
  {
    name: 'restarts are counted for ever',
    file: 'restart.ts',
    find: 'history.times.filter((time) => now - time < policy.windowMs)',
    replace: 'history.times',
  },
  {
    name: 'a healthy period forgets nothing',
    file: 'restart.ts',
    find: 'readyForMs >= policy.resetAfterMs ? 1 : history.attempts + 1',
    replace: 'history.attempts + 1',
  },
  {
    name: 'delays grow without a cap',
    file: 'restart.ts',
    find: 'Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.min(attempt - 1, mostDoublings))',
    replace: 'policy.baseDelayMs * 2 ** Math.min(attempt - 1, mostDoublings)',
  },
  {
    name: 'a failure by a probe is no failure to the policy',
    file: 'restart.ts',
    find: "failure.cause !== 'exit' || !isClean(failure.exit)",
    replace: "failure.cause === 'exit' && !isClean(failure.exit)",
  },
  {
    name: 'losers of a race go on for a while',
    file: 'scope.ts',
    find: '  losers.abort(because);\n',
    replace: '',
  },
  {
    name: 'listeners stay on the signal that was waited for',
    file: 'scope.ts',
    find: "      target.removeEventListener('abort', done);\n",
    replace: '',
  },
  {
    name: 'a service that hangs in the kernel is started beside itself',
    file: 'service.ts',
    find: 'process.exit && this.#mayRestart(failure)',
    replace: 'this.#mayRestart(failure)',
  },
  {
    name: 'a crash during the stop is restarted',
    file: 'service.ts',
    find: 'if (this.#around.stop.aborted || !wantsRestart(restart, failure)) return false;',
    replace: 'if (!wantsRestart(restart, failure)) return false;',
  },
  {
    name: 'a restart does not wait until the former life is cleaned up',
    file: 'service.ts',
    find: '        await this.#leftovers.until(isNone, signal);\n',
    replace: '',
  },
  {
    name: 'a healthy period of a former life is never forgotten',
    file: 'service.ts',
    find: '    this.#longestReadyMs = 0;\n',
    replace: '',
  },
  {
    name: 'unready and dying count as a healthy period',
    file: 'service.ts',
    find: "if (state !== 'ready') return this.#longestReadyMs;",
    replace: "if (state === 'starting') return this.#longestReadyMs;",
  },
  {
    name: 'every service is stopped by SIGTERM',
    file: 'service.ts',
    find: 'process.signal(this.spec.stopSignal);',
    replace: "process.signal('SIGTERM');",
  },
  {
    name: 'the start timeout begins with each stage',
    file: 'service.ts',
    find: 'clock.sleep(this.view.value.since + limitMs - clock.now(), signal)',
    replace: 'clock.sleep(limitMs, signal)',
  },
  {
    name: 'signals that come before a service runs are lost',
    file: 'service.ts',
    find: '    for (const name of this.#earlySignals.splice(0)) process.signal(name);\n',
    replace: '',
  },
  {
    name: 'a clean exit of what nobody needs is a failure',
    file: 'service.ts',
    find: "type === 'oneshot' || (!essential && restart.condition === 'on-failure')",
    replace: "type === 'oneshot'",
  },
  {
    name: 'a new life shows the exit of the old one',
    file: 'service.ts',
    find: 'this.#change({ pid: process.pid, exit: undefined });',
    replace: 'this.#change({ pid: process.pid });',
  },
  {
    name: 'a lost liveness has no way out of unready',
    file: 'state.ts',
    find: "'probe-succeeded': 'ready',\n    'liveness-lost': 'stopping',",
    replace: "'probe-succeeded': 'ready',",
  },
  {
    name: 'what is stopped before its restart has failed',
    file: 'state.ts',
    find: "'delay-elapsed': 'starting',\n    stop: 'stopped',",
    replace: "'delay-elapsed': 'starting',\n    stop: 'failed',",
  },
  {
    name: 'any failure ends the run',
    file: 'supervisor.ts',
    find: 'if (failure && essential)',
    replace: 'if (failure)',
  },
  {
    name: 'one dependent that is down is enough to stop',
    file: 'supervisor.ts',
    find: 'dependents.every((name) => this.#service(name).isTerminal)',
    replace: '(dependents.length === 0 || dependents.some((name) => this.#service(name).isTerminal))',
  },
  {
    name: 'a second signal does not cut the drain',
    file: 'supervisor.ts',
    find: '      kill: (signal) => aborted(kill, signal),\n      drained:',
    replace: '      drained:',
  },
  {
    name: 'the drain is not part of the budget',
    file: 'supervisor.ts',
    find: 'this.#machine.clock.now() + this.#policy.stopTimeoutMs;',
    replace: 'this.#machine.clock.now() + this.#policy.drainDelayMs + this.#policy.stopTimeoutMs;',
  },
  {
    name: 'only what is essential counts as killed',
    file: 'supervisor.ts',
    find: 'filter((view) => view.forced)',
    replace: 'filter((view) => view.forced && view.essential)',
  },
  {
    name: 'the last to decide the outcome is right',
    file: 'supervisor.ts',
    find: '    if (this.#outcome) return;\n',
    replace: '',
  },
];
