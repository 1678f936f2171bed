/**
 * From the command line and the environment to a plan: the services of a tandem.yaml, or those of a preset. Starts and writes
 * nothing.
 */
import { type ConfigChoice, chooseConfig, type Wanted } from '../config/choose-config.ts';
import type { Remark, RunConfig } from '../config/config.ts';
import { uniqueNames } from '../config/dependency-url.ts';
import type { Surroundings } from '../config/load.ts';
import { secretHider } from '../config/mask.ts';
import { ConfigError } from '../core/errors.ts';
import { awaitFirst, type ExternalSpec } from '../core/external.ts';
import { makePlan, type Plan } from '../core/plan.ts';
import type { Requirements } from '../core/requirements.ts';
import type { ServiceSpec, UserSpec } from '../core/spec.ts';
import { flagsOf } from '../host/known-flags.ts';
import { holderOf } from '../host/listeners.ts';
import { handOver, meetRequirements } from '../host/requirements.ts';
import type { Site } from '../presets/site.ts';

/** All that a run goes by. */
export interface Planned {
  readonly config: RunConfig;
  readonly plan: Plan;
  readonly remarks: readonly Remark[];
  /** Takes secrets out of what is shown. */
  readonly hide: (text: string) => string;
  /** Makes ready on the disk what the services expect there, and as root, theirs; tells what was done. */
  readonly prepare: () => Promise<readonly Remark[]>;
}

/** @throws ConfigError with all problems at once */
export async function planRun(surroundings: Surroundings, wanted: Wanted): Promise<Planned> {
  const choice = chooseConfig(surroundings, wanted);
  return choice ? planStack(surroundings, choice, wanted) : planPreset(surroundings, wanted);
}

async function planStack(surroundings: Surroundings, choice: ConfigChoice, wanted: Wanted): Promise<Planned> {
  const { loadStack } = await import('../config/tandem-yaml.ts');
  const { selectServices } = await import('../presets/index.ts');
  const loaded = await loadStack(surroundings, choice, wanted);
  if ('problems' in loaded) throw new ConfigError(loaded.problems);
  const { config, stack, user } = loaded;
  const specs = selectServices(awaitFirst(stack.specs, othersOf(config.waits, stack.specs)), wanted.only);
  return {
    config,
    plan: await orRefuse(config, () => makePlan(specs)),
    remarks: config.remarks,
    hide: secretHider(config.secrets),
    prepare: async () => meet(config.requirements, user),
  };
}

async function planPreset(surroundings: Surroundings, { preset, only }: Wanted): Promise<Planned> {
  const { choosePreset, prepareFor, preparedPaths, servicesFor, unknownServices } = await import('../presets/index.ts');
  const { loadConfig } = await import('../config/load.ts');
  const { readCgroup } = await import('../host/cgroup.ts');
  const config = await loadConfig(surroundings, choosePreset(surroundings, preset), unknownServices(only));
  const site: Site = {
    // Only where a number of workers has to be found out.
    get resources() {
      return readCgroup();
    },
    flagsOf,
    holderOf,
  };
  const { specs, remarks } = await orRefuse(config, () => servicesFor(config, site, only));
  return {
    config,
    plan: makePlan(specs),
    remarks: [...config.remarks, ...remarks],
    hide: secretHider(config.secrets),
    prepare: async () => {
      const user = config.user?.identity;
      const made = meet(config.requirements, user);
      const prepared = await prepareFor(config);
      handOver(preparedPaths(config), user);
      return [...made, ...prepared];
    },
  };
}

/** What the services wait for already is waited for once; what only has the same name gets another one. */
function othersOf(waits: readonly ExternalSpec[], specs: readonly ServiceSpec[]): readonly ExternalSpec[] {
  const known = specs.filter(({ isExternal }) => isExternal).map(({ readiness }) => JSON.stringify(readiness?.probe));
  const others = waits.filter(({ probe }) => !known.includes(JSON.stringify(probe)));
  const names = uniqueNames(
    others.map(({ name }) => name),
    specs.map(({ name }) => name),
  );
  return others.map((wait, index) => ({ ...wait, name: names[index] ?? wait.name }));
}

/** Whatever else is wrong is told with what is missing, without secrets. */
async function orRefuse<T>({ unmet, secrets }: RunConfig, plan: () => T | Promise<T>): Promise<T> {
  try {
    return await plan();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hide = secretHider(secrets);
    throw new ConfigError([...error.problems, ...unmet].map((one) => ({ ...one, message: hide(one.message) })));
  }
}

function meet(requirements: Requirements, user: UserSpec | undefined): Remark[] {
  return meetRequirements(requirements, user).map((facts) => ({
    level: 'info',
    message: 'directory made ready',
    facts: { ...facts },
  }));
}
