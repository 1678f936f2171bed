/**
 * `node scripts/warm.mjs [PROGRAM]`: fills the code cache beside PROGRAM (default dist/tandem.cjs) for the Node that runs this
 * script, by runs of two services from start to stop, by a preset and by a tandem.yaml, and by `health` and `-- CMD`: what they compile is what it holds.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const program = process.argv[2] ?? join(import.meta.dirname, '../dist/tandem.cjs');
const work = mkdtempSync(join(tmpdir(), 'tandem-warm-'));
const limitMs = 60_000;

/** Writes the caches when tandem ends, which has to end as Node does: by the addon it would end at once. */
const writeCaches = `
  import { mkdirSync, writeFileSync } from 'node:fs';
  import { dirname, join, relative } from 'node:path';
  import vm from 'node:vm';
  const { Script } = vm;
  const scripts = new Map();
  vm.Script = class extends Script {
    constructor(source, options) {
      super(source, options);
      scripts.set(options.filename, this);
    }
  };
  const { dlopen } = process;
  process.dlopen = (module, path) => {
    dlopen(module, path);
    module.exports.exit = process.exit;
  };
  process.on('exit', () => {
    const { filename, exports } = process.mainModule;
    for (const [file, script] of scripts) {
      const cache = join(exports.cacheDirectory, relative(dirname(filename), file));
      mkdirSync(dirname(cache), { recursive: true });
      writeFileSync(cache, script.createCachedData());
    }
  });
`;
const preload = `data:text/javascript,${encodeURIComponent(writeCaches)}`;

const service = `require("node:http").createServer((_, answer) => answer.end("{}")).listen(process.env.PORT, "127.0.0.1")`;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return String(port);
}

const quoted = (words) => words.map((word) => `'${word}'`).join(' ');

/** What most files have, in the forms that most are written in. */
function stackOf(command, gatewayPort, hubPort) {
  const service = (port) => `
    command: ${JSON.stringify(command)}
    working_dir: .
    environment:
      PORT: ${port}
    ready: ${port}
    restart: on-failure
    stop_grace_period: 5s
    healthcheck:
      http: /health
      interval: 10s`;
  return `# A pair
services:
  gateway:${service(gatewayPort)}
  hub:${service(hubPort)}
    depends_on:
      gateway:
        condition: service_healthy
`;
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

/** Starts tandem so that it leaves the caches. `end`: rejects unless its code is 0. */
function start(words, environment) {
  const tandem = spawn(process.execPath, ['--import', preload, program, ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: limitMs,
    env: { PATH: process.env.PATH, ...environment },
  });
  const end = once(tandem, 'exit').then(([code]) => {
    if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}`);
  });
  return { tandem, end };
}

/** Runs tandem until all is up and health was asked, and then to its end. What a run before has compiled is kept. */
async function run(words, environment) {
  const { tandem, end } = start(['run', ...words], {
    TANDEM_RUNTIME_DIR: work,
    TANDEM_HEALTH_PORT: await freePort(),
    ...environment,
  });
  await untilUp(tandem);
  tandem.stderr.resume();
  await start(['health'], { TANDEM_RUNTIME_DIR: work, TANDEM_HEALTH_PORT: '' }).end;
  const [answer] = await once(get({ socketPath: join(work, 'tandem.sock'), path: '/health' }), 'response');
  answer.resume();
  tandem.kill();
  await end;
}

try {
  const command = [process.execPath, '-e', service];
  const [gatewayPort, hubPort] = [await freePort(), await freePort()];
  await run(['--preset', 'embedded'], {
    TANDEM_DATA_DIR: work,
    MIGRATE_COMMAND: 'true',
    GW_COMMAND: quoted(command),
    GW_PORT: gatewayPort,
    HUB_COMMAND: quoted(command),
    PORT: hubPort,
  });
  const file = join(work, 'tandem.yaml');
  writeFileSync(file, stackOf(command, gatewayPort, hubPort));
  await run(['--config', file], {});
  const one = start(['--', 'true'], {});
  one.tandem.stderr.resume();
  await one.end;
} finally {
  rmSync(work, { recursive: true, force: true });
}
