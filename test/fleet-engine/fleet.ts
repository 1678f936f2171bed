/**
 * The fleet as its operator runs it: `node dist/tandem.cjs fleet`, a real engine, real MCP servers, the official client.
 * A scene is one fleet's corner of the engine: names and network that nobody else has, and nothing of it is left after
 * the test, also after a failed one.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Test } from 'tap';
import { ask, docker } from '../container/engine.ts';
import { freePorts } from '../fixtures/e2e-run-pair.ts';
import { type Running, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

export { ask, docker, needsEngine } from '../container/engine.ts';

/** What takes longer fails its test. No promise: an engine that others use takes seconds for a start. */
export const patience = { withinMs: 30_000, everyMs: 50 } as const;

/** The servers of the Model Context Protocol's own project, in one image: a test says by `command` which one is run. */
const serversDockerfile = `FROM node:26-bookworm-slim
RUN npm install --global --no-audit --no-fund \\
  @modelcontextprotocol/server-everything@2026.8.31 \\
  @modelcontextprotocol/server-filesystem@2026.8.31 \\
  @modelcontextprotocol/server-memory@2026.8.31
USER node
CMD ["mcp-server-everything", "stdio"]
`;

let servers: Promise<string> | undefined;

/** Built once a run; the engine's cache makes it quick after the first time. */
export function serversImage(): Promise<string> {
  const tag = 'tandem-test-fleet:servers';
  // The host's network, where a build may reach a registry that the bridge does not.
  servers ??= ask(['build', '--quiet', '--network', 'host', '--tag', tag, '-'], serversDockerfile).then(() => tag);
  return servers;
}

/** One entry of `serverConfigs`, as in the seed's JSON. */
export type ServerConfig = Readonly<Record<string, unknown>>;

/** What the servers of the image are run with. */
export const everything: ServerConfig = { command: ['mcp-server-everything', 'stdio'] };
export const everythingOverHttp: ServerConfig = {
  command: ['mcp-server-everything', 'streamableHttp'],
  transport: 'http',
  port: 3001,
};
export const memory: ServerConfig = {
  command: ['mcp-server-memory'],
  environment: { MEMORY_FILE_PATH: '/tmp/memory' },
};
export const filesystem: ServerConfig = { command: ['mcp-server-filesystem', '/data'] };
/** Runs, and never says a word. */
export const mute: ServerConfig = { command: ['sleep', '600'] };

export interface FleetOptions {
  /** The part `docker`; `enabled`, names and images are filled in where they are not said. */
  readonly docker?: Readonly<Record<string, unknown>> & {
    readonly dockerConfig?: Readonly<Record<string, unknown>>;
    readonly serverConfigs?: Readonly<Record<string, ServerConfig>>;
  };
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Default: the scene's, so that a second fleet comes back where the first one was. */
  readonly port?: number;
}

/** A container, as `docker inspect` shows it. */
export interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly State: { readonly Running: boolean; readonly Status: string; readonly StartedAt: string };
  readonly Config: Readonly<Record<string, unknown>> & {
    readonly Labels: Readonly<Record<string, string>>;
    readonly Env: readonly string[];
    readonly Cmd: readonly string[];
  };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

/** An event of the engine, as `docker events --format json` prints it. */
export interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
  readonly timeNano: number;
}

export class Scene {
  /** `fleetName` and `networkName` of the configuration. */
  readonly fleetName: string;
  /** Taken away after the test: configurations, and what tests put there. */
  readonly directory: string;
  readonly port: number;
  readonly #t: Test;
  readonly #mark = randomBytes(3).toString('hex');
  readonly #startedAtMs = Date.now();
  /** Lines of the engine's events. */
  #heard = '';

  private constructor(t: Test, port: number) {
    this.#t = t;
    this.port = port;
    this.fleetName = `tandem-test-fleet-${this.#mark}`;
    this.directory = mkdtempSync(join(tmpdir(), 'tandem-fleet-'));
  }

  /** The image is there, and the teardown set, when it resolves. */
  static async make(t: Test): Promise<Scene> {
    const [port] = await freePorts(2);
    const scene = new Scene(t, port);
    // Teardowns run in reverse order: by then the fleets are killed.
    t.teardown(() => scene.#clear());
    scene.#listen();
    await serversImage();
    return scene;
  }

  /** A server's name that nobody else on this engine has. */
  name(base: string): string {
    return `${base}-${this.#mark}`;
  }

  /** A directory on the host, for volumes. Everybody may write: the servers are not root, and have no capabilities. */
  makeDirectory(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path);
    chmodSync(path, 0o777);
    return path;
  }

  /** Writes a file. @returns its path */
  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** Writes the configuration. @returns its path */
  async configure({ dockerConfig, serverConfigs = {}, ...rest }: FleetOptions['docker'] = {}): Promise<string> {
    const image = await serversImage();
    const entries = Object.entries(serverConfigs).map(([name, config]) => [name, { image, ...config }]);
    const { networkName, fleetName } = { networkName: this.fleetName, fleetName: this.fleetName };
    const docker = {
      enabled: true,
      stopTimeout: '1s',
      ...rest,
      dockerConfig: { networkName, fleetName, ...dockerConfig },
      serverConfigs: Object.fromEntries(entries),
    };
    return this.write(`fleet-${randomBytes(3).toString('hex')}.json`, JSON.stringify({ docker }, undefined, 2));
  }

  /** Starts a fleet; it may end by itself, or not listen yet. */
  async launch(options: FleetOptions = {}): Promise<Fleet> {
    const config = await this.configure(options.docker);
    const port = options.port ?? this.port;
    const args = ['fleet', '--config', config, '--port', String(port), ...(options.args ?? [])];
    return new Fleet(this.#t, this, port, runTandem(this.#t, args, { env: { ...engineVariables(), ...options.env } }));
  }

  /** Starts a fleet. Resolves when it is healthy: it listens, and the engine answers it. */
  async start(options: FleetOptions = {}): Promise<Fleet> {
    const fleet = await this.launch(options);
    await fleet.healthy();
    return fleet;
  }

  /** All containers of the scene's fleets, running or not. */
  async containers(): Promise<readonly Inspected[]> {
    const ids = await ask([
      'ps',
      '--all',
      '--quiet',
      '--no-trunc',
      '--filter',
      `label=mcp-hub.fleet=${this.fleetName}`,
    ]);
    if (ids === '') return [];
    // One may go between the two questions: what is there is printed all the same.
    const { stdout } = await docker(['inspect', ...ids.split('\n')]);
    return JSON.parse(stdout) as Inspected[];
  }

  /** A server's container; absent: there is none. */
  async inspect(server: string): Promise<Inspected | undefined> {
    const { code, stdout } = await docker(['inspect', `mcp-hub-${server}`]);
    return code === 0 ? (JSON.parse(stdout) as Inspected[])[0] : undefined;
  }

  /** Whether the server's container runs. */
  async runs(server: string): Promise<boolean> {
    return (await this.inspect(server))?.State.Running === true;
  }

  /** Resolves when a server has no container. */
  async gone(server: string): Promise<void> {
    await until(`${server} has no container`, async () => !(await this.inspect(server)), patience);
  }

  /** What the engine told since the scene began, of one kind (`create`, `start`, `die`, `destroy`) and perhaps of one server. */
  async events(action: string, server?: string): Promise<readonly EngineEvent[]> {
    // It keeps 256 events, of everybody: older ones were heard by then, and the latest ones can be asked for.
    const latest = await ask([...this.#eventWords, '--until', String(Date.now() / 1_000)]);
    const lines = new Set([...this.#heard.split('\n').slice(0, -1), ...latest.split('\n')]);
    lines.delete('');
    return [...lines]
      .map((line) => JSON.parse(line) as EngineEvent)
      .filter(({ Action }) => Action === action)
      .filter(({ Actor }) => server === undefined || Actor.Attributes['mcp-hub.server'] === server)
      .sort((one, other) => one.timeNano - other.timeNano);
  }

  get #eventWords(): string[] {
    const filters = ['type=container', `label=mcp-hub.fleet=${this.fleetName}`].flatMap((one) => ['--filter', one]);
    return ['events', '--format', '{{json .}}', '--since', String(this.#startedAtMs / 1_000), ...filters];
  }

  #listen(): void {
    const child = spawn('docker', this.#eventWords, { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#heard += text;
    });
    this.#t.teardown(() => child.kill());
  }

  async #clear(): Promise<void> {
    const label = `label=mcp-hub.fleet=${this.fleetName}`;
    const { stdout: ids } = await docker(['ps', '--all', '--quiet', '--filter', label]);
    if (ids.trim() !== '') await docker(['rm', '--force', '--volumes', ...ids.trim().split('\n')]);
    const { stdout: networks } = await docker(['network', 'ls', '--quiet', '--filter', label]);
    if (networks.trim() !== '') await docker(['network', 'rm', ...networks.trim().split('\n')]);
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** An answer of the API. */
export interface Answer {
  readonly status: number;
  /** Parsed, where it is JSON; else the text. */
  readonly body: unknown;
  readonly headers: Headers;
}

/** One process of the fleet. */
export class Fleet {
  readonly scene: Scene;
  readonly url: string;
  readonly running: Running;
  readonly #t: Test;

  constructor(t: Test, scene: Scene, port: number, running: Running) {
    this.#t = t;
    this.scene = scene;
    this.url = `http://127.0.0.1:${port}`;
    this.running = running;
  }

  async healthy(): Promise<void> {
    await until(`the fleet at ${this.url} is healthy`, async () => {
      if (this.running.child.exitCode !== null) throw new Error(`the fleet ended: ${this.running.stderr}`);
      return (await fetch(`${this.url}/health`).catch(() => undefined))?.ok;
    });
  }

  /** `GET /path`, or `POST /path` with a body. */
  async api(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const { status, headers, text } = await this.ask(method, path, body);
    const isJson = headers.get('content-type')?.startsWith('application/json') === true;
    return { status, headers, body: isJson ? (JSON.parse(text) as unknown) : text };
  }

  async ask(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
    const content = body === undefined ? {} : { 'content-type': 'application/json' };
    const text = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(`${this.url}${path}`, { method, headers: { ...content, ...headers }, body: text });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** What the API says of one server. */
  async view(server: string): Promise<Readonly<Record<string, unknown>>> {
    const { body } = await this.api('GET', `/api/docker/containers/${server}`);
    return body as Readonly<Record<string, unknown>>;
  }

  /** Resolves when the API calls a server's container so. */
  async is(server: string, containerState: string): Promise<void> {
    await until(
      `${server} is ${containerState}`,
      async () => (await this.view(server))['containerState'] === containerState,
      patience,
    );
  }

  /** The official client in a session of its own; it opens an SSE stream by itself. Its session ends with the test, or by `leave`. */
  async client(server: string, name = 'tandem-test'): Promise<McpClient> {
    const transport = new StreamableHTTPClientTransport(new URL(`/mcp/${server}`, this.url));
    const client = new Client({ name, version: '0' });
    this.#t.teardown(() => client.close().catch(() => {}));
    // The SDK's class has `sessionId?: string` where its interface, under exactOptionalPropertyTypes, has no undefined.
    await client.connect(transport as Parameters<Client['connect']>[0]);
    return {
      client,
      leave: async () => {
        await transport.terminateSession();
        await client.close();
      },
    };
  }

  /** One POST to a server, as a client sends it. The answer is not read. */
  post(server: string, message: object, session?: string, signal?: AbortSignal): Promise<Response> {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(session !== undefined && { 'mcp-session-id': session }),
    };
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    return fetch(`${this.url}/mcp/${server}`, { method: 'POST', headers, body, signal: signal ?? null });
  }

  /** Begins a session without a stream, as the official client cannot. @returns its id */
  async greet(server: string): Promise<string> {
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'tandem-test', version: '0' },
    };
    const response = await this.post(server, { id: 0, method: 'initialize', params });
    const text = await response.text();
    const id = response.headers.get('mcp-session-id');
    if (id === null) throw new Error(`no session: ${response.status} ${text}`);
    await (await this.post(server, { method: 'notifications/initialized' }, id)).text();
    return id;
  }

  /** Ends a session. */
  async leave(server: string, session: string): Promise<void> {
    await this.ask('DELETE', `/mcp/${server}`, undefined, { 'mcp-session-id': session });
  }

  /** TERM. @returns the exit code and how long it took */
  async stop(): Promise<{ readonly code: number; readonly tookMs: number }> {
    const askedAtMs = performance.now();
    await this.running.signal('SIGTERM');
    const { code } = await this.running.exited;
    return { code, tookMs: performance.now() - askedAtMs };
  }
}

export interface McpClient {
  readonly client: Client;
  /** Ends the session as a client that takes its leave. */
  leave(): Promise<void>;
}

/** The first text of a tool's answer. */
export async function callText(
  client: Client,
  name: string,
  toolArguments: Record<string, unknown> = {},
): Promise<string> {
  const { content } = await client.callTool({ name, arguments: toolArguments });
  const [first] = content as readonly { readonly type: string; readonly text?: string }[];
  return first?.text ?? '';
}

/** What the fleet needs to find the engine that the tests use. */
export function engineVariables(): Record<string, string> {
  const host = process.env['DOCKER_HOST'];
  return host === undefined ? {} : { DOCKER_HOST: host };
}
