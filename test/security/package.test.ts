/** docs/security.md: what is shipped: `npm pack` holds what runs and nothing else, and it runs by itself. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { scratchDir } from '../config/fixture.ts';
import { tandemSync } from '../support/run-tandem.ts';

const root = join(import.meta.dirname, '../..');

const shipped = [
  /^(package\.json|README\.md|LICENSE)$/,
  /^dist\/(tandem|main|health|tandem-yaml|fleet)\.cjs$/,
  /^dist\/LICENCES\.txt$/,
  /^dist\/vendor\/(dotenv|execa|pino|pino-pretty|tree-kill|wait-port|yaml)\.cjs$/,
  /^dist\/native\/(guard|hold\.so|launch|reaper\.node)$/,
  /^dist\/cache\/[0-9a-f]{16}-v[\d.]+-\w+\/(command\/main|health\/main|run\/(main|tandem-yaml|vendor\/(pino|yaml)))\.cjs$/,
];

/** Without scripts and without a look at the registry. */
function pack(into: string): { readonly filename: string; readonly files: readonly { readonly path: string }[] } {
  const words = ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', into];
  return JSON.parse(
    execFileSync('npm', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )[0];
}

t.test('threat: the package holds what nobody has looked at: it holds what runs, and runs elsewhere', async (t) => {
  const directory = scratchDir(t);
  const { filename, files } = pack(directory);
  const paths = files.map(({ path }) => path);
  t.strictSame(
    paths.filter((path) => !shipped.some((pattern) => pattern.test(path))),
    [],
  );
  t.strictSame(shipped.filter((pattern) => !paths.some((path) => pattern.test(path))).map(String), []);

  // As npm lays it down, with none of its dependencies near: all that runs is in it.
  const home = join(directory, 'node_modules/tandem');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xzf', join(directory, filename), '--strip-components=1', '-C', home]);
  const file = join(home, 'dist/tandem.cjs');
  const env = { TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: directory };
  const run = (...words: string[]) => tandemSync(words, { cwd: directory, env, file });
  t.equal(run('--', 'true').status, 0);
  t.equal(run('--', 'sh', '-c', 'exit 7').status, 7);
  t.match(run('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  t.equal(run('run').status, 78, 'there is nothing to run');
});

t.test('the licence of every package that is bundled goes with it', async (t) => {
  const text = readFileSync(join(root, 'dist/LICENCES.txt'), 'utf8');
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const [name, version] of Object.entries(dependencies)) t.match(text, `${name} ${version}, `);
  for (const part of text.split(`\n${'-'.repeat(80)}\n`)) {
    t.match(part, /Copyright|Permission|licen[cs]e/i);
    t.ok(part.length > 300, part.slice(0, 40));
  }
});
