/**
 * The program's first file: runs the bundle, and what is loaded behind it, from V8's code cache if there is one, so that what
 * was compiled once at build time (`scripts/warm.mjs`) is not compiled at every start. Node's own compile cache holds what was
 * compiled before the first line ran, which is next to nothing; this one holds what a run has used.
 *
 * V8 itself refuses a cache of another V8 or of other flags, and compiles; of the source it compares the length alone, so
 * the cache's name holds the hash of all files that it is for.
 */
import './ask-first.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

declare const TANDEM_BUNDLE_HASH: string;

/** What CommonJS gives to a module. */
type Body = (
  exports: unknown,
  require: (id: string) => unknown,
  module: { exports: unknown },
  filename: string,
  dirname: string,
) => void;

/** The ways to start that are waited for most need little of the bundle: they have caches of their own, with no more in them. */
const way = { '--': 'command', health: 'health', fleet: 'fleet' }[process.argv[2] ?? ''] ?? 'run';

/** Where the code caches for this Node are, or would be: one for each file, by its name. */
export const cacheDirectory = join(__dirname, 'cache', `${TANDEM_BUNDLE_HASH}-${process.version}-${process.arch}`, way);

const loaded = new Map<string, { exports: unknown }>();

/** `require` of the bundles: what lies beside them is loaded here, everything else by Node. */
function requireHere(id: string): unknown {
  return id.startsWith('./') ? load(id.slice(2), { exports: {} }) : require(id);
}

function load(name: string, module: { exports: unknown }): unknown {
  const known = loaded.get(name);
  if (known) return known.exports;
  loaded.set(name, module);
  const body = compile(name).runInThisContext() as Body;
  body(module.exports, requireHere, module, join(__dirname, name), __dirname);
  return module.exports;
}

function compile(name: string): Script {
  const filename = join(__dirname, name);
  // Nothing but ASCII is in it, and of the encodings this one is read the quickest.
  return new Script(readFileSync(filename, 'utf8'), { filename, cachedData: readCache(name) });
}

function readCache(name: string): Buffer | undefined {
  try {
    return readFileSync(join(cacheDirectory, name));
  } catch {
    return undefined;
  }
}

// The fleet is a program of its own: a tandem that runs services never loads a line of it.
load(way === 'fleet' ? 'fleet.cjs' : 'main.cjs', module);
