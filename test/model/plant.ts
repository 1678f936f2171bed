/** Plants one defect in a bundle of the model and of core, and hunts for it. The work tree is only read. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import type { Defect } from './defects.ts';

const root = join(import.meta.dirname, '../..');

/** The run that broke a promise, from 1, and which. */
export interface Found {
  readonly at: number;
  readonly promise: string;
}

/** How it is hunted for. */
export interface Hunt {
  readonly runs: number;
  readonly seed: number;
  /** Where the bundle is put. */
  readonly directory: string;
  /** More is a hang, which is a find. */
  readonly timeoutMs: number;
}

/**
 * Resolves with the first run that breaks a promise, or with nothing.
 * @param defect absent: core as it is
 * @throws Error if its text is not found exactly once
 */
export async function hunt(
  defect: Defect | undefined,
  { runs, seed, directory, timeoutMs }: Hunt,
): Promise<Found | undefined> {
  const bundle = join(directory, `${(defect?.name ?? 'nothing').replace(/\W+/g, '-')}.cjs`);
  const source = defect && spoiled(defect);
  await build({
    entryPoints: [join(root, 'test/model/hunt.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'silent',
    plugins: [
      {
        name: 'plant',
        setup: ({ onLoad }) => {
          onLoad({ filter: /[\\/]src[\\/]core[\\/][^\\/]+\.ts$/ }, ({ path }) => {
            return basename(path) === defect?.file && source !== undefined
              ? { contents: source, loader: 'ts' }
              : undefined;
          });
        },
      },
    ],
  });
  const { output, isHung } = await outputOf([bundle, `${runs}`, `${seed}`], timeoutMs);
  if (output !== '') return JSON.parse(output).find;
  return { at: runs, promise: isHung ? 'it comes to an end' : 'it does not crash' };
}

function outputOf(words: readonly string[], timeoutMs: number): Promise<{ output: string; isHung: boolean }> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
    execFile(process.execPath, words, options, (error, output) => resolve({ output, isHung: error?.killed === true }));
  });
}

/** The file with the defect in it. */
export function spoiled({ name, file, find, replace }: Defect): string {
  const parts = readFileSync(join(root, 'src/core', file), 'utf8').split(find);
  if (parts.length === 2) return parts.join(replace);
  throw new Error(`cannot plant "${name}": its text is found ${parts.length - 1} times in src/core/${file}`);
}
