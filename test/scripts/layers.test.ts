import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';

const script = join(import.meta.dirname, '../../scripts/layers.mjs');

/** Runs the check over a tree of these files. */
async function check(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'layers-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return new Promise<{ code: number; lines: string[] }>((resolve) => {
    execFile(process.execPath, [script, root], (error, _, stderr) => {
      rmSync(root, { recursive: true });
      resolve({ code: Number(error?.code ?? 0), lines: stderr.split('\n').filter(Boolean) });
    });
  });
}

const fine = {
  'core/a.ts': "import type { B } from './b.ts';\n",
  'core/b.ts': "/** @example import { x } from 'pino'; */\nexport const text = \"import y from 'node:fs'\";\n",
  'config/c.ts':
    "import * as z from 'zod/mini';\nimport { B } from '../core/b.ts';\nconst d = await import('dotenv');\n",
  'presets/p.ts': "import { type C, type D } from '../config/c.ts';\nimport type { E } from '../config/c.ts';\n",
  'host/h.ts': "import { join } from 'node:path';\nimport {\n  B,\n} from '../core/b.ts';\n",
  'cli/x.ts': "import { h } from '../host/h.ts';\nimport { c } from '../config/c.ts';\n",
  'main.ts': "import { x } from './cli/x.ts';\nconst e = await import('pino');\n",
};

t.test('what follows the arrows passes', async (t) => {
  t.same(await check(fine), { code: 0, lines: [] });
});

const violations: readonly (readonly [title: string, path: string, text: string, complaint: RegExp])[] = [
  ['core imports Node', 'core/a.ts', "import 'node:fs';", /^src\/core\/a\.ts:1: core imports nothing but core/],
  ['core imports a library', 'core/a.ts', "import t from 'tree-kill';", /core imports nothing but core/],
  [
    'core imports a room',
    'core/a.ts',
    "\n\nimport { h } from '../host/h.ts';",
    /^src\/core\/a\.ts:3: core must not import host/,
  ],
  ['core re-exports a room', 'core/a.ts', "export { h } from '../host/h.ts';", /core must not import host/],
  ['host imports config', 'host/h.ts', "import { c } from '../config/c.ts';", /host must not import config/],
  [
    'config imports presets, only types',
    'config/c.ts',
    "import type { P } from '../presets/p.ts';",
    /config must not import presets/,
  ],
  [
    'presets import more than types',
    'presets/p.ts',
    "import { type C, d } from '../config/c.ts';",
    /only types of config/,
  ],
  ['a room imports the main file later', 'host/h.ts', "await import('../main.ts');", /host must not import main/],
  ['a static pino', 'host/h.ts', "import { pino } from 'pino';", /loaded by import\(\)/],
  ['a static pino', 'main.ts', "import pino from 'pino';", /loaded by import\(\)/],
  ['the whole zod', 'config/c.ts', "import { z } from 'zod';", /"zod" is heavy/],
  ['zod/mini outside config', 'cli/x.ts', "import * as z from 'zod/mini';", /in config only/],
  ['a built-in without its prefix', 'host/h.ts', "import fs from 'fs';", /"node:fs"/],
  ['a file that is not there', 'host/h.ts', "import { y } from './y.ts';", /not a file/],
  ['an unknown room', 'shed/s.ts', 'export {};\nimport "../core/a.ts";', /nothing is known/],
  ['a cycle', 'core/b.ts', "import { a } from './a.ts';", /imports itself: core\/b\.ts -> core\/a\.ts -> core\/b\.ts/],
];

for (const [title, path, text, complaint] of violations) {
  t.test(`refused: ${title}`, async (t) => {
    const { code, lines } = await check({ ...fine, [path]: text });
    t.equal(code, 1);
    t.match(lines.join('\n'), complaint);
    // An arrow against the stream closes a circle as well.
    t.same(
      lines.filter((line) => !complaint.test(line) && !line.includes('imports itself')),
      [],
    );
  });
}

t.test('src/ follows the arrows', async (t) => {
  await new Promise<void>((resolve) => {
    execFile(process.execPath, [script], (error, _, stderr) => {
      t.equal(stderr, '');
      t.equal(error, null);
      resolve();
    });
  });
});
