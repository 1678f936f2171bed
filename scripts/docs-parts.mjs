/** What the scripts that write documentation have in common: tables, drawings, and the places in a page where they stand. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '../docs');

const escaped = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

/** @param rows cells, as they are written in Markdown */
export function table(head, rows) {
  const line = (cells) => `| ${cells.map(escaped).join(' | ')} |\n`;
  return `${line(head)}|${'---|'.repeat(head.length)}\n${rows.map(line).join('')}`;
}

/** A table of keys. @param origin whose the keys are that are not tandem's own */
export function keyTable(keys, origin) {
  const rows = Object.entries(keys).map(([name, { default: value, ours, required, effect }]) => {
    return [`\`${name}\``, required ? 'required' : value, ours ? 'tandem' : origin, effect];
  });
  return table(['Key', 'Default', 'From', 'Effect'], rows);
}

/** Keys that are refused, by the reason. @param reasons pairs of a key and its reason */
export function refusalTable(reasons) {
  const byReason = new Map();
  for (const [key, reason] of reasons) byReason.set(reason, [...(byReason.get(reason) ?? []), key]);
  const rows = [...byReason].map(([reason, names]) => [names.map((name) => `\`${name}\``).join(', '), reason]);
  return table(['Key', 'Why, and what to do'], rows);
}

/** One arrow for each pair of states, with all events that lead from one to the other. */
function arrowsFrom([from, events]) {
  return [...new Set(Object.values(events))].map((to) => {
    const words = Object.keys(events).filter((event) => events[event] === to);
    return `    ${from} --> ${to}: ${words.join(', ')}`;
  });
}

/** A table of transitions, drawn by Mermaid. The first state is where it begins. */
export function stateDiagram(transitions) {
  const entries = Object.entries(transitions);
  const ends = entries
    .filter(([, events]) => Object.keys(events).length === 0)
    .map(([state]) => `    ${state} --> [*]`);
  const lines = ['stateDiagram-v2', `    [*] --> ${entries[0][0]}`, ...entries.flatMap(arrowsFrom), ...ends];
  return ['```mermaid', ...lines, '```'].join('\n');
}

/** A page of docs/ with the parts between `<!-- NAME -->` and `<!-- /NAME -->`. @throws Error naming the markers that lack */
export function pageWith(name, parts) {
  let page = readFileSync(join(docs, name), 'utf8');
  for (const [mark, content] of Object.entries(parts)) {
    const [begin, end] = [`<!-- ${mark} -->\n`, `<!-- /${mark} -->`];
    const [head, rest] = page.split(begin);
    if (rest === undefined || !rest.includes(end)) throw new Error(`docs/${name} has no ${begin.trim()} … ${end}`);
    page = `${head}${begin}${content}${rest.slice(rest.indexOf(end))}`;
  }
  return page;
}

/** Writes files of docs/. With `--check` it only says which are not as they would be written, and ends with 1. */
export function writeOrCheck(files, command) {
  for (const [name, text] of Object.entries(files)) {
    const path = join(docs, name);
    if (!process.argv.includes('--check')) {
      writeFileSync(path, text);
      continue;
    }
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    console.error(`docs/${name} is out of date; run: npm run ${command}`);
    process.exitCode = 1;
  }
}
