/** What the measures of the fleet need: an image with the bench's own server in it, fleets before it, and its peer. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildSync } from 'esbuild';
import { type Bench, freePort, now, type Started } from '../bench.ts';
import { docker } from './container.ts';

const root = join(import.meta.dirname, '../..');
const patienceMs = 60_000;
/** For what the bundle holds of CommonJS. */
const requireForEsm = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** In a container, with `transport: http`. */
export const serverPort = 3000;

export type Kind = 'quick' | 'sdk';

export interface FleetServer {
  readonly name: string;
  readonly kind: Kind;
  readonly transport: 'stdio' | 'http';
  readonly [key: string]: unknown;
}

/** Everything that one run makes at the engine has its name. */
export class Scene {
  readonly name = `tandem-bench-fleet-${randomBytes(3).toString('hex')}`;
  /** By kind of server: one in C that answers at once, and one as people write them, with the SDK in Node. */
  readonly images = { quick: `${this.name}:quick`, sdk: `${this.name}:sdk` };
  readonly #bench: Bench;
  readonly #started: Started[] = [];

  /** @throws Error if the image cannot be made */
  constructor(bench: Bench) {
    this.#bench = bench;
    const context = join(bench.work, 'fleet-images');
    mkdirSync(context, { recursive: true });
    execFileSync('cc', ['-O2', '-static', '-o', join(context, 'server'), join(root, 'bench/fleet-server.c')]);
    const options = { bundle: true, platform: 'node', format: 'esm', logLevel: 'error' } as const;
    const from = join(root, 'bench/fleet-sdk-server.mjs');
    buildSync({ ...options, entryPoints: [from], outfile: join(context, 'server.mjs'), banner: { js: requireForEsm } });
    const stages = [
      'FROM node:26-bookworm-slim AS sdk\nCOPY server.mjs /\nUSER node\nENTRYPOINT ["node", "/server.mjs"]\n',
      'FROM scratch AS quick\nCOPY server /\nENTRYPOINT ["/server"]\n',
    ];
    writeFileSync(join(context, 'Dockerfile'), stages.join(''));
    for (const [kind, image] of Object.entries(this.images)) {
      docker('build', '--quiet', `--target=${kind}`, `--tag=${image}`, context);
    }
  }

  /** A server's name, which is this run's alone. */
  nameOf(server: string): string {
    return `${this.name}-${server}`;
  }

  /** The fleet as it is shipped, when it answers. */
  async fleet(name: string, servers: readonly FleetServer[]): Promise<FleetProcess> {
    const serverConfigs = Object.fromEntries(
      servers.map(({ name: server, kind, ...keys }) => {
        const command = keys.transport === 'http' ? ['http', String(serverPort)] : ['stdio'];
        return [this.nameOf(server), { image: this.images[kind], command, ...keys }];
      }),
    );
    const docker = {
      enabled: true,
      maxContainers: 100,
      idleTimeout: '1h',
      stopTimeout: '0s',
      dockerConfig: { networkName: this.name, fleetName: this.nameOf(name) },
      serverConfigs,
    };
    const [directory, port] = [this.#bench.directory(), await freePort()];
    const config = join(directory, 'fleet.json');
    writeFileSync(config, JSON.stringify({ docker }));
    const words = [process.execPath, join(root, 'dist/tandem.cjs'), 'fleet', '--config', config, '--port', `${port}`];
    const started = this.#begin(words, directory);
    const url = `http://127.0.0.1:${port}`;
    await untilOk(`${url}/health`);
    return { started, url, mcp: (server) => `${url}/mcp/${this.nameOf(server)}` };
  }

  /** A server behind supergateway: streamable HTTP with sessions, before `docker run`. @returns its URL */
  async supergateway(kind: Kind): Promise<string> {
    const program = join(root, 'node_modules/supergateway/dist/index.js');
    const port = await freePort();
    const options = ['--outputTransport', 'streamableHttp', '--stateful', '--healthEndpoint', '/healthz'];
    const words = [process.execPath, program, '--stdio', this.runWords(kind).join(' '), ...options];
    this.#begin([...words, '--logLevel', 'none', '--port', `${port}`], this.#bench.directory());
    await untilOk(`http://127.0.0.1:${port}/healthz`);
    return `http://127.0.0.1:${port}/mcp`;
  }

  /** What a client of MCP has in its configuration if there is no fleet. */
  runWords(kind: Kind): readonly string[] {
    return ['docker', 'run', '--rm', '--interactive', '--network=none', this.images[kind], 'stdio'];
  }

  /** @returns the process of `docker run`; its stdin and stdout are the server's */
  run(kind: Kind) {
    const [file = '', ...words] = this.runWords(kind);
    return spawn(file, words, { stdio: ['pipe', 'pipe', 'ignore'] });
  }

  /** Nothing of it is left. */
  async close(): Promise<void> {
    await Promise.all(this.#started.map((started) => started.stop(0).catch(() => {})));
    const images = Object.values(this.images);
    const left = images.map((image) => docker('ps', '--all', '--quiet', `--filter=ancestor=${image}`));
    const containers = left.flatMap((ids) => ids.split('\n').filter(Boolean));
    // Some are on their way out by themselves.
    for (const id of containers) tried('rm', '--force', '--volumes', id);
    tried('network', 'rm', '--force', this.name);
    tried('image', 'rm', '--force', ...images);
  }

  #begin(words: readonly string[], directory: string): Started {
    const host = process.env['DOCKER_HOST'];
    const environment = { ...(host !== undefined && { DOCKER_HOST: host }) };
    const started = this.#bench.start({ words, environment }, directory);
    this.#started.push(started);
    return started;
  }
}

/** What is not there any more need not be taken away. */
const tried = (...words: readonly string[]) => spawnSync('docker', words, { stdio: 'ignore' });

export interface FleetProcess {
  readonly started: Started;
  readonly url: string;
  /** Where a server is. */
  mcp(server: string): string;
}

/** Asks the fleet's own API. @throws Error with what it said, unless that is a success */
export async function api<T>(fleet: FleetProcess, method: string, path: string, body?: object): Promise<T> {
  const sent =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const response = await fetch(`${fleet.url}/api/docker${path}`, { method, ...sent });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
  return JSON.parse(text) as T;
}

async function untilOk(url: string): Promise<void> {
  for (const deadline = now() + patienceMs; now() < deadline; await sleep(20)) {
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
  }
  throw new Error(`${url} did not answer with 200 within ${patienceMs / 1_000} s`);
}
