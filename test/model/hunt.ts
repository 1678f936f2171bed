/**
 * Looks for the first run that breaks a promise, and says which: what each planted defect is bundled with. Its arguments
 * are the number of runs and the seed; its last line is JSON.
 */
import { explore } from './explore.ts';

const [runs, seed] = process.argv.slice(2).map(Number);
explore({ runs: runs ?? 0, seed, isQuick: true }).then((find) => {
  process.stdout.write(`${JSON.stringify({ find: find && { at: find.at, promise: find.promise } })}\n`);
});
