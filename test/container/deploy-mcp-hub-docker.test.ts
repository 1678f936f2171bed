/** deploy/mcp-hub-docker as its README runs it: the real hub and fleet, real servers as containers, real databases. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import t, { type Test } from 'tap';
import { until } from '../support/until.ts';
import { buildImages, Deployment } from './deploy-hub.ts';
import { ask, docker, needsEngine, projectDir } from './engine.ts';

t.setTimeout(600_000);

const imagePrefix = 'tandem-test-mcp';
const patience = { withinMs: 30_000, everyMs: 250 };

t.before(async () => {
  if (needsEngine.skip) return;
  await buildImages();
  const env = { ...process.env, IMAGE_PREFIX: imagePrefix };
  await promisify(execFile)(join(projectDir, 'deploy/mcp-servers/build.sh'), { env });
});

interface Configuration {
  docker: {
    dockerConfig: { networkName: string };
    allowedVolumes: string[];
    serverConfigs: Record<string, { image?: string; volumes?: Record<string, string> }>;
  };
  mcpServers: Record<string, { url: string }>;
}

/** What the engine has of a fleet, running or not. */
async function containersOf(fleet: string): Promise<string[]> {
  const names = await ask(['ps', '--all', '--format', '{{.Names}}', '--filter', `label=mcp-hub.fleet=${fleet}`]);
  const lines = names.split('\n').filter((name) => name !== '');
  return lines.sort();
}

/** The stack with names of its own, so that others on the engine are not in the way. */
class Stack extends Deployment {
  /** Behind each server's name. */
  readonly suffix: string;
  readonly token: string;
  readonly #network: string;

  constructor(t: Test, environment: Readonly<Record<string, string>> = {}) {
    const suffix = randomUUID().slice(0, 8);
    const token = randomUUID();
    const socket = (process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');
    const network = `tandem-test-${suffix}`;
    const settings = {
      DOCKER_SOCKET: socket,
      DOCKER_GID: String(statSync(socket).gid),
      MCP_HUB_NETWORK: network,
      MCP_FLEET_PORT: '0',
      TANDEM_FLEET_TOKEN: token,
      POSTGRES_PASSWORD: 'in-a-test',
    };
    // after the teardown of the stack, which may cut the fleet short
    t.teardown(async () => {
      const left = await containersOf(network);
      if (left.length > 0) await docker(['rm', '--force', '--volumes', ...left]);
      await docker(['network', 'rm', network]);
    });
    super(t, { name: 'mcp-hub-docker', over: ['compose.docker.yaml'], environment: { ...settings, ...environment } });
    this.suffix = suffix;
    this.token = token;
    this.#network = network;
    this.#configure();
  }

  /** A file's place in a directory that is mounted into a server. */
  hostPath(...names: readonly string[]): string {
    return join(this.directory, 'volumes', ...names);
  }

  containers(): Promise<string[]> {
    return containersOf(this.#network);
  }

  /** An MCP request to a server of the fleet, past the hub. */
  async callFleet(server: string, name: string, toolArguments: Record<string, unknown>): Promise<unknown> {
    const client = new Client({ name: 'tandem-test', version: '0' });
    const headers = { Authorization: `Bearer ${this.token}` };
    const url = new URL(`/mcp/${server}_${this.suffix}`, await this.urlOf(3456));
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
    try {
      return (await client.callTool({ name, arguments: toolArguments })).content;
    } finally {
      await client.close();
    }
  }

  #configure(): void {
    const path = join(this.directory, 'config.docker.json');
    const { docker, mcpServers } = JSON.parse(readFileSync(path, 'utf8')) as Configuration;
    docker.dockerConfig.networkName = this.#network;
    docker.allowedVolumes = [this.hostPath()];
    const own = <T>(servers: Record<string, T>, change: (server: T, name: string) => T) =>
      Object.fromEntries(Object.entries(servers).map(([name, one]) => [`${name}_${this.suffix}`, change(one, name)]));
    docker.serverConfigs = own(docker.serverConfigs, (server, name) => ({
      ...server,
      image: `${imagePrefix}/${name}`,
      ...(server.volumes && { volumes: { [this.hostPath(name)]: '/data' } }),
    }));
    const servers = own(mcpServers, (server) => ({ ...server, url: `${server.url}_${this.suffix}` }));
    for (const name of ['filesystem', 'memory']) {
      mkdirSync(this.hostPath(name), { recursive: true });
      // the servers are somebody else, and write there
      chmodSync(this.hostPath(name), 0o777);
    }
    writeFileSync(path, JSON.stringify({ docker, mcpServers: servers }));
    for (const name of ['config.docker.json', 'tandem.yaml', 'sessions.mjs'])
      chmodSync(join(this.directory, name), 0o644);
  }
}

t.test('B45 B46 a client of the hub reaches servers in containers, and down leaves none', needsEngine, async (t) => {
  const stack = new Stack(t);
  const { suffix } = stack;
  writeFileSync(stack.hostPath('filesystem', 'note.txt'), 'from the host');
  await stack.up();
  t.equal(await stack.status(), 'healthy');

  t.equal(await stack.callTool(`filesystem_${suffix}__read_text_file`, { path: '/data/note.txt' }), 'from the host');
  const entity = { name: 'tandem', entityType: 'bicycle', observations: ['has two riders'] };
  await stack.callTool(`memory_${suffix}__create_entities`, { entities: [entity] });
  t.match(readFileSync(stack.hostPath('memory', 'memory.jsonl'), 'utf8'), /has two riders/, 'it is kept on the host');
  const behindTheHub = [`mcp-hub-filesystem_${suffix}`, `mcp-hub-memory_${suffix}`];
  t.same(await stack.containers(), behindTheHub, 'what nobody has asked for does not run');

  const anonymous = await fetch(new URL(`/mcp/everything_${suffix}`, await stack.urlOf(3456)), { method: 'POST' });
  t.equal(anonymous.status, 401);
  t.same(await stack.containers(), behindTheHub, 'and nothing is started for a stranger');
  t.match(await stack.callFleet('everything', 'echo', { message: 'hello' }), [{ text: /hello/ }]);
  t.same(await stack.containers(), [`mcp-hub-everything_${suffix}`, ...behindTheHub]);

  t.test('a server whose container was killed is back for the hub, too', async (t) => {
    await ask(['kill', `mcp-hub-memory_${suffix}`]);
    const read = () => stack.callTool(`memory_${suffix}__read_graph`).catch((error: Error) => error.message);
    await until('the hub reads the memory again', async () => /has two riders/.test(await read()), patience);
    t.equal(await stack.status(), 'healthy');
  });

  t.test('a database that is gone is named by the health', async () => {
    await stack.ask('kill', 'postgres');
    const isNamed = async () => /^unhealthy: postgres unhealthy/.test((await stack.health()).stdout);
    await until('health names postgres', isNamed, patience);
    await until('Docker calls it unhealthy', async () => (await stack.status()) === 'unhealthy', patience);
  });

  t.test('down takes the containers of the fleet away', async (t) => {
    await stack.ask('down', '--volumes');
    t.same(await stack.containers(), []);
    t.same(await stack.leftovers(), []);
  });
});

t.test('B47 without a token nothing is started: 78', needsEngine, async (t) => {
  const stack = new Stack(t, { TANDEM_FLEET_TOKEN: '' });
  const { code, stdout, stderr } = await stack.compose('run', '--rm', '--no-deps', '--no-TTY', 'mcp-hub');
  t.equal(code, 78);
  t.match(stderr, /TANDEM_FLEET_TOKEN/);
  t.notMatch(stdout + stderr, /"service":|the fleet listens/);
});
