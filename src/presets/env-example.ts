/** Makes a missing .env file from the example whose values the configuration uses already. */
import { chmodSync, constants, copyFileSync } from 'node:fs';
import type { EnvFile, Remark } from '../config/config.ts';

/**
 * Makes a missing file from its example, readable by its owner only. A directory that cannot be written is no error:
 * the example's values are in use already.
 * @returns what came of it; nothing where the file was there
 */
export function copyExample({ path, example }: EnvFile): Remark | undefined {
  if (example === undefined) return undefined;
  try {
    copyFileSync(example, path, constants.COPYFILE_EXCL);
    chmodSync(path, 0o600);
    return { level: 'info', message: 'env file made from its example', facts: { path, example } };
  } catch (error) {
    const facts = { path, example, reason: (error as NodeJS.ErrnoException).code };
    return { level: 'info', message: 'env file not made, the values of its example are used', facts };
  }
}
