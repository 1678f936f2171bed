/**
 * `npm run test:mutation`: changes src/core in one small way at a time (StrykerJS makes the mutants) and runs test/core
 * on each change. A change that no test notices is a promise that nobody holds: it is killed by a new test, or it changes
 * nothing and is explained in mutation-explained.mjs.
 *
 *   npm run test:mutation                    all of src/core
 *   npm run test:mutation -- --short         the files in `shortFiles` only, for CI
 *   npm run test:mutation -- restart budget  these files only
 *
 * Prints for each file how many mutants there were, how many were killed or ran into the time limit, how many survived,
 * and every survivor with its place and its change. The score is detected / (all - explained). Exit code 1 below
 * `leastScore`, or if an explanation explains nothing any more. Two tests are left out: the model (model.test.ts), because
 * its seeds differ from run to run and what it alone would find should have a test with a name, and scope-memory.test.ts,
 * which takes seconds and kills nothing that scope.test.ts does not.
 *
 * TANDEM_MUTATION_JOBS: how many mutants are tested at a time; default 2.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { explained } from './mutation-explained.mjs';

const root = join(import.meta.dirname, '..');
const core = 'src/core';

/** Small, pure, each with tests of its own: all of their mutants are tested within a minute. */
const shortFiles = ['budget', 'errors', 'gunicorn', 'outcome', 'requirements', 'restart', 'spec', 'state', 'userinfo'];

const isShort = process.argv.includes('--short');
const leastScore = isShort ? 98 : 95;
const named = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const files = filesNamed(isShort ? shortFiles : named);

function filesNamed(names) {
  const all = readdirSync(join(root, core)).filter((name) => name.endsWith('.ts'));
  const unknown = names.filter((name) => !all.includes(`${name}.ts`));
  if (unknown.length > 0) throw new Error(`cannot mutate ${unknown.join(', ')}: there is no such file in ${core}`);
  return (names.length > 0 ? names.map((name) => `${name}.ts`) : all.toSorted()).map((name) => `${core}/${name}`);
}

/** @returns {Promise<import('@stryker-mutator/api/core').MutantResult[]>} */
function runStryker() {
  process.chdir(root);
  // Whether a test takes too long is for Stryker to say, which knows how long it took without a change.
  process.env.TAP_TIMEOUT = '600';
  return new Stryker({
    mutate: files,
    // What the sandbox is given; node_modules is linked.
    ignorePatterns: [
      '**',
      '!src/core/**',
      '!test/core/**',
      '!test/support/**',
      '!package.json',
      '!scripts/mutation-bundle.mjs',
    ],
    disableTypeChecks: false,
    buildCommand: 'node scripts/mutation-bundle.mjs',
    packageManager: 'npm',
    testRunner: 'tap-ordered',
    plugins: ['@stryker-mutator/tap-runner', join(import.meta.dirname, 'mutation-runner.mjs')],
    tap: {
      testFiles: ['built/!(model|scope-memory).test.mjs'],
      nodeArgs: ['-r', '{{hookFile}}', '{{testFile}}'],
      forceBail: true,
    },
    coverageAnalysis: 'perTest',
    concurrency: Number(process.env.TANDEM_MUTATION_JOBS || 2),
    // Most of what never ends is counted out (a loop that turns too often); the rest may be a machine that is busy.
    timeoutMS: 20_000,
    timeoutFactor: 3,
    reporters: ['progress-append-only'],
    logLevel: 'error',
    fileLogLevel: 'off',
    allowConsoleColors: false,
    tempDirName: 'node_modules/.cache/stryker',
  }).runMutationTest();
}

/** Read before the run, which takes minutes. */
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8').split('\n')]));

const onOneLine = (text) => text.trim().replace(/\s+/g, ' ');

/** A mutant in words that do not change when lines are added above it. */
function describe({ fileName, location: { start, end }, replacement, status }) {
  const file = fileName.slice(fileName.indexOf(core));
  const lines = sources.get(file).slice(start.line - 1, end.line);
  const code = onOneLine(lines.join('\n'));
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column - 1);
  lines[0] = lines[0].slice(start.column - 1);
  return { file, line: start.line, code, was: onOneLine(lines.join('\n')), becomes: onOneLine(replacement), status };
}

const isDetected = ({ status }) => status !== 'Survived' && status !== 'NoCoverage';
const isSame = (entry, mutant) => {
  return ['file', 'was', 'becomes'].every((key) => entry[key] === mutant[key]) && mutant.code.includes(entry.in ?? '');
};

function table(mutants) {
  const rows = [...files, 'all'].flatMap((file) => {
    const mine = file === 'all' ? mutants : mutants.filter((mutant) => mutant.file === file);
    if (mine.length === 0) return []; // nothing but types
    const count = (...statuses) => mine.filter(({ status }) => statuses.includes(status)).length;
    const equivalent = mine.filter((mutant) => !isDetected(mutant) && mutant.reason).length;
    const survived = mine.filter((mutant) => !isDetected(mutant)).length - equivalent;
    const score = percent(mine.length - equivalent - survived, mine.length - equivalent);
    return [[file, mine.length, count('Killed', 'RuntimeError'), count('Timeout'), survived, equivalent, score]];
  });
  const widths = [32, 8, 8, 10, 9, 10, 8];
  for (const row of [['', 'mutants', 'killed', 'timed out', 'survived', 'explained', 'score'], ...rows]) {
    console.log(row.map((cell, at) => (at === 0 ? `${cell}`.padEnd(32) : `${cell}`.padStart(widths[at]))).join(' '));
  }
}

function percent(part, whole) {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
}

const startedAt = performance.now();
const mutants = (await runStryker()).filter(({ status }) => status !== 'Ignored').map(describe);
const known = explained.filter((entry) => files.includes(entry.file));
for (const mutant of mutants) mutant.reason = known.find((entry) => isSame(entry, mutant))?.reason;
/** One that has run into the time limit may be slow today. */
const stale = known.filter((entry) => {
  const matches = mutants.filter((mutant) => isSame(entry, mutant));
  return matches.length === 0 || matches.some(({ status }) => status === 'Killed' || status === 'RuntimeError');
});

const survivors = mutants.filter((mutant) => !isDetected(mutant) && !mutant.reason);
for (const { file, line, was, becomes } of survivors) console.log(`survived ${file}:${line}: ${was} -> ${becomes}`);
for (const { file, was, becomes } of stale) {
  console.log(`explained for nothing ${file}: ${was} -> ${becomes}: there is no such mutant, or a test kills it`);
}
table(mutants);
const counted = mutants.filter((mutant) => isDetected(mutant) || !mutant.reason);
const score = (100 * (counted.length - survivors.length)) / counted.length;
const seconds = Math.round((performance.now() - startedAt) / 1000);
console.log(`score ${score.toFixed(1)} %, at least ${leastScore} % wanted; ${mutants.length} mutants in ${seconds} s`);
if (!(score >= leastScore) || stale.length > 0) process.exitCode = 1;
