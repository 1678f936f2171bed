/**
 * The model's own test: it finds every planted defect within 2,000 runs, and nothing where none was planted. Always the
 * same seed, so that the answer is always the same.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Defect, defects } from './defects.ts';
import { hunt, spoiled } from './plant.ts';

const runs = 2_000;
const seed = 1;
/** Many times what the slowest needs. */
const timeoutMs = 300_000;

t.setTimeout(defects.length * timeoutMs);
t.jobs = availableParallelism();

const directory = mkdtempSync(join(tmpdir(), 'tandem-defects-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const found = new Map<Defect, { readonly at: number; readonly promise: string }>();

for (const defect of defects) {
  t.test(`${defect.file}: ${defect.name}`, { buffered: true }, async (t) => {
    const find = await hunt(defect, { runs, seed, directory, timeoutMs });
    if (find) found.set(defect, find);
    t.ok(find, find ? `found at run ${find.at}: ${find.promise}` : `not found in ${runs} runs`);
  });
}

t.test('nothing is found where nothing is planted', { buffered: false }, async (t) => {
  const last = Math.max(...[...found.values()].map(({ at }) => at), 1);
  t.equal(await hunt(undefined, { runs: last, seed, directory, timeoutMs }), undefined, `in ${last} runs`);
  t.comment('file | defect | found at run | which promise broke');
  for (const [{ name, file }, { at, promise }] of found) t.comment(`${file} | ${name} | ${at} | ${promise}`);
  t.comment(`${found.size} of ${defects.length} planted defects were found, the last at run ${last}`);
});

t.test('a defect whose text is not found exactly once is named', async (t) => {
  const gone = { name: 'out of date', file: 'budget.ts', find: 'no such text', replace: '' };
  t.throws(() => spoiled(gone), { message: /"out of date".* 0 times .*budget\.ts/ });
  const common = { ...gone, find: 'Ms' };
  t.throws(() => spoiled(common), { message: /"out of date".* \d+ times .*budget\.ts/ });
});
