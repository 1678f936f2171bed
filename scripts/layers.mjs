/**
 * `npm run layers`: checks who imports whom in src/, file by file, by reading the import statements.
 *
 *   main -> {cli, config, presets, host, http} -> core
 *
 * fleet -> {config, core, http}: a process and a bundle of its own, which nobody else imports; it needs its libraries at once.
 *
 * core imports nothing but core, not even Node; cli may import http, config, presets and host; presets may import what
 * config says (its types). No file imports itself by a detour. Libraries that PID 1 does not need at once are loaded by
 * `import()` only; zod is `zod/mini`, and config's affair. Violations are printed as `file:line: what`, and the exit code is 1.
 *
 * Another tree than src/ can be named as the first argument.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '../src'));

/** For each room the other rooms that it may import; `types` where only types may cross. */
const arrows = {
  core: {},
  config: { core: 'all' },
  presets: { core: 'all', config: 'types' },
  host: { core: 'all' },
  http: { core: 'all' },
  fleet: { core: 'all', config: 'all', http: 'all' },
  cli: { core: 'all', config: 'all', presets: 'all', host: 'all', http: 'all' },
  main: { core: 'all', config: 'all', presets: 'all', host: 'all', http: 'all', cli: 'all' },
};

const loadedLater = new Set(['pino', 'pino-pretty', 'execa', 'wait-port', 'tree-kill', 'dotenv', 'yaml']);
const statement =
  /(?<![\w.'"`])(?:(?<kind>import|export)(?<type>\s+type\b)?(?<names>[^'"`;()=]*?)\bfrom\s*|(?<bare>import)\s+)(['"])(?<static>[^'"]+)\5|(?<![\w.'"`])import\s*\(\s*(['"])(?<dynamic>[^'"]+)\7/g;

/** @typedef {{ specifier: string, line: number, isType: boolean, isDynamic: boolean }} Import */

/** The imports of one file. Comments are blanked first, so that an example in one is not taken for an import. */
function importsOf(source) {
  const code = source.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));
  return [...code.matchAll(statement)].map(({ groups, index }) => ({
    specifier: groups.static ?? groups.dynamic,
    line: code.slice(0, index).split('\n').length,
    isType: groups.type !== undefined || onlyTypes(groups.names),
    isDynamic: groups.dynamic !== undefined,
  }));
}

/** `{ type A, type B }` is gone after compilation, as `type { A, B }` is. */
function onlyTypes(names) {
  const list =
    names
      ?.match(/^\s*\{([^}]*)\}\s*$/)?.[1]
      .split(',')
      .filter((name) => name.trim() !== '') ?? [];
  return list.length > 0 && list.every((name) => /^\s*type\s/.test(name));
}

const files = readdirSync(root, { recursive: true })
  .filter((path) => path.endsWith('.ts'))
  .sort();
const imports = new Map(files.map((file) => [file, importsOf(readFileSync(join(root, file), 'utf8'))]));

function roomOf(file) {
  const [first] = file.split(sep);
  return first === file ? 'main' : first;
}

function targetOf(file, specifier) {
  return relative(root, resolve(root, dirname(file), specifier));
}

/** What is wrong with one import, if anything is. */
function complaint(file, { specifier, isType, isDynamic }) {
  const room = roomOf(file);
  if (!(room in arrows)) return `${room}/ is a room that nothing is known of`;
  if (specifier.startsWith('.')) return complaintAboutFile(file, room, specifier, isType);
  if (room === 'core') return `core imports nothing but core, not "${specifier}"`;
  if (specifier.startsWith('node:')) return undefined;
  if (builtinModules.includes(specifier)) return `"${specifier}" is written "node:${specifier}"`;
  return complaintAboutLibrary(room, specifier, isType || isDynamic);
}

function complaintAboutFile(file, room, specifier, isType) {
  const target = targetOf(file, specifier);
  if (!imports.has(target)) return `"${specifier}" is not a file of src/`;
  const targetRoom = roomOf(target);
  if (targetRoom === room) return undefined;
  const arrow = arrows[room][targetRoom];
  if (arrow === undefined) return `${room} must not import ${targetRoom} ("${specifier}")`;
  if (arrow === 'types' && !isType) return `${room} may import only types of ${targetRoom} ("${specifier}")`;
  return undefined;
}

function complaintAboutLibrary(room, specifier, isLater) {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (name === 'zod' && specifier !== 'zod/mini') return `"${specifier}" is heavy: "zod/mini"`;
  if (name === 'zod' && room !== 'config') return `"zod/mini" is imported in config only`;
  if (loadedLater.has(name) && !isLater && room !== 'fleet')
    return `"${specifier}" is loaded by import() when it is needed`;
  return undefined;
}

const reports = files.flatMap((file) => {
  return imports.get(file).flatMap((one) => {
    const text = complaint(file, one);
    return text ? [`${join('src', file)}:${one.line}: ${text}`] : [];
  });
});

/** A way from a file back to itself. Types count: files that need each other to be understood are one file. */
function cycles() {
  const found = [];
  const done = new Set();
  const visit = (file, path) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const { specifier } of imports.get(file).filter(({ specifier }) => specifier.startsWith('.'))) {
      const target = targetOf(file, specifier);
      if (imports.has(target)) visit(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}

for (const cycle of cycles()) {
  const line = imports.get(cycle[0]).find(({ specifier }) => targetOf(cycle[0], specifier) === cycle[1])?.line;
  reports.push(`${join('src', cycle[0])}:${line}: imports itself: ${cycle.join(' -> ')}`);
}

for (const report of reports) console.error(report);
if (reports.length > 0) process.exitCode = 1;
