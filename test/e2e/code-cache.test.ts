/** The code caches beside the bundle: they are used, and where they cannot be, nothing but time is lost. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const shipped = join(import.meta.dirname, '../../dist');

/** Says what V8 made of the cache of each file: undefined if there was none. */
const spySource = `
  const vm = require('node:vm');
  const { basename } = require('node:path');
  const { Script } = vm;
  vm.Script = class extends Script {
    constructor(source, options) {
      super(source, options);
      process.stdout.write(\`refused \${basename(options.filename)}: \${this.cachedDataRejected}\\n\`);
    }
  };
`;

/** `check`s a tandem.yaml with a copy of what is shipped: what was loaded, and the plan's first line. */
function checkWith(t: { testdir(files: Record<string, string>): string }, change: (cache: string) => void): string[] {
  const directory = t.testdir({ 'spy.cjs': spySource, 'tandem.yaml': 'services: {one: {command: "true"}}' });
  cpSync(shipped, join(directory, 'dist'), { recursive: true });
  change(join(directory, 'dist/cache'));
  const words = ['--require', join(directory, 'spy.cjs'), join(directory, 'dist/tandem.cjs'), 'check'];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env: {}, cwd: directory });
  return [...stdout.split('\n').filter((line) => /^(refused|order)/.test(line)), ...(stderr && [stderr])];
}

const each = (refused: string) => [
  ...['main.cjs', 'tandem-yaml.cjs', 'yaml.cjs'].map((file) => `refused ${file}: ${refused}`),
  'order      one',
];

t.test('the caches that were built are used, wherever they were copied to', async (t) => {
  t.strictSame(
    checkWith(t, () => {}),
    each('false'),
  );
});

t.test('caches that V8 refuses, or none, lose nothing but time', async (t) => {
  const spoil = (cache: string) => {
    for (const item of readdirSync(cache, { withFileTypes: true, recursive: true })) {
      if (item.isFile()) writeFileSync(join(item.parentPath, item.name), 'no code');
    }
  };
  t.strictSame(checkWith(t, spoil), each('true'));
  t.strictSame(
    checkWith(t, (cache) => rmSync(cache, { recursive: true })),
    each('undefined'),
  );
});
