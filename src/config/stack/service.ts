/** One service of a tandem.yaml as a ServiceSpec. What is wrong is told, and then there is no spec. */
import { resolve } from 'node:path';
import { usualSignals } from '../../core/gunicorn.ts';
import {
  type Address,
  noRestart,
  type ReadinessSpec,
  type RestartPolicy,
  type Self,
  type ServiceSpec,
} from '../../core/spec.ts';
import type { ServiceUser } from '../config.ts';
import { findUser, whyNotAs, whyNotIn } from '../users.ts';
import type { Complaints } from './complaints.ts';
import { environmentOf, type Sources } from './environment.ts';
import type { HealthcheckInput, ReadyInput, ServiceInput } from './keys.ts';
import type { Path } from './located.ts';
import { questionOf, timingOf } from './probes.ts';

/** A service as it was written. */
export interface Written {
  readonly name: string;
  readonly path: Path;
  readonly input: ServiceInput;
  /** The keys that are there, acceptable or not. */
  readonly keys: ReadonlySet<string>;
  /** Some value of it was refused. */
  readonly isBroken: boolean;
  readonly isActive: boolean;
  readonly type: ServiceSpec['type'];
  /** The names of `depends_on` where it is a list. */
  readonly listed?: readonly string[] | undefined;
}

/** What one service needs. */
export type Needs = Pick<ServiceSpec, 'dependsOn' | 'optionalDependencies'>;

/** What a service is read with. */
export interface Setting extends Sources {
  readonly complaints: Complaints;
  readonly needs: Needs;
  /** The directory of `passwd` and `group`. */
  readonly etc: string | undefined;
  /** Who tandem is. Absent: not known, and any user is accepted. */
  readonly self: Self | undefined;
  /** Who it is run as if it says nothing of it. Absent: whoever tandem is. */
  readonly user: ServiceUser | undefined;
}

/** No start is given up sooner, unless that is said. */
const leastStartTimeoutMs = 60_000;

export async function specOf(written: Written, setting: Setting): Promise<ServiceSpec | undefined> {
  const { name, path, input, type } = written;
  const { complaints, directory, needs } = setting;
  const before = complaints.problems.length;
  const command = commandOf(written, complaints);
  const user = userOf(written, setting);
  const readiness = readinessOf(written, complaints);
  const liveness = livenessOf(written, complaints);
  const restart = restartOf(written, complaints);
  const environment = await environmentOf(input, setting, complaints, path, user?.home);
  if (!command || written.isBroken || complaints.problems.length > before) return undefined;
  return {
    name,
    type,
    process: {
      command,
      cwd: resolve(directory, input.working_dir ?? '.'),
      environment,
      attachment: 'service',
      ...(user && { user: user.identity }),
      ...(input.hint !== undefined && { hint: input.hint }),
      ...(input.no_new_privileges && { noNewPrivileges: true }),
    },
    ...needs,
    ...(input.external && { isExternal: true }),
    ...(readiness && { readiness }),
    ...(liveness && { liveness }),
    restart: restart ?? noRestart,
    essential: input.essential ?? true,
    stopSignal: input.stop_signal ?? 'SIGTERM',
    ...(input.stop_grace_period !== undefined && { stopGraceMs: input.stop_grace_period }),
    ...(input.log_format !== undefined && { output: input.log_format }),
    forwardSignals: input.forward_signals ?? usualSignals(command),
    ...(input.skip !== undefined && { skip: input.skip }),
  };
}

function commandOf({ path, input, keys }: Written, complaints: Complaints): readonly [string, ...string[]] | undefined {
  const [program, ...rest] = [...(input.entrypoint ?? []), ...(input.command ?? [])];
  if (program) return [program, ...rest];
  const isRefused = ['command', 'entrypoint'].some((key) => keys.has(key) && input[key as 'command'] === undefined);
  // What is not run here needs none; something has to stand there.
  if (input.external || input.skip !== undefined) return ['true'];
  if (isRefused) return undefined;
  const accepted = 'a command line, or a list of words';
  if (keys.has('command')) complaints.at([...path, 'command'], `there is no program in it; accepted: ${accepted}`);
  else complaints.at(path, `"command" is missing, and tandem knows no images with one; accepted: ${accepted}`);
  return undefined;
}

function userOf({ path, input }: Written, setting: Setting): ServiceUser | undefined {
  const { complaints, etc, self } = setting;
  const { user, group_add: groups = [] } = input;
  if (user === undefined) {
    if (groups.length > 0)
      complaints.at([...path, 'group_add'], 'there is no user to add groups to; accepted: with user');
    return input.external ? undefined : setting.user;
  }
  const found = findUser(user, groups, etc);
  if ('problem' in found) {
    complaints.at([...path, 'user'], `${JSON.stringify(user)} is not accepted; ${found.problem}`);
    return undefined;
  }
  // What is not run is nobody.
  if (!self || input.skip !== undefined) return found;
  const why = whyNotAs(found.identity, self);
  if (why !== undefined) complaints.at([...path, 'user'], `cannot be run as ${JSON.stringify(user)} ${why}`);
  const bare = findUser(user, [], etc);
  const added = 'identity' in bare ? found.identity.groups.filter((id) => !bare.identity.groups.includes(id)) : [];
  const whyNotAdded = why === undefined ? whyNotIn(added, self) : undefined;
  if (whyNotAdded !== undefined) complaints.at([...path, 'group_add'], whyNotAdded);
  return found;
}

/** Whether there is anything by which one can see that the service is ready. */
export function hasReadiness({ input: { ready, healthcheck, external }, keys, isBroken }: Written): boolean {
  const isRefused = isBroken && (keys.has('ready') || keys.has('healthcheck'));
  return (
    ready !== undefined || external === true || isRefused || (healthcheck !== undefined && !isDisabled(healthcheck))
  );
}

function isDisabled({ disable, test }: HealthcheckInput): boolean {
  return disable === true || (Array.isArray(test) && test[0] === 'NONE');
}

function readinessOf(written: Written, complaints: Complaints): ReadinessSpec | undefined {
  const { path, input, type } = written;
  const { ready, healthcheck, external } = input;
  const port = portOf(ready, [...path, 'ready'], complaints);
  const asked = { complaints, port };
  const isAsked = healthcheck !== undefined && !isDisabled(healthcheck);
  const probe = isAsked ? questionOf(healthcheck, { ...asked, path: [...path, 'healthcheck'] }) : undefined;
  const startProbe = ready?.probe && questionOf(ready.probe, { ...asked, path: [...path, 'ready', 'probe'] });
  const isRun = type === 'service';
  if (isAsked && !probe && !hasQuestion(healthcheck) && (external || !ready)) {
    complaints.at([...path, 'healthcheck'], `it asks nothing; accepted: ${oneQuestion}, or disable: true`);
  }
  if (external && !isAsked)
    complaints.at([...path, 'external'], `nothing says when it is there; accepted: with healthcheck`);
  if (
    isRun &&
    ready &&
    ready.host === undefined &&
    !port &&
    !probe &&
    !startProbe &&
    !hasQuestion(ready.probe ?? {}) &&
    !isAsked
  ) {
    complaints.at(
      [...path, 'ready'],
      'there is nothing to wait for; accepted: with port, with probe, or with a healthcheck',
    );
  }
  if (!isRun && !external && ready?.timeout === undefined) return undefined;
  if (!ready && !probe) return undefined;
  const timing = timingOf(healthcheck ?? {});
  const tryMs = timing.failureThreshold * (timing.intervalMs + timing.timeoutMs);
  return {
    ...(port && { port }),
    ...(startProbe && { startProbe }),
    ...(probe && { probe }),
    ...(ready?.settle && { settleMs: ready.settle }),
    timing,
    startTimeoutMs: ready?.timeout ?? Math.max(leastStartTimeoutMs, (healthcheck?.start_period ?? 0) + tryMs),
  };
}

const oneQuestion = 'one of test, http, tcp, postgres, redis, mcp';

function hasQuestion({ test, http, tcp, postgres, redis, mcp }: NonNullable<ReadyInput['probe']>): boolean {
  return [test, http, tcp, postgres, redis, mcp].some((question) => question !== undefined);
}

function portOf(ready: ReadyInput | undefined, path: Path, complaints: Complaints): Address | undefined {
  if (!ready) return undefined;
  const { port, host = 'localhost' } = ready;
  if (port !== undefined) return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
  if (ready.host !== undefined)
    complaints.at([...path, 'host'], 'it is the host of a port that is not there; accepted: with port');
  return undefined;
}

function livenessOf({ path, input: { liveness, ready } }: Written, complaints: Complaints): ServiceSpec['liveness'] {
  if (!liveness) return undefined;
  const here = [...path, 'liveness'];
  const port = ready?.port === undefined ? undefined : { host: ready.host ?? 'localhost', port: ready.port };
  const probe = questionOf(liveness, { complaints, path: here, port });
  if (probe) return { probe, timing: timingOf(liveness) };
  if (!hasQuestion(liveness)) complaints.at(here, `it asks nothing; accepted: ${oneQuestion}`);
  return undefined;
}

type Condition = 'no' | 'on-failure' | 'always' | 'unless-stopped';

/** Nothing is remembered of an earlier container, so what was stopped by hand is not started again by either. */
function conditionOf(word: Condition): RestartPolicy['condition'] {
  return word === 'unless-stopped' ? 'always' : word;
}

function restartOf({ path, input: { restart } }: Written, complaints: Complaints): RestartPolicy | undefined {
  if (restart === undefined) return undefined;
  if (typeof restart === 'string') {
    const [, word, times] = /^(no|on-failure|always|unless-stopped)(?::(\d{1,6}))?$/.exec(restart) ?? [];
    if (word !== undefined && (times === undefined || word === 'on-failure')) {
      const maxRestarts = times === undefined ? noRestart.maxRestarts : Number(times);
      return { ...noRestart, condition: conditionOf(word as Condition), maxRestarts };
    }
    complaints.value(
      [...path, 'restart'],
      'no, always, on-failure, on-failure:N, unless-stopped, or a map with condition',
    );
    return undefined;
  }
  return {
    condition: conditionOf(restart.condition),
    baseDelayMs: restart.delay ?? noRestart.baseDelayMs,
    maxDelayMs: restart.max_delay ?? noRestart.maxDelayMs,
    resetAfterMs: restart.reset_after ?? noRestart.resetAfterMs,
    maxRestarts: restart.max_restarts ?? noRestart.maxRestarts,
    windowMs: restart.window ?? noRestart.windowMs,
  };
}
