/**
 * Mutants of src/core that no test can kill, for mutation.mjs, each with its reason. `was` and `becomes` are the code before
 * and after; `in` is a part of the line, where `was` stands on several. One that is killed after all, or that is no longer
 * there, is an error: then its entry goes.
 */

const forTheCompiler = {
  failure: 'a dependency that is lost for good has failed, and its view says why; the rest is for the compiler',
  readiness: 'only what has a readiness is waited for long enough to be told of; the ?. is for the compiler',
  outcome: 'here the end is decided, so there is an outcome; the ?. is for the compiler',
  plan: 'makePlan refuses names that do not exist; the rest is for the compiler',
  split: 'split() returns one piece at least; the default is for the compiler',
};

/** @type {readonly { file: string, was: string, becomes: string, in?: string, reason: string }[]} */
export const explained = [
  {
    file: 'src/core/budget.ts',
    was: 'eachMs > leftMs / sharers',
    becomes: 'eachMs >= leftMs / sharers',
    reason: 'who needs just an even share leaves just an even share to each of the others',
  },
  {
    file: 'src/core/scope.ts',
    was: "'over'",
    becomes: '""',
    reason: 'a reason saves the making of an exception, whatever it is; nobody reads it',
  },
  ...[
    ["{ cause: 'exit', exit: { code: 1 } }", '{}'],
    ["'exit'", '""'],
    ['{ code: 1 }', '{}'],
  ].map(([was, becomes]) => {
    return { file: 'src/core/service.ts', was, becomes, in: 'lost.failure ??', reason: forTheCompiler.failure };
  }),
  {
    file: 'src/core/service.ts',
    was: 'this.spec.readiness?.startTimeoutMs',
    becomes: 'this.spec.readiness.startTimeoutMs',
    in: 'limitMs: this.spec',
    reason: forTheCompiler.readiness,
  },
  {
    file: 'src/core/service.ts',
    was: 'result.ok',
    becomes: 'false',
    in: 'if (result.ok) return;',
    reason: 'the first turn is to the bad, and ends the watch: there is none to the good',
  },
  ...[
    ["second.arm === 'over'", 'false'],
    ["'over'", '""'],
  ].map(([was, becomes]) => {
    const reason = 'when all is over nobody is left to be killed or to be told to stop';
    return { file: 'src/core/supervisor.ts', was, becomes, in: "second.arm === 'over'", reason };
  }),
  {
    file: 'src/core/supervisor.ts',
    was: 'this.#outcome?.kind',
    becomes: 'this.#outcome.kind',
    reason: forTheCompiler.outcome,
  },
  {
    file: 'src/core/supervisor.ts',
    was: 'needMs(row) > needMs(most)',
    becomes: 'needMs(row) >= needMs(most)',
    reason: 'of two rows that need the same either will do',
  },
  ...[
    ['[]', '["Stryker was here"]', 'this.#plan.dependents.get('],
    ['!service', 'false', 'if (!service) throw'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    ['`no service "${name}" in the plan`', '``', 'if (!service) throw'],
  ].map(([was, becomes, line]) => {
    return { file: 'src/core/supervisor.ts', was, becomes, in: line, reason: forTheCompiler.plan };
  }),
  {
    file: 'src/core/plan.ts',
    was: '[]',
    becomes: '["Stryker was here"]',
    in: 'visit(spec, [])',
    reason: 'a cycle is told from the service on that closes it: what stands before that is never seen',
  },
  {
    file: 'src/core/plan.ts',
    was: 'dependents.get(name)?.push',
    becomes: 'dependents.get(name).push',
    reason: forTheCompiler.plan,
  },
  ...["[first = ''", "[authority = ''"].map((line) => {
    return {
      file: 'src/core/userinfo.ts',
      was: "''",
      becomes: '"Stryker was here!"',
      in: line,
      reason: forTheCompiler.split,
    };
  }),
];
