/** All measures, in the order of the goals. */
import { containers } from './docker.ts';
import { crash, stop } from './ends.ts';
import { fleet } from './fleet.ts';
import { health } from './health.ts';
import { idle, memory } from './idle.ts';
import { install } from './install.ts';
import { many } from './many.ts';
import type { Measure } from './measure.ts';
import { orphans } from './orphans.ts';
import { output } from './output.ts';
import { ready } from './ready.ts';
import { start } from './start.ts';

export const measures: readonly Measure[] = [
  start,
  memory,
  health,
  ready,
  crash,
  stop,
  output,
  many,
  idle,
  orphans,
  containers,
  install,
  fleet,
];
