/**
 * From the command line and the environment to a plan: the services of a tandem.yaml, or those of a preset. Starts and writes
 * nothing.
 */
import { type ConfigChoice, chooseConfig, type Wanted } from '../config/choose-config.ts';
import type { Remark, RunConfig } from '../config/config.ts';
import type { Surroundings } from '../config/load.ts';
import { secretHider } from '../config/mask.ts';
import { ConfigError } from '../core/errors.ts';
import { awaitFirst } from '../core/external.ts';
import { makePlan, type Plan } from '../core/plan.ts';
import type { Requirements } from '../core/requirements.ts';
import type { UserSpec } from '../core/spec.ts';
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
  // What the file waits for and WAIT_FOR does, too, is waited for once.
  const waits = config.waits.filter(({ name }) => stack.specs.every((spec) => spec.name !== name));
  const plan = makePlan(selectServices(awaitFirst(stack.specs, waits), wanted.only));
  return {
    config,
    plan,
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
  const { specs, remarks } = await servicesFor(config, site, only).catch((error) => {
    throw error instanceof ConfigError ? new ConfigError([...error.problems, ...config.unmet]) : error;
  });
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

function meet(requirements: Requirements, user: UserSpec | undefined): Remark[] {
  return meetRequirements(requirements, user).map((facts) => ({
    level: 'info',
    message: 'directory made ready',
    facts: { ...facts },
  }));
}
