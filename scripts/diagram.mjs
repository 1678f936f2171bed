/**
 * `npm run diagram`: draws the life of a service from the table in src/core/state.ts into ARCHITECTURE.md, between the two
 * `state diagram` marks. `--check` draws nothing and ends with 1 if the drawing there is not the table. Where there is
 * no ARCHITECTURE.md the diagram is printed. Needs the loader: `node --import=tsx scripts/diagram.mjs`.
 *
 * Another file can be named as an argument.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { transitions } from '../src/core/state.ts';
import { stateDiagram } from './docs-parts.mjs';

const [path = join(import.meta.dirname, '../ARCHITECTURE.md')] = process.argv
  .slice(2)
  .filter((word) => word !== '--check');
const isCheck = process.argv.includes('--check');
const marks = ['<!-- state diagram -->', '<!-- /state diagram -->'];

/** The text with the diagram between its marks; everything else stays. */
function withDiagram(text) {
  const [start, end] = marks.map((mark) => text.indexOf(mark));
  if (start < 0 || end < start) throw new Error(`${basename(path)} has no ${marks.join(' … ')}`);
  return `${text.slice(0, start + marks[0].length)}\n${stateDiagram(transitions)}\n${text.slice(end)}`;
}

if (!existsSync(path)) {
  console.log(stateDiagram(transitions));
} else {
  const text = readFileSync(path, 'utf8');
  const drawn = withDiagram(text);
  if (isCheck && drawn !== text) {
    console.error(
      `${basename(path)}: the state diagram is not the table of src/core/state.ts: run \`npm run diagram\``,
    );
    process.exitCode = 1;
  } else if (drawn !== text) {
    writeFileSync(path, drawn);
  }
}
