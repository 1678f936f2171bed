import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { transitions } from '../../src/core/state.ts';

const script = join(import.meta.dirname, '../../scripts/diagram.mjs');
const text = 'before\n<!-- state diagram -->\nold\n<!-- /state diagram -->\nafter\n';

function run(...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, ['--import=tsx', script, ...args], (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

t.test('draws every transition of the table between the marks, and leaves the rest', async (t) => {
  const path = join(t.testdir({ 'A.md': text }), 'A.md');
  t.equal((await run('--check', path)).code, 1, 'not up to date');
  t.equal(readFileSync(path, 'utf8'), text, '--check writes nothing');
  t.equal((await run(path)).code, 0);
  const drawn = readFileSync(path, 'utf8');
  t.match(
    drawn,
    /^before\n<!-- state diagram -->\n```mermaid\nstateDiagram-v2\n[\s\S]*```\n<!-- \/state diagram -->\nafter\n$/,
  );
  for (const [from, events] of Object.entries(transitions)) {
    for (const [event, to] of Object.entries(events)) {
      const line = drawn.split('\n').find((one) => one.trim().startsWith(`${from} --> ${to}:`));
      t.ok(line?.split(/[:,] ?/).includes(event), `${from} ${event} ${to}`);
    }
  }
  t.equal((await run('--check', path)).code, 0, 'up to date now');
  writeFileSync(path, drawn.replace('pending --> starting', 'pending --> nowhere'));
  t.equal((await run('--check', path)).code, 1, 'a drawing that was changed is seen');
});

t.test('where there is no file it is printed; a file without marks is refused', async (t) => {
  const dir = t.testdir({ 'B.md': 'nothing' });
  const printed = await run(join(dir, 'missing.md'));
  t.match(printed.stdout, 'stateDiagram-v2');
  t.equal((await run(join(dir, 'B.md'))).code, 1);
});
