/**
 * The embedded pair, real programs under the shipped tandem: what goes through them, where they listen, what they write
 * and whom they ask. The last tests start the hub alone, to hold the habits of it that the preset is built around.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Test, test } from 'tap';
import type { HealthReport } from '../../src/core/health.ts';
import type { ProbeSpec, ServiceSpec } from '../../src/core/spec.ts';
import { makeProbe } from '../../src/host/probes.ts';
import { makeLauncher } from '../../src/host/processes.ts';
import { embeddedServices, prepareEmbedded } from '../../src/presets/embedded.ts';
import { rememberByMcp, rememberByRest } from '../support/mcp-client.ts';
import { type Running, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

const probe = makeProbe(makeLauncher());

const pairDir = resolve(import.meta.dirname, '../../embedded');

/** Notes the host of every TCP connection, before it is tried. Comes in by NODE_OPTIONS, which stay the user's. */
const observerSource = `
  const net = require('node:net');
  const { appendFileSync } = require('node:fs');
  const { connect } = net.Socket.prototype;
  net.Socket.prototype.connect = function (...args) {
    const [options] = net._normalizeArgs(Array.isArray(args[0]) ? args[0] : args);
    if (!options.path) appendFileSync(process.env.HOSTS_ASKED, (options.host ?? 'localhost') + '\\n');
    return connect.apply(this, args);
  };
`;

/** Directories of a run of its own, and its ports. */
interface Sandbox {
  /** Everything that the pair may write to. */
  readonly data: string;
  readonly home: string;
  readonly temporary: string;
  readonly working: string;
  /** tandem's own. */
  readonly runtime: string;
  readonly hubPort: number;
  readonly gatewayPort: number;
  readonly environment: Readonly<Record<string, string>>;
  /** The hosts that anybody connected to, tandem included. */
  readonly hostsAsked: () => ReadonlySet<string>;
}

interface Pair extends Sandbox {
  readonly tandem: Running;
  readonly hubUrl: string;
  readonly hubPid: number;
  readonly gatewayPid: number;
  readonly report: () => Promise<HealthReport | undefined>;
}

test('a call goes hub -> gateway -> memory server and back, by REST and by MCP', async (t) => {
  const { hubUrl, data, report } = await startPair(t);
  t.same(await rememberByRest(hubUrl, 'rest'), ['rest']);
  t.same((await rememberByMcp(hubUrl, 'mcp')).sort(), ['mcp', 'rest']);
  t.match(readFileSync(join(data, 'gateway/memory.jsonl'), 'utf8'), /"name":"rest"/);
  t.match(await report(), {
    status: /^healthy$/,
    components: { migrations: { status: 'skipped' }, gateway: { status: /^healthy$/ }, hub: { status: /^healthy$/ } },
  });
});

test('both listen on 127.0.0.1 and on no other address, and nobody outside is asked', async (t) => {
  const { hubUrl, gatewayPort, hubPort, hostsAsked } = await startPair(t);
  await rememberByRest(hubUrl, 'loopback');
  for (const port of [gatewayPort, hubPort]) {
    t.ok(await accepts('127.0.0.1', port));
    t.notOk(await accepts('127.0.0.2', port), 'a server on all interfaces would answer here');
    t.notOk(await accepts('::1', port));
  }
  t.same(hostsAsked(), new Set(['127.0.0.1']));
});

test('B05 HOST opens the hub and not the gateway', async (t) => {
  const { gatewayPort, hubPort, hubUrl } = await startPair(t, { HOST: '0.0.0.0' });
  t.ok(await accepts('127.0.0.2', hubPort));
  t.notOk(await accepts('127.0.0.2', gatewayPort));
  t.same(await rememberByRest(hubUrl, 'open'), ['open']);
});

test('nothing is written outside the data directory, and no log file in it', async (t) => {
  const { hubUrl, data, home, temporary, working } = await startPair(t);
  await rememberByRest(hubUrl, 'tidy');
  for (const directory of [home, temporary, working]) t.same(filesBelow(directory), [], directory);
  t.same(filesBelow(data), [
    'gateway/memory.jsonl',
    'hub/config.json',
    'hub/share/mcp-hub/cache/registry.json',
    'hub/state/mcp-hub/workspaces.json',
  ]);
  t.notOk(existsSync(join(pairDir, '../node_modules/@modelcontextprotocol/server-memory/dist/memory.jsonl')));
});

test('what is remembered is there after a restart', async (t) => {
  const sandbox = await makeSandbox(t);
  const first = await startPair(t, {}, sandbox);
  await rememberByRest(first.hubUrl, 'first');
  await stop(first);
  const second = await startPair(t, {}, sandbox);
  t.same((await rememberByRest(second.hubUrl, 'second')).sort(), ['first', 'second']);
});

test('B12 TERM ends the hub, the gateway and its memory server with 0, under a second', async (t) => {
  const pair = await startPair(t);
  const memoryServers = childrenOf(pair.gatewayPid);
  t.equal(memoryServers.length, 1, 'one session for the hub, that of the probe is closed, and no shell between');
  const { code, afterMs } = await stop(pair);
  t.equal(code, 0);
  t.ok(afterMs < 1_000, `${afterMs} ms`);
  for (const pid of [pair.hubPid, pair.gatewayPid, ...memoryServers]) t.notOk(isAlive(pid));
});

test('B11 a killed gateway takes its memory server and the hub with it, and its code is the last word', async (t) => {
  const { tandem, gatewayPid, hubPid } = await startPair(t);
  const memoryServers = childrenOf(gatewayPid);
  process.kill(gatewayPid, 'SIGKILL');
  t.equal((await tandem.exited).code, 137);
  t.notOk(isAlive(hubPid));
  await until('the memory server is gone', () => !memoryServers.some(isAlive), { withinMs: 2_000 });
});

test('a hub that was restarted by its own API is still healthy', async (t) => {
  const { hubUrl, hubPid, hubPort } = await startPair(t);
  await fetch(`${hubUrl}/api/restart`, { method: 'POST' });
  await until('the hub has restarted', async () => (await askHub(hubPort))?.['state'] === 'restarted');
  t.same(await rememberByRest(hubUrl, 'again'), ['again']);
  t.ok(isAlive(hubPid));
  const { spec } = await hubAlone(await makeSandbox(t), hubPort);
  t.ok(await answers(spec, spec.readiness?.probe));
});

test('a hub without its gateway calls itself ready and is not taken for it', async (t) => {
  const sandbox = await makeSandbox(t);
  const { spec, prepare } = await hubAlone(sandbox);
  prepare();
  start(t, spec);
  await until('the hub calls itself ready', async () => (await askHub(sandbox.hubPort))?.['state'] === 'ready');
  t.notOk(await answers(spec, spec.readiness?.startProbe));
  t.notOk(await answers(spec, spec.readiness?.probe));
});

test('B11 a hub that cannot listen ends with 0, which is why an unasked 0 counts as a failure', async (t) => {
  const sandbox = await makeSandbox(t);
  const { spec, prepare } = await hubAlone(sandbox);
  const blocker = createServer().listen(sandbox.hubPort, '127.0.0.1');
  t.teardown(() => blocker.close());
  await once(blocker, 'listening');
  prepare();
  const [code] = await once(start(t, spec), 'exit');
  t.equal(code, 0);
});

/** `tandem run --preset embedded`, up and healthy. */
async function startPair(t: Test, environment: Record<string, string> = {}, given?: Sandbox): Promise<Pair> {
  const sandbox = given ?? (await makeSandbox(t));
  const healthPort = await freePort();
  const tandem = runTandem(t, ['run', '--preset', 'embedded'], {
    cwd: sandbox.working,
    env: {
      ...sandbox.environment,
      TANDEM_DATA_DIR: sandbox.data,
      TANDEM_RUNTIME_DIR: sandbox.runtime,
      TANDEM_HEALTH_PORT: String(healthPort),
      PORT: String(sandbox.hubPort),
      GW_PORT: String(sandbox.gatewayPort),
      ...environment,
    },
  });
  // a run that is killed with its test leaves nothing behind: its services die with it
  t.teardown(() => stop({ tandem }));
  const report = () => askHealth(healthPort);
  const { components } = await until('the pair is healthy', async () => {
    if (tandem.child.exitCode !== null) throw new Error(`tandem ended:\n${tandem.stderr}`);
    const answer = await report();
    return answer?.status === 'healthy' && answer;
  });
  return {
    ...sandbox,
    tandem,
    report,
    hubUrl: `http://127.0.0.1:${sandbox.hubPort}`,
    hubPid: components['hub']?.pid ?? 0,
    gatewayPid: components['gateway']?.pid ?? 0,
  };
}

/** Sends TERM; `afterMs` counts from there. */
async function stop({ tandem }: Pick<Pair, 'tandem'>): Promise<{ code: number; afterMs: number }> {
  const askedAt = performance.now();
  tandem.child.kill('SIGTERM');
  const { code } = await tandem.exited;
  return { code, afterMs: performance.now() - askedAt };
}

/** The hub's spec for a sandbox, and what writes its files. */
async function hubAlone({ data, working, environment, hubPort, gatewayPort }: Sandbox, port = hubPort) {
  const options = {
    directories: { pair: pairDir, data, working },
    migrations: { timeoutMs: 10_000 },
    gateway: { host: '127.0.0.1', port: gatewayPort, environment },
    hub: { host: '127.0.0.1', port, environment },
    readyTimeoutMs: 30_000,
  };
  const spec = embeddedServices(options).find(({ name }) => name === 'hub') as ServiceSpec;
  return { spec, prepare: () => prepareEmbedded(options) };
}

function start(t: Test, { process: { command, cwd, environment } }: ServiceSpec): ChildProcess {
  const [program, ...programArguments] = command;
  const child = spawn(program, programArguments, { cwd, env: environment, stdio: 'ignore' });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

async function makeSandbox(t: Test): Promise<Sandbox> {
  const root = mkdtempSync(join(tmpdir(), 'tandem-pair-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true, maxRetries: 3 }));
  const [home, temporary, working] = ['home', 'tmp', 'cwd'].map((name) => join(root, name)) as [string, string, string];
  // left alone, the hub would prefer `~/.mcp-hub` to all that the XDG variables say
  for (const directory of [join(home, '.mcp-hub', 'logs'), join(home, '.mcp-hub', 'cache'), temporary, working]) {
    mkdirSync(directory, { recursive: true });
  }
  const observer = join(root, 'observer.cjs');
  const hosts = join(root, 'hosts-asked');
  writeFileSync(observer, observerSource);
  return {
    data: join(root, 'data'),
    home,
    temporary,
    working,
    runtime: join(root, 'run'),
    hubPort: await freePort(),
    gatewayPort: await freePort(),
    environment: {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      HOME: home,
      TMPDIR: temporary,
      NODE_OPTIONS: `--require ${observer}`,
      HOSTS_ASKED: hosts,
    },
    hostsAsked: () => new Set(readFileSync(hosts, 'utf8').trim().split('\n')),
  };
}

async function answers(spec: ServiceSpec, question: ProbeSpec | undefined): Promise<boolean> {
  if (!question) throw new Error(`"${spec.name}" has no such probe`);
  return (await probe(question, spec, 3_000, new AbortController().signal)).ok;
}

async function askHub(port: number): Promise<Record<string, unknown> | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/api/health`).catch(() => undefined);
  return response && ((await response.json()) as Record<string, unknown>);
}

async function askHealth(port: number): Promise<HealthReport | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
  return response && ((await response.json()) as HealthReport);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ host, port });
    const end = (accepted: boolean) => {
      socket.destroy();
      settle(accepted);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

/** Files, links left out, by their paths relative to the directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
