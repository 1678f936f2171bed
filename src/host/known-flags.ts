/** Which flags a program knows, asked once by its `--help`. A program that does not say so in time is not waited for. */
import { execFile } from 'node:child_process';

/** A Python program takes some 200 ms of it, on a busy machine with a cold disk a second or two. */
const helpLimitMs = 5_000;

/** The long flags that its help names, or `undefined` if there is no help to read. */
export function flagsOf(program: string): Promise<ReadonlySet<string> | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: helpLimitMs, killSignal: 'SIGKILL' } as const;
    const child = execFile(program, ['--help'], options, (error, stdout) => {
      const flags = new Set(stdout.match(/(?<![\w-])--[a-z][a-z0-9-]*/g));
      resolve(error || flags.size === 0 ? undefined : flags);
    });
    child.stdin?.end();
  });
}
