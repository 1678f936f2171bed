/**
 * What the health check costs: wall time of `tandem health` against a live server, beside `node -e 0` and `curl -f`.
 * Interleaved, so that whatever else the machine does hits all alike; medians, and ratios to bare Node.
 *
 * Usage: node bench/health.mjs [runs]   (default 30; node bench/health.mjs --help)
 * Measures `dist/tandem.cjs health` if it is built, else the command bundled alone.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const runs = readRuns(process.argv[2]);
const scratch = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
const server = spawn(process.execPath, [bundle('server', serverSource())], { stdio: ['ignore', 'pipe', 'inherit'] });

try {
  const port = await firstLine(server.stdout);
  const env = { ...process.env, TANDEM_RUNTIME_DIR: join(scratch, 'run') };
  const viaPort = { ...process.env, TANDEM_RUNTIME_DIR: join(scratch, 'none'), TANDEM_HEALTH_PORT: port };
  const health = healthCommand();
  const commands = {
    'node -e 0': [process.execPath, ['-e', '0'], env],
    'tandem health (socket)': [process.execPath, health, env],
    'tandem health (port)': [process.execPath, health, viaPort],
    'tandem health --url': [process.execPath, [...health, '--url', `http://127.0.0.1:${port}/health`], env],
    ...(has('curl') && { 'curl -f': ['curl', ['-fsS', `http://127.0.0.1:${port}/health`], env] }),
  };
  print(measure(commands));
} finally {
  server.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
}

function readRuns(word = '30') {
  if (/^[1-9]\d{0,3}$/.test(word)) return Number(word);
  console.log('usage: node bench/health.mjs [runs]');
  process.exit(word === '--help' || word === '-h' ? 0 : 64);
}

/** A supervisor's health server that reports two healthy services. */
function serverSource() {
  return `
    import { listen } from ${JSON.stringify(join(root, 'src/http/server.ts'))};
    const component = { status: 'healthy', state: 'ready', reason: 'probe succeeded', since_seconds: 1, restarts: 0, pid: 1 };
    const components = { gateway: component, hub: component };
    const report = { status: 'healthy', live: true, ready: true, version: '0', uptime_seconds: 1, components };
    const startedAt = performance.now();
    listen({
      report: () => report,
      runtimeDirs: { candidates: [${JSON.stringify(join(scratch, 'run'))}], required: true },
      address: { host: '127.0.0.1', port: 0 },
      onProblem: console.error,
    }).then(({ address }) => {
      console.error('listen(): ' + (performance.now() - startedAt).toFixed(1) + ' ms, both servers');
      console.log(address.port);
    });`;
}

function healthCommand() {
  const built = join(root, 'dist/tandem.cjs');
  if (existsSync(built)) return [built, 'health'];
  console.error('dist/tandem.cjs is not built: the health command is measured in a bundle of its own');
  const alone = `
    import { runHealth } from ${JSON.stringify(join(root, 'src/cli/health.ts'))};
    const url = process.argv[2] === '--url' ? process.argv[3] : undefined;
    runHealth({ url, timeoutMs: 4000, env: process.env }).then((code) => { process.exitCode = code; });`;
  return [bundle('health', alone)];
}

function bundle(name, contents) {
  const outfile = join(scratch, `${name}.cjs`);
  const stdin = { contents, loader: 'ts', resolveDir: root };
  buildSync({ stdin, outfile, bundle: true, minify: true, platform: 'node', format: 'cjs', target: 'node20' });
  return outfile;
}

function measure(commands) {
  const times = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
  for (let run = -2; run < runs; run++) {
    for (const [name, [command, args, env]] of Object.entries(commands)) {
      const startedAt = performance.now();
      execFileSync(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
      // The first rounds only warm the caches.
      if (run >= 0) times[name].push(performance.now() - startedAt);
    }
  }
  return times;
}

function print(times) {
  const bare = median(times['node -e 0']);
  console.log(`Node ${process.versions.node}, median of ${runs}, interleaved`);
  for (const [name, each] of Object.entries(times)) {
    const ms = median(each);
    console.log(`${name.padEnd(24)} ${ms.toFixed(1).padStart(6)} ms   x ${(ms / bare).toFixed(2)}`);
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function has(command) {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function firstLine(stream) {
  return new Promise((resolve) => stream.once('data', (chunk) => resolve(String(chunk).trim())));
}
