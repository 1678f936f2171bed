/** Which flags a program knows, asked once by its `--help`. A program that does not say so in time is not waited for. */

/** A Python program takes some 200 ms of it, on a busy machine with a cold disk a second or two. */
const helpLimitMs = 5_000;

/** The longest help is a small part of it; a program that ignores `--help` may print for ever. */
const mostOutputBytes = 1024 * 1024;

/** The long flags that its help names, or `undefined` if there is no help to read. */
export async function flagsOf(program: string): Promise<ReadonlySet<string> | undefined> {
  const { execa } = await import('execa');
  const { failed, stdout } = await execa(program, ['--help'], {
    stdin: 'ignore',
    reject: false,
    timeout: helpLimitMs,
    killSignal: 'SIGKILL',
    maxBuffer: mostOutputBytes,
  });
  const flags = new Set(stdout?.match(/(?<![\w-])--[a-z][a-z0-9-]*/g));
  return failed || flags.size === 0 ? undefined : flags;
}
