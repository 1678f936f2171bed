/** Plans with flaws: what must be said of them, told a second time. */
import { makePlan } from '../../src/core/plan.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { service } from '../core/harness.ts';
import type { Flaw, Scenario } from './scenario.ts';

/** What has to be in one problem: whom it is about, and words of its message. */
interface Expected {
  readonly subjects: readonly string[];
  readonly words: readonly string[];
}

/** What is wrong with how the plan was refused. */
export function brokenBy({ specs, flaws }: Scenario): string[] {
  const flawed = flaws.map((flaw) => spoil(specs, flaw));
  const all = flaws.some(({ kind }) => kind === 'nothing') ? [] : [...specs, ...flawed.flatMap(({ more }) => more)];
  const expected = flawed.map((one) => one.expected);
  try {
    makePlan(all);
    return ['it was taken'];
  } catch (error) {
    return expected.flatMap((one) => missing(one, error));
  }
}

/** Services to add, which spoil the plan, and what must be said. */
function spoil(specs: readonly ServiceSpec[], flaw: Flaw): { more: ServiceSpec[]; expected: Expected } {
  if (flaw.kind === 'nothing') return { more: [], expected: { subjects: ['services'], words: ['nothing'] } };
  const { name } = specs[flaw.service] ?? { name: '' };
  switch (flaw.kind) {
    case 'twice':
      return { more: [service(name)], expected: { subjects: [name], words: ['twice'] } };
    case 'unknown': {
      const more = [service(`needs-none-${name}`, { dependsOn: { nobody: 'ready' } })];
      return { more, expected: { subjects: [`needs-none-${name}`], words: ['"nobody"', 'not exist'] } };
    }
    case 'never-completed': {
      const more = [
        service(`endless-${name}`, { dependsOn: {} }),
        service(`needs-${name}`, { dependsOn: { [`endless-${name}`]: 'completed' } }),
      ];
      return { more, expected: { subjects: [`needs-${name}`], words: [`"endless-${name}"`, 'not a oneshot'] } };
    }
    case 'cycle': {
      const [one, two] = [`one-${name}`, `two-${name}`];
      const more = [
        service(one, { dependsOn: { [name]: 'started', [two]: 'started' } }),
        service(two, { dependsOn: { [one]: 'started' } }),
      ];
      // One cycle is enough to know of.
      return { more, expected: { subjects: ['one-', 'two-'], words: ['itself', ' -> '] } };
    }
  }
}

function missing({ subjects, words }: Expected, error: unknown): string[] {
  if (!(error instanceof Error) || error.name !== 'PlanError') return [`it ended with ${error}`];
  const { problems } = error as Error & { problems: { subject: string; message: string }[] };
  const found = problems.some(({ subject, message }) => {
    return subjects.some((one) => subject.startsWith(one)) && words.every((word) => message.includes(word));
  });
  const isWhole = problems.every(({ subject, message }) => error.message.includes(`${subject}: ${message}`));
  return [
    ...(found ? [] : [`nobody said ${words.join(' … ')} of ${subjects.join(' or ')}`]),
    ...(isWhole ? [] : [`the message is ${error.message}`]),
  ];
}
