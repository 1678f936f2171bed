/** What a preset may ask of the machine it is on. `host/` has the answers and main hands them in; absent: not known. */
import type { Machine } from '../core/ports.ts';
import type { Resources } from './workers.ts';

export interface Site {
  /** What the container grants. */
  readonly resources?: Resources;
  /** The flags that a program says it knows; `undefined` where it does not say. */
  readonly flagsOf?: (program: string) => Promise<ReadonlySet<string> | undefined>;
  /** Who holds an address now. */
  readonly holderOf?: Machine['holderOf'];
}
