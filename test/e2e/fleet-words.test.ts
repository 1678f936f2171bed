/** `tandem fleet` as it is shipped, where it needs no engine: its words, its configuration, and its port. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test, test } from 'tap';
import { runTandem, tandemSync } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const docs = join(import.meta.dirname, '../../docs');
const cwd = t.testdir({});
const fleet = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  tandemSync(['fleet', ...words], { cwd, env });

/** Somebody at a socket: an engine that is to be left alone. @returns its directory and socket, and how often it was asked */
async function engineFor(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-fleet-'));
  const self = { directory, socket: join(directory, 'engine.sock'), asked: 0 };
  const server = createServer((_request, response) => {
    self.asked += 1;
    response.writeHead(500).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(self.socket, resolve));
  t.teardown(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  return self;
}

test('B40 tandem fleet --schema prints what is committed', (t) => {
  const { status, stdout } = fleet(['--schema']);
  t.equal(status, 0);
  t.equal(stdout, readFileSync(join(docs, 'fleet.schema.json'), 'utf8'));
  t.end();
});

test('B40 all that is wrong is told at once with 78, and nothing is started', async (t) => {
  const engine = await engineFor(t);
  const socket = JSON.stringify(engine.socket);
  const config = `{"docker": {"enabled": true, "strategyy": 1, "dockerConfig": {"socketPath": ${socket}},
    "serverConfigs": {"a": {"privileged": true}}}}`;
  writeFileSync(join(engine.directory, 'c.json'), config);
  const words = ['fleet', '--config', 'c.json', '--port', '0', '--host', '0.0.0.0'];
  const child = runTandem(t, words, { cwd: engine.directory });
  t.equal((await child.exited).code, 78);
  t.same(child.stderr.trim().split('\n'), [
    'tandem fleet: --port: "0" is not accepted; accepted: 1 to 65535',
    'tandem fleet: --host: "0.0.0.0" can be reached from elsewhere, and then a token is needed: --token-file, or TANDEM_FLEET_TOKEN_FILE',
    'tandem fleet: c.json:1:30: docker.strategyy: unknown key; did you mean "strategy"?',
    'tandem fleet: c.json:2:29: docker.serverConfigs.a.privileged: a server is never privileged; accepted: leave it out',
  ]);
  t.equal(engine.asked, 0);
});

test('B40 words that are none end with 64', (t) => {
  t.match(fleet(['--confg', 'x']), {
    status: 64,
    stderr: /Unknown option '--confg'; did you mean --config\?\nusage: /,
  });
  t.match(fleet(['--help']), { status: 0, stdout: /--token-file FILE/ });
  t.end();
});

test('B47 a port that is taken is 69, with no engine asked; once it is free, one is', async (t) => {
  const engine = await engineFor(t);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const dockerConfig = { socketPath: engine.socket, cleanupOnShutdown: false };
  const docker = { enabled: true, dockerConfig, serverConfigs: { a: {} } };
  writeFileSync(join(engine.directory, 'c.json'), JSON.stringify({ docker }));
  const words = ['fleet', '--config', 'c.json', '--port', String(port)];
  const refused = runTandem(t, words, { cwd: engine.directory });
  t.equal((await refused.exited).code, 69);
  t.match(refused.stderr, `cannot listen on 127.0.0.1:${port}: EADDRINUSE`);
  t.equal(engine.asked, 0);

  await new Promise((resolve) => other.close(resolve));
  const child = runTandem(t, words, { cwd: engine.directory });
  await until('the engine is asked', () => engine.asked > 0);
  child.child.kill('SIGTERM');
  t.equal((await child.exited).code, 0);
});
