/**
 * `npm run figures`: writes the figures kept in bench/results into docs/performance.md, docs/fleet.md and README.md, so that no document
 * can say what was not measured. Between `<!-- figures NAME -->` and `<!-- /figures -->` comes the table of that measure;
 * `<!-- figures -->` is a table of all goals, `<!-- figures peers -->` the versions and the machine. `--check` writes nothing and ends with 1 if a document says something else.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cellOf, limitOf, short } from '../bench/table.ts';

const root = join(import.meta.dirname, '..');
const results = join(root, 'bench/results');
const block = /(<!-- figures ?(\w*) -->\n).*?(<!-- \/figures -->)/gs;

const kept = existsSync(results)
  ? readdirSync(results)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(results, name), 'utf8')))
      .sort((one, other) => Number(one.id.slice(1)) - Number(other.id.slice(1)))
  : [];

const row = (cells) => `| ${cells.join(' | ')} |\n`;
const ruler = (count) => `|${'---|'.repeat(count)}\n`;

/** Everybody in one measure; who has no figures comes last, with the reason. */
function tableOf({ columns, lines, verdicts, machine }) {
  const head = ['', ...columns.map(({ title, unit }) => `${title} (${unit})`)];
  const ours = (line) => (line.isOurs ? `**${line.name}**` : line.name);
  const able = lines.filter(({ remark }) => remark === undefined);
  const rows = able.map((line) => row([ours(line), ...columns.map((column) => cellOf(line, column))]));
  const goals = verdicts.map((verdict) => {
    const { name, column, reached, isMet } = verdict;
    return `- ${column} ${limitOf(verdict)}: ${name} ${short(reached)}, ${isMet ? 'met' : '**not met**'}\n`;
  });
  const others = lines.filter(({ remark }) => remark !== undefined).map(({ name, remark }) => `- ${name}: ${remark}\n`);
  const parts = [[row(head), ruler(head.length), ...rows], goals, others].filter((part) => part.length > 0);
  const runs = Math.max(...able.flatMap(({ figures }) => Object.values(figures).map((summary) => summary.runs)));
  const where = `Medians [minimum-maximum] of up to ${runs} values; Node ${machine.node.slice(1)}.\n`;
  return [where, ...parts.map((part) => part.join(''))].join('\n');
}

/** A row a goal. */
function goalsOf(all) {
  const head = ['', 'Measure', 'Figure', 'Goal', 'tandem', ''];
  const rows = all.flatMap(({ id, name, verdicts }) =>
    verdicts.map((verdict) => {
      const form = verdict.name === 'tandem' ? '' : ` (${verdict.name.replace(/^tandem,? ?/, '')})`;
      const state = verdict.isMet ? 'met' : '**not met**';
      return row([id, `\`${name}\``, verdict.column + form, limitOf(verdict), short(verdict.reached), state]);
    }),
  );
  return [row(head), ruler(head.length), ...rows].join('');
}

/** Who was measured, and where. */
function peersOf(all) {
  const machines = new Set(
    all.map(({ machine: { processors, memoryGiB, kernel, node } }) => {
      return `${processors}, ${memoryGiB} GB, Linux ${kernel}, Node ${node.slice(1)}`;
    }),
  );
  const versions = new Map(all.flatMap((result) => Object.entries(result.versions)));
  const names = [...versions].sort().map(([name, version]) => `${name} ${version}`);
  return `Machine: ${[...machines].join('; ')}. Versions: ${names.join(', ')}.\n`;
}

function figuresOf(name) {
  if (name === '') return goalsOf(kept);
  if (name === 'peers') return peersOf(kept);
  const result = kept.find((one) => one.name === name);
  return result ? tableOf(result) : `Not measured yet: \`npm run bench -- ${name}\`.\n`;
}

for (const document of ['README.md', 'docs/performance.md', 'docs/fleet.md']) {
  const path = join(root, document);
  if (!existsSync(path)) continue;
  const text = readFileSync(path, 'utf8');
  const told = text.replace(block, (_, begin, name, end) => `${begin}${figuresOf(name)}${end}`);
  if (told === text) continue;
  if (process.argv.includes('--check')) {
    console.error(`${document}: its figures are not those of bench/results: run \`npm run figures\``);
    process.exitCode = 1;
  } else {
    writeFileSync(path, told);
  }
}
