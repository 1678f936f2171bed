/**
 * `npm run build`: src/ -> dist/.
 *
 *   dist/tandem.cjs        the program: runs the bundle and what is loaded later, from their code caches
 *   dist/main.cjs          the bundle, one CommonJS file: nothing is in it that a start may not need
 *   dist/health.cjs        `tandem health`, which needs nothing of the bundle
 *   dist/tandem-yaml.cjs   what is about tandem.yaml, loaded where there is one
 *   dist/fleet.cjs         `tandem fleet`, a program of its own
 *   dist/cache/            what is compiled of these in each way to start, by the Node that built it (scripts/warm.mjs)
 *   dist/vendor/NAME.cjs   a library each that is loaded when it is needed (`import('pino')`)
 *   dist/native/           reaper.node, launch, hold.so and guard, made by `cc`
 *   dist/LICENCES.txt      the licences of all packages of which something is in these files
 *
 * What is up to date is left alone, so that `npm start` can always build first. Without a C compiler tandem still runs,
 * with less; TANDEM_REQUIRE_NATIVE=1 makes that an error, which is what an image wants.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const entry = join(root, 'src/main.ts');
const starter = join(root, 'src/start.ts');
const program = join(dist, 'tandem.cjs');
const bundle = join(dist, 'main.cjs');
const healthEntry = join(root, 'src/quick-health.ts');
/** Loaded later, as the libraries are. */
const laterEntry = join(root, 'src/config/tandem-yaml.ts');
const fleetEntry = join(root, 'src/fleet/main.ts');
const scriptAndPackages = ['scripts/build.mjs', 'package.json', 'package-lock.json'].map((path) => join(root, path));

const vendored = new Set(['pino', 'pino-pretty', 'execa', 'wait-port', 'tree-kill', 'dotenv', 'yaml']);

/** Without a libc of its own: one file for glibc and musl. Nor has it libgcc, whose functions gcc calls for atomics on ARM. */
const libraryFlags = [
  ...(process.arch === 'arm64' ? ['-mno-outline-atomics'] : []),
  ...['-shared', '-fPIC', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-asynchronous-unwind-tables'],
  ...['-U_FORTIFY_SOURCE', '-fvisibility=hidden', '-Wl,-z,noseparate-code,--gc-sections,--build-id=none'],
];

/** The same for a program: what a libc of its own would take is there as long as tandem is. */
const programFlags = [
  ...['-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-asynchronous-unwind-tables'],
  '-Wl,-z,noseparate-code,--gc-sections,--build-id=none',
];

/** In place of a libc: see tiny.c. Where it does not compile, the libc that is there does. */
const tinyFlags = [
  ...[join(root, 'src/native/tiny.c'), '-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector'],
  ...['-fno-pie', '-no-pie', '-fno-asynchronous-unwind-tables', '-fno-tree-loop-distribute-patterns'],
  '-U_FORTIFY_SOURCE',
  '-Wl,--gc-sections,--build-id=none,-z,noexecstack',
];

const nativeParts = [
  {
    sources: ['reaper', 'ask', 'lines', 'listeners'].map((name) => `src/native/${name}.c`),
    others: ['src/native/addon.h', 'src/native/kernel.h'],
    target: 'dist/native/reaper.node',
    lost: 'as PID 1 it leaves adopted orphans as zombies',
    flagSets: [libraryFlags],
  },
  {
    sources: ['src/native/launch.c'],
    others: ['src/native/tiny.c', 'src/native/kernel.h'],
    target: 'dist/native/launch',
    lost: 'no terminal handover, no death with the parent, no supplementary groups, no original file limit for services',
    flagSets: [tinyFlags, ['-static'], []],
  },
  {
    sources: ['src/native/hold.c'],
    target: 'dist/native/hold.so',
    lost: 'as PID 1 a signal that comes while Node itself starts is dropped',
    flagSets: [libraryFlags],
  },
  {
    sources: ['src/native/guard.c'],
    others: ['src/native/kernel.h'],
    target: 'dist/native/guard',
    lost: 'what a service has started outlives a tandem that is killed',
    flagSets: [programFlags],
  },
];

/** True if `target` is there and no input was changed after it was made. */
function isUpToDate(target, inputs) {
  const made = statSync(target, { throwIfNoEntry: false })?.mtimeMs;
  return made !== undefined && inputs.every((input) => statSync(input).mtimeMs <= made);
}

/** Files appear whole or not at all: a running tandem may have the old one mapped. */
function putInPlace(path, write) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  try {
    write(draft);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

function filesBelow(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name));
}

/** The first line of what the compiler said, or why it could not be run. */
function reasonOf(error) {
  if (error.code === 'ENOENT') return `${error.path}: not found`;
  return error.stderr?.toString().trim().split('\n')[0] || error.message;
}

function compile(part) {
  const headers = createRequire(import.meta.url)('node-api-headers').include_dir;
  const common = ['-std=gnu11', '-Os', '-s', `-I${headers}`, ...part.sources.map((path) => join(root, path))];
  const compiler = process.env.CC || 'cc';
  let failure;
  for (const flags of part.flagSets) {
    try {
      putInPlace(join(root, part.target), (draft) => {
        execFileSync(compiler, [...common, ...flags, '-o', draft], { stdio: ['ignore', 'ignore', 'pipe'] });
      });
      return;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function buildNativeParts() {
  const isRequired = process.env.TANDEM_REQUIRE_NATIVE === '1';
  for (const part of nativeParts) {
    const inputs = [...part.sources, ...(part.others ?? [])].map((path) => join(root, path));
    if (isUpToDate(join(root, part.target), [...inputs, ...scriptAndPackages])) continue;
    try {
      if (process.platform !== 'linux') throw new Error('it is for Linux only');
      compile(part);
    } catch (error) {
      rmSync(join(root, part.target), { force: true }); // rather none than one of another source
      console.error(`tandem: cannot build ${basename(part.target)}: ${reasonOf(error)}; what is lost: ${part.lost}`);
      if (isRequired) process.exitCode = 1;
    }
  }
}

/** Names the content of all files that are loaded; their code caches are for these alone. */
function hashOf(files) {
  const hash = createHash('sha256');
  for (const { contents } of files) hash.update(contents);
  return hash.digest('hex').slice(0, 16);
}

/** Turns `import('pino')` into a file beside the bundle and notes which libraries were met. */
function vendorPlugin(met) {
  return {
    name: 'vendor',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\/(.*\/)?tandem-yaml\.ts$/ }, ({ kind }) => {
        return kind === 'dynamic-import' ? { path: './tandem-yaml.cjs', external: true } : undefined;
      });
      onResolve({ filter: /^[^./]/ }, ({ kind, path }) => {
        if (kind !== 'dynamic-import' || !vendored.has(path)) return undefined;
        met.add(path);
        return { path: `./vendor/${path}.cjs`, external: true };
      });
    },
  };
}

/** Of dockerode, what the fleet does not do (engines behind SSH, builds by BuildKit) stays out, and SSH's and gRPC's code with it. */
const dockerodePlugin = {
  name: 'dockerode',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/(ssh|session|buildkit)$/ }, ({ path, importer }) => {
      return /node_modules\/(dockerode|docker-modem)\//.test(importer) ? { path, namespace: 'left-out' } : undefined;
    });
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = undefined;' }));
  },
};

async function buildBundle() {
  const sources = filesBelow(join(root, 'src')).filter((path) => !/\.[ch]$/.test(path));
  if (isUpToDate(bundle, [...sources, ...scriptAndPackages])) return warm();

  const esbuild = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'external',
    logLevel: 'warning',
    write: false,
    metafile: true,
    // require() instead of import(): the ESM loader would cost PID 1 milliseconds.
    supported: { 'dynamic-import': false },
  };

  // The function that start.ts calls: put around the text at every start, it would be copied twice.
  const body = {
    banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
    footer: { js: '})' },
  };

  const libraries = new Set();
  const main = await esbuild.build({
    ...common,
    ...body,
    entryPoints: [entry],
    outfile: bundle,
    define: { TANDEM_VERSION: JSON.stringify(version) },
    plugins: [vendorPlugin(libraries)],
  });
  const later = await esbuild.build({
    ...common,
    ...body,
    entryPoints: [laterEntry],
    outfile: join(dist, 'tandem-yaml.cjs'),
    plugins: [vendorPlugin(libraries)],
  });
  const vendor = await esbuild.build({
    ...common,
    ...body,
    entryPoints: [...libraries].map((name) => ({ in: name, out: name })),
    outdir: join(dist, 'vendor'),
    outExtension: { '.js': '.cjs' },
  });
  const fleet = await esbuild.build({
    ...common,
    ...body,
    legalComments: 'inline',
    entryPoints: [fleetEntry],
    outfile: join(dist, 'fleet.cjs'),
    define: { TANDEM_VERSION: JSON.stringify(version) },
    plugins: [dockerodePlugin],
  });
  const start = await esbuild.build({
    ...common,
    entryPoints: [starter],
    outfile: program,
    define: {
      TANDEM_BUNDLE_HASH: JSON.stringify(hashOf([...main.outputFiles, ...later.outputFiles, ...vendor.outputFiles])),
    },
    banner: { js: '#!/usr/bin/env node' },
  });
  const health = await esbuild.build({ ...common, entryPoints: [healthEntry], outfile: join(dist, 'health.cjs') });

  const licences = {
    path: join(dist, 'LICENCES.txt'),
    contents: licencesOf([main, later, start, health, fleet, vendor]),
  };

  // The bundle comes last: its time says that all of them are there.
  for (const old of ['vendor', 'cache']) rmSync(join(dist, old), { recursive: true, force: true });
  const files = [
    licences,
    ...vendor.outputFiles,
    ...later.outputFiles,
    ...health.outputFiles,
    ...fleet.outputFiles,
    ...start.outputFiles,
    ...main.outputFiles.toReversed(),
  ];
  for (const file of files) {
    const mode = file.path === program ? 0o755 : 0o644;
    putInPlace(file.path, (draft) => writeFileSync(draft, file.contents, { mode }));
  }
  warm();
}

/** The texts that have to go with what is taken of each package. */
function licencesOf(builds) {
  const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const packages = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const all = [...packages].sort().map(licenceOf);
  const texts = all.map(({ name, version, license, author, words }) => {
    // A package without the file is under the same terms as others of its licence, with its author's name.
    const terms = all.find((other) => other.license === license && /^Permission/m.test(other.words))?.words;
    const own = words || `Copyright ${author?.name ?? author}\n\n${terms?.slice(terms.search(/^Permission/m))}`;
    return `${name} ${version}, ${license}\n\n${own}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

function licenceOf(path) {
  const files = readdirSync(join(root, path)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const words = files.map((file) => readFileSync(join(root, path, file), 'utf8').trim()).join('\n\n');
  return { ...JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')), words };
}

/** Makes the code cache for the Node that runs this, unless it is there. */
function warm() {
  const caches = existsSync(join(dist, 'cache')) ? readdirSync(join(dist, 'cache')) : [];
  if (caches.some((name) => name.endsWith(`-${process.version}-${process.arch}`))) return;
  execFileSync(process.execPath, [join(root, 'scripts/warm.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] });
}

buildNativeParts();
if (!existsSync(entry)) throw new Error(`cannot build the bundle: ${entry} is not there`);
try {
  await buildBundle();
} catch (error) {
  if (!('errors' in error)) throw error;
  process.exitCode = 1; // esbuild has said what is wrong
}
