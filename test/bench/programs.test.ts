/** The bench's C programs: what they say of a supervisor is what is published. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';

function compiled(t: Test) {
  const work = t.testdir();
  for (const name of ['writer', 'reader', 'spent']) {
    execFileSync('cc', ['-O2', '-o', join(work, name), join(import.meta.dirname, `../../bench/${name}.c`)]);
  }
  return { work, report: join(work, 'report'), program: (name: string) => join(work, name) };
}

test('the writer writes numbered lines of 97 bytes', async (t) => {
  const { program } = compiled(t);
  const lines = execFileSync(program('writer'), ['1201'], { encoding: 'latin1' }).split('\n');
  t.equal(lines.pop(), '');
  t.equal(lines.length, 1_201);
  t.ok(lines.every((line) => line.length === 96));
  t.match([lines[0], lines[600], lines[1_200]], [/^#00000000 x+$/, /^#00000600 x+$/, /^#00001200 x+$/]);
});

test('the reader counts marked lines in any dress, and tells what is missing or out of order', async (t) => {
  const { program, report } = compiled(t);
  const read = (count: number, lines: readonly string[]) => {
    execFileSync(program('reader'), [`${count}`, '0', report], { input: lines.map((line) => `${line}\n`).join('') });
    return readFileSync(report, 'utf8').split(' ').slice(0, 2).map(Number);
  };
  const [zero, one, two] = ['hub | #00000000 x', '{"n":"#a","msg":"#00000001 x"}', '12:00 hub | #00000002 x'];
  t.same(read(3, [zero, 'hub has started #1', one, two]), [3, 0]);
  t.same(read(3, [zero, two]), [2, 0], 'one is missing');
  t.same(read(3, [zero, two, one]), [3, 1], 'one comes late');
  t.same(read(4, [zero, one, one, two]), [4, 1], 'one comes twice');
});

test('the reader reads nothing while it stalls, and everything afterwards', async (t) => {
  const { program, report } = compiled(t);
  const script = '"$0" 20000 | "$1" 20000 300 "$2"';
  const startedAt = performance.now();
  execFileSync('sh', ['-c', script, program('writer'), program('reader'), report]);
  t.ok(performance.now() - startedAt >= 300);
  t.match(readFileSync(report, 'utf8'), /^20000 0 1940000 \d+\n$/);
});

test("what a program has spent is its own, whatever its parent's size", async (t) => {
  const { work, program, report } = compiled(t);
  const spin = join(work, 'spin.sh');
  writeFileSync(spin, 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; exit 3\n');
  t.equal(spawnSync(program('spent'), [report, 'sh', spin]).status, 3);
  const [wallNs = 0, userUs = 0, , peakKb = 0] = readFileSync(report, 'utf8').split(' ').map(Number);
  t.ok(userUs > 1_000 && userUs * 1_000 <= wallNs);
  t.ok(peakKb > 0 && peakKb < 16 * 1024, `${peakKb} kB: this process has more`);
});
