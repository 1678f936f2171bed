/**
 * `npm run licences`: writes docs/licences.md: under which licence each package is that runs with tandem or with the embedded
 * pair, by the lock file. With `--check` it only says whether the page is up to date. It fails where a licence is not one of
 * those that are accepted, also for what only developers install.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** They ask for no more than that their text goes with what is shipped. */
const accepted = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'Unlicense',
]);

/** Also accepted for what is not shipped: data and texts. */
const acceptedForDevelopment = new Set([...accepted, 'CC-BY-3.0', 'CC-BY-4.0', 'CC0-1.0', 'WTFPL']);

/** Read by hand where the lock file names none, for this version alone. */
const readByHand = {
  'buildcheck@0.0.7': 'MIT',
  'cpu-features@0.0.10': 'MIT',
  'ssh2@1.17.0': 'MIT',
  'jsonc-simple-parser@3.0.0': 'MIT',
  'supergateway@4.0.0': 'MIT',
  '@modelcontextprotocol/server-memory@2026.8.31': 'MIT',
};

/** An SPDX expression of OR and AND, without WITH: `(MIT OR CC0-1.0)`. */
function isAccepted(expression, known) {
  const plain = expression.replace(/^\((.*)\)$/, '$1');
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((name) => known.has(name)));
}

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

/** Every package once, with its licence. */
const found = Object.entries(packages)
  .filter(([path, { link }]) => path.includes('node_modules/') && !link)
  .map(([path, { version, license, dev = false }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return { path, name, version, dev, licence: readByHand[`${name}@${version}`] ?? license ?? 'none named' };
  });

for (const { name, version, dev, licence } of found) {
  if (isAccepted(licence, dev ? acceptedForDevelopment : accepted)) continue;
  console.error(`${name}@${version}: the licence "${licence}" is not accepted; see scripts/licences.mjs`);
  process.exitCode = 1;
}

/** What a manifest's dependencies bring, as npm finds them: in the nearest node_modules. */
function reachable(from) {
  const seen = new Set();
  const visit = (path) => {
    const { dependencies = {}, optionalDependencies = {} } = packages[path];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const at = nearest(path, name);
      if (at === undefined || seen.has(at)) continue;
      seen.add(at);
      visit(at);
    }
  };
  visit(from);
  return seen;
}

function nearest(path, name) {
  const parts = path === '' || !path.includes('node_modules/') ? [] : path.split('/node_modules/');
  for (let length = parts.length; length > 0; length--) {
    const candidate = `${parts.slice(0, length).join('/node_modules/')}/node_modules/${name}`;
    if (candidate in packages) return candidate;
  }
  const [own, top] = [`${path}/node_modules/${name}`, `node_modules/${name}`];
  return [own, top].find((candidate) => candidate in packages);
}

function table(paths) {
  const rows = found
    .filter(({ path }) => paths.has(path))
    .map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |\n`)
    .sort();
  return `| Package | Version | Licence |\n|---|---|---|\n${[...new Set(rows)].join('')}`;
}

function counts() {
  const byLicence = new Map();
  for (const { licence, dev } of found) if (dev) byLicence.set(licence, (byLicence.get(licence) ?? 0) + 1);
  const rows = [...byLicence]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([licence, count]) => `| ${licence} | ${count} |\n`);
  return `| Licence | Packages |\n|---|---|\n${rows.join('')}`;
}

const own = reachable('');
const pair = reachable('embedded');
const page = `# Licences

Written by \`npm run licences\` from the lock file; \`npm run check\` fails where it is out of date or a licence is not accepted:
${[...accepted].join(', ')}.

## In tandem itself

Bundled below \`dist/\`, in part or whole; \`dist/LICENCES.txt\` has their texts. \`guard\` in \`dist/native\` (and \`launch\`, where
\`tiny.c\` does not compile) is linked statically with the C library of the machine that builds it (glibc: LGPL-2.1-or-later); its source is in \`src/native\`.

${table(own)}
## In the image \`embedded\`

The npm pair; tandem runs it and loads none of it.

${table(pair)}
## For development only

Never shipped.

${counts()}`;

const path = join(root, 'docs/licences.md');
if (!process.argv.includes('--check')) writeFileSync(path, page);
else if (!existsSync(path) || readFileSync(path, 'utf8') !== page) {
  console.error('docs/licences.md is out of date; run: npm run licences');
  process.exitCode = 1;
}
