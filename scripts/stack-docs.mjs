/**
 * `npm run stack-docs`: writes what is made from the tables of `src/config/stack/keys.ts`: the JSON Schema
 * `docs/tandem.schema.json`, and the tables of keys in `docs/tandem-yaml.md` between their markers. With `--check` it only says
 * whether both are up to date.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stackSchema } from '../src/config/stack/json-schema.ts';
import * as keys from '../src/config/stack/keys.ts';
import { refusedServiceKeys, refusedTopKeys } from '../src/config/stack/refused.ts';

const docs = join(import.meta.dirname, '../docs');

const titles = {
  top: keys.stackKeys,
  service: keys.serviceKeys,
  depends_on: keys.dependencyKeys,
  ready: keys.readyKeys,
  healthcheck: keys.healthcheckKeys,
  http: keys.httpKeys,
  restart: keys.restartKeys,
  env_file: keys.envFileKeys,
  wait_for: keys.waitKeys,
  preflight: keys.preflightKeys,
  'preflight.files': keys.fileKeys,
  'preflight.directories': keys.directoryKeys,
};

const escaped = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function tableOf(table) {
  const rows = Object.entries(table).map(([name, { default: value, ours, required, effect }]) => {
    const cells = [`\`${name}\``, required ? 'required' : value, ours ? 'tandem' : 'Compose', effect];
    return `| ${cells.map(escaped).join(' | ')} |\n`;
  });
  return `| Key | Default | From | Effect |\n|---|---|---|---|\n${rows.join('')}`;
}

function refusals(reasons) {
  const byReason = new Map();
  for (const [key, reason] of Object.entries(reasons)) byReason.set(reason, [...(byReason.get(reason) ?? []), key]);
  const rows = [...byReason].map(([reason, names]) => {
    return `| ${names.map((name) => `\`${name}\``).join(', ')} | ${escaped(reason)} |\n`;
  });
  return `| Key | Why, and what to do |\n|---|---|\n${rows.join('')}`;
}

/** What stands between `<!-- NAME -->` and `<!-- /NAME -->`. */
function replaced(text, name, content) {
  const [begin, end] = [`<!-- keys: ${name} -->\n`, `<!-- /keys: ${name} -->`];
  const [head, rest] = text.split(begin);
  if (rest === undefined || !rest.includes(end)) throw new Error(`docs/tandem-yaml.md has no ${begin.trim()} … ${end}`);
  return `${head}${begin}${content}${rest.slice(rest.indexOf(end))}`;
}

let page = readFileSync(join(docs, 'tandem-yaml.md'), 'utf8');
for (const [name, table] of Object.entries(titles)) page = replaced(page, name, tableOf(table));
page = replaced(page, 'refused', refusals({ ...refusedTopKeys, ...refusedServiceKeys }));
const files = {
  'tandem-yaml.md': page,
  'tandem.schema.json': `${JSON.stringify(stackSchema(), undefined, 2)}\n`,
};
for (const [name, text] of Object.entries(files)) {
  const path = join(docs, name);
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
    continue;
  }
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`docs/${name} is out of date; run: npm run stack-docs`);
    process.exitCode = 1;
  }
}
