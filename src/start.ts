/**
 * The program's first file: runs the bundle, from V8's code cache if there is one, so that what was compiled once at build
 * time (`scripts/warm.mjs`) is not compiled at every start. Node's own compile cache holds what was compiled before the
 * first line ran, which is next to nothing; this one holds what a run has used.
 *
 * V8 itself refuses a cache of another V8 or of other flags, and compiles; of the source it compares the length alone, so
 * the cache's name holds the bundle's hash.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

declare const TANDEM_BUNDLE_HASH: string;

const file = join(__dirname, 'main.cjs');

/** Where the code cache for this Node is, or would be. */
export const cacheFile = join(__dirname, 'cache', `${TANDEM_BUNDLE_HASH}-${process.version}-${process.arch}`);

/** The bundle, as a function of what CommonJS gives to a module. */
export const bundle = new Script(
  `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'latin1')}\n})`,
  { filename: file, cachedData: readCache() },
);

function readCache(): Buffer | undefined {
  try {
    return readFileSync(cacheFile);
  } catch {
    return undefined;
  }
}

bundle.runInThisContext()({}, require, module, file, __dirname);
