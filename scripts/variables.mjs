/**
 * `npm run variables`: writes the README's table of variables from `src/config/variables.ts`, between its two markers.
 * With `--check` it only says whether the table is up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { variableNames, variables } from '../src/config/variables.ts';

const readme = join(import.meta.dirname, '../README.md');
const [begin, end] = ['<!-- variables -->\n', '<!-- /variables -->'];

function defaultOf({ default: value, unset }) {
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([preset, each]) => `\`${each}\` (${preset})`)
      .join(', ');
  return value === undefined ? unset : `\`${value}\``;
}

function row(name) {
  const { unit, effect } = variables[name];
  return `| \`${name}\` | ${defaultOf(variables[name])} | ${unit} | ${effect} |\n`.replaceAll('<', '&lt;');
}

const table = `| Name | Default | Unit | Effect |\n|---|---|---|---|\n${variableNames.map(row).join('')}`;
const before = readFileSync(readme, 'utf8');
const [head, rest] = before.split(begin);
if (rest === undefined || !rest.includes(end)) throw new Error(`README.md has no ${begin.trim()} … ${end}`);
const after = `${head}${begin}${table}${rest.slice(rest.indexOf(end))}`;
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md: the table of variables is out of date; run: npm run variables');
    process.exitCode = 1;
  }
} else {
  writeFileSync(readme, after);
}
