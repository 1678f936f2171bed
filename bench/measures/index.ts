/** All measures, in the order of the goals. */
import { crash, stop } from './ends.ts';
import { idle, memory } from './idle.ts';
import type { Measure } from './measure.ts';
import { ready } from './ready.ts';
import { start } from './start.ts';

export const measures: readonly Measure[] = [start, memory, ready, crash, stop, idle];
