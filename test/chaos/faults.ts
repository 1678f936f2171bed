/**
 * The faults, each with what is promised to follow from it. A verdict is derived from README and ARCHITECTURE, never from a
 * run; where two things race by right, it holds both.
 */
import type { Fault } from './fault.ts';
import { faultsOfContainers } from './faults-of-containers.ts';
import { faultsOfMatrix } from './faults-of-matrix.ts';
import { faultsOfOutput } from './faults-of-output.ts';
import { faultsOfProcesses } from './faults-of-processes.ts';
import { faultsOfRestarts } from './faults-of-restarts.ts';
import { faultsOfSurroundings } from './faults-of-surroundings.ts';

/** What takes the time of a fast pair … */
export const fastFaults: readonly Fault[] = [
  ...faultsOfProcesses,
  ...faultsOfOutput,
  ...faultsOfSurroundings,
  ...faultsOfRestarts,
];

/** … and what takes longer, and has its turn less often. */
export const slowFaults: readonly Fault[] = [...faultsOfContainers, ...faultsOfMatrix];
