/** The code cache beside the bundle: it is used, and where it cannot be, nothing but time is lost. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import manifest from '../../package.json' with { type: 'json' };

const shipped = join(import.meta.dirname, '../../dist');

const spySource = `
  process.on('exit', () => {
    const { bundle } = process.mainModule.exports;
    process.stdout.write(\`refused: \${bundle.cachedDataRejected}\\n\`);
  });
  const { dlopen } = process;
  process.dlopen = (module, path) => {
    dlopen(module, path);
    module.exports.exit = process.exit;
  };
`;

/** Runs `--version` of a copy of what is shipped, and says what V8 made of its cache: undefined if there was none. */
function versionOf(t: { testdir(files: Record<string, string>): string }, change: (cache: string) => void): string {
  const directory = t.testdir({ 'spy.cjs': spySource });
  cpSync(shipped, join(directory, 'dist'), { recursive: true });
  change(join(directory, 'dist/cache'));
  const words = ['--require', join(directory, 'spy.cjs'), join(directory, 'dist/tandem.cjs'), '--version'];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env: {} });
  return stdout + stderr;
}

t.test('the cache that was built is used, wherever it was copied to', async (t) => {
  t.equal(
    versionOf(t, () => {}),
    `${manifest.version}\nrefused: false\n`,
  );
});

t.test('a cache that V8 refuses, or none, loses nothing but time', async (t) => {
  const spoil = (cache: string) => {
    for (const name of readdirSync(cache)) writeFileSync(join(cache, name), 'no code');
  };
  t.equal(versionOf(t, spoil), `${manifest.version}\nrefused: true\n`);
  t.equal(
    versionOf(t, (cache) => rmSync(cache, { recursive: true })),
    `${manifest.version}\nrefused: undefined\n`,
  );
});
