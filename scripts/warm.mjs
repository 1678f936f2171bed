/**
 * `node scripts/warm.mjs [PROGRAM]`: fills the compile cache beside PROGRAM (default dist/tandem.cjs), by a run of
 * services that end at once. The cache knows its files by their paths, so this comes after they are where they stay, and
 * by their Node, so it is for the Node that runs this script.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = process.argv[2] ?? join(import.meta.dirname, '../dist/tandem.cjs');
const cache = join(program, '../cache');
const work = mkdtempSync(join(tmpdir(), 'tandem-warm-'));
try {
  rmSync(cache, { recursive: true, force: true });
  const { status } = spawnSync(process.execPath, [program, 'run', '--preset', 'embedded'], {
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      // Without the addon tandem leaves as any Node program does, which is when the cache is written.
      TANDEM_NATIVE_DIR: work,
      TANDEM_RUNTIME_DIR: work,
      TANDEM_DATA_DIR: work,
      TANDEM_HEALTH_PORT: '',
      MIGRATE_COMMAND: 'true',
      GW_COMMAND: 'false',
      HUB_COMMAND: 'false',
      GW_HEALTH_PATH: '',
      HUB_HEALTH_PATH: '',
    },
  });
  // 69: somebody listens on the gateway's port, which does as well.
  if (status !== 1 && status !== 69) throw new Error(`the run ended with ${status}`);
  // Node keeps the files for its own user; tandem is run by others, too.
  if (existsSync(cache))
    for (const file of readdirSync(cache, { recursive: true })) chmodSync(join(cache, file), 0o755);
} finally {
  rmSync(work, { recursive: true, force: true });
}
