/** Starts a run in its form. */
import { startContainer } from './container-run.ts';
import { startLocal } from './local-run.ts';
import type { Run, RunOptions } from './run.ts';

/** Starts it; it is on its way and not yet up. */
export async function startRun(options: RunOptions): Promise<Run> {
  return options.form === 'container' ? startContainer(options) : startLocal(options);
}
