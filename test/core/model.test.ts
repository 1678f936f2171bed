/**
 * Any plan, any manners, any events: what must hold for every run (test/model/promises.ts). 500 runs; TANDEM_MODEL_RUNS
 * for more. A failure prints its seed and path, and the command that runs it again.
 */
import t from 'tap';
import { explore } from '../model/explore.ts';

const runs = Number(process.env['TANDEM_MODEL_RUNS'] || 500);
const seed = process.env['TANDEM_MODEL_SEED'];
const path = process.env['TANDEM_MODEL_PATH'];

/** The end of a history is where a promise broke. */
const mostLines = 200;

t.setTimeout(120_000 + runs * 100);

t.test('whatever happens, the promises hold', async (t) => {
  const began = performance.now();
  const find = await explore({ runs, seed: seed ? Number(seed) : undefined, path: path || undefined });
  if (!find) {
    t.pass(`in ${runs} runs, in ${Math.round((performance.now() - began) / 1000)} s`);
    return;
  }
  // On a line of its own: a path may be long.
  t.comment(
    `again: TANDEM_MODEL_SEED=${find.seed} TANDEM_MODEL_PATH=${find.path} node --import=tsx test/core/model.test.ts`,
  );
  const [what = '', ...history] = find.message.split('\n');
  const events = history.filter((line) => !/ ask | answer \w+ true$/.test(line));
  t.fail(what, { seed: find.seed, run: find.at, history: events.slice(-mostLines), scene: find.scene });
});
