/** What can be seen to be wrong with a plan on this machine before anything of it is started. */
import type { Plan } from '../core/plan.ts';
import type { LaunchFailure } from '../core/ports.ts';
import type { ServiceSpec } from '../core/spec.ts';
import { checkDirectory, findCommand } from './command-lookup.ts';

/** Every service whose command or working directory cannot be used. */
export function unusableCommands(plan: Plan): LaunchFailure[] {
  return plan.services.flatMap((spec) => {
    const failure = spec.skip === undefined && !spec.isExternal ? whyUnusable(spec) : undefined;
    const hint = failure?.code === 127 && spec.process.hint ? `; ${spec.process.hint}` : '';
    return failure ? [{ ...failure, message: `cannot start "${spec.name}": ${failure.message}${hint}` }] : [];
  });
}

function whyUnusable({ process: { command, cwd, environment } }: ServiceSpec): LaunchFailure | undefined {
  const found = checkDirectory(cwd) ?? findCommand(command[0], { cwd, path: environment['PATH'] });
  return typeof found === 'string' ? undefined : found;
}
