/**
 * `node scripts/warm.mjs [PROGRAM]`: fills the code cache beside PROGRAM (default dist/tandem.cjs) for the Node that runs this
 * script, by a run of two services from start to stop: what such a run compiles is what the cache holds.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const program = process.argv[2] ?? join(import.meta.dirname, '../dist/tandem.cjs');
const work = mkdtempSync(join(tmpdir(), 'tandem-warm-'));
const limitMs = 60_000;

/** Writes the cache when tandem ends, which has to end as Node does: by the addon it would end at once. */
const writeCache = `
  import { mkdirSync, writeFileSync } from 'node:fs';
  import { dirname } from 'node:path';
  const { dlopen } = process;
  process.dlopen = (module, path) => {
    dlopen(module, path);
    module.exports.exit = process.exit;
  };
  process.on('exit', () => {
    const { bundle, cacheFile } = process.mainModule.exports;
    mkdirSync(dirname(cacheFile), { recursive: true });
    writeFileSync(cacheFile, bundle.createCachedData());
  });
`;

const service = `require("node:http").createServer((_, answer) => answer.end("{}")).listen(process.env.PORT, "127.0.0.1")`;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return String(port);
}

/** Resolves when both services are ready. */
async function untilUp(tandem) {
  const said = [];
  for await (const line of createInterface(tandem.stderr)) {
    if (line.includes('everything is up')) return;
    said.push(line);
  }
  throw new Error(`tandem did not come up:\n${said.join('\n')}`);
}

try {
  const preload = `data:text/javascript,${encodeURIComponent(writeCache)}`;
  const command = `'${process.execPath}' -e '${service}'`;
  const tandem = spawn(process.execPath, ['--import', preload, program, 'run', '--preset', 'embedded'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: limitMs,
    env: {
      PATH: process.env.PATH,
      TANDEM_RUNTIME_DIR: work,
      TANDEM_DATA_DIR: work,
      TANDEM_HEALTH_PORT: await freePort(),
      MIGRATE_COMMAND: 'true',
      GW_COMMAND: command,
      GW_PORT: await freePort(),
      HUB_COMMAND: command,
      PORT: await freePort(),
    },
  });
  const end = once(tandem, 'exit');
  await untilUp(tandem);
  tandem.stderr.resume();
  const [answer] = await once(get({ socketPath: join(work, 'tandem.sock'), path: '/health' }), 'response');
  answer.resume();
  tandem.kill();
  const [code] = await end;
  if (code !== 0) throw new Error(`the run ended with ${code}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
