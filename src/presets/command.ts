/**
 * The preset of `tandem -- CMD ARG…`: one command that is run as if it were alone. It gets every signal, the terminal,
 * stdin and an environment that is not touched; its end is tandem's end. Imports next to nothing: this is the start-up
 * path that is compared with tini's.
 */
import { noRestart, type ServiceSpec } from '../core/spec.ts';
import { trim } from '../core/trim.ts';

/** What the command inherits. */
export interface CommandSurroundings {
  /** `process.env` is one. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** A long name would only fill the log lines. */
const longestName = 32;

/** The one spec of a command. */
export function commandServices(
  command: readonly [string, ...string[]],
  { environment, cwd }: CommandSurroundings,
): [ServiceSpec] {
  return [
    {
      name: nameOf(command[0]),
      // It is expected to end, and any code of its own is right.
      type: 'oneshot',
      // process.env has no undefined values; its type only says so because it is written for assignments, too.
      process: { command, cwd, environment: environment as Record<string, string>, attachment: 'foreground' },
      dependsOn: {},
      restart: noRestart,
      essential: true,
      stopSignal: 'SIGTERM',
      forwardSignals: 'all',
    },
  ];
}

/** The program's own name, in the letters that a service's name may have. */
function nameOf(program: string): string {
  const base = program.slice(program.lastIndexOf('/') + 1).toLowerCase();
  const name = trim(base.replace(/[^a-z0-9_-]+/g, '-'), '-');
  return name.slice(0, longestName) || 'command';
}
