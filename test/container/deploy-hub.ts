/**
 * The deployments of the hub, deploy/mcp-hub and deploy/mcp-hub-docker, driven with `docker compose` as their READMEs say.
 * Each test has a copy of the directory, so that it may edit what is mounted, a project name of its own, and stand-ins for
 * the images of a registry.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import type { Test } from 'tap';
import { ask, docker, imageFrom, imageOf, projectDir, type Result } from './engine.ts';

const standIns = join(import.meta.dirname, 'stand-ins-hub');
const image = 'tandem-test-hub';
export const hubImage = `${image}:0.1.0`;

/** Makes every image that the deployment needs; quick when nothing was changed. */
export async function buildImages(): Promise<void> {
  const tandem = await imageOf('supervisor');
  const file = ['--file', 'deploy/mcp-hub/Dockerfile', '--build-arg', `TANDEM_IMAGE=${tandem}`];
  for (const [target, tag] of [
    ['prod', '0.1.0'],
    ['dev', 'dev'],
  ]) {
    await ask(['build', '--quiet', ...file, '--target', `${target}`, '--tag', `${image}:${tag}`, '.']);
  }
  for (const database of ['postgres', 'redis']) {
    await imageFrom(`hub-${database}`, readFileSync(join(standIns, `${database}.Dockerfile`), 'utf8'));
  }
}

interface Wishes {
  /** The directory below deploy/. */
  readonly name?: 'mcp-hub' | 'mcp-hub-docker';
  /** Files of stand-ins-hub/ over its compose file, besides compose.yaml. */
  readonly over?: readonly string[];
  readonly file?: 'compose.yaml' | 'compose.dev.yaml';
  /** Variables of the .env beside the compose file. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** One deployment, which goes with its test. */
export class Deployment {
  /** A copy of its directory. */
  readonly directory = mkdtempSync(join(tmpdir(), 'tandem-hub-'));
  readonly project = `tandem-test-hub-${randomUUID().slice(0, 8)}`;
  readonly #words: readonly string[];

  constructor(t: Test, { name = 'mcp-hub', file = 'compose.yaml', over = [], environment = {} }: Wishes = {}) {
    // the hub is somebody else, and reads it
    chmodSync(this.directory, 0o755);
    cpSync(join(projectDir, 'deploy', name), this.directory, {
      recursive: true,
      filter: (path) => !path.endsWith('/.env'),
    });
    const settings = { MCP_HUB_IMAGE: image, MCP_HUB_PORT: '0', MCP_HUB_HEALTH_PORT: '0', ...environment };
    const lines = Object.entries({ ...settings, POSTGRES_PORT: '0', REDIS_PORT: '0' }).map((pair) => pair.join('='));
    writeFileSync(join(this.directory, '.env'), `${lines.join('\n')}\n`);
    const files = [join(this.directory, file), ...['compose.yaml', ...over].map((path) => join(standIns, path))];
    this.#words = ['compose', '--project-name', this.project, ...files.flatMap((path) => ['--file', path])];
    t.teardown(async () => {
      await this.compose('--profile', '*', 'down', '--volumes', '--timeout', '1');
      rmSync(this.directory, { recursive: true });
    });
  }

  /** `docker compose` with its files and its project. */
  compose(...words: readonly string[]): Promise<Result> {
    return docker([...this.#words, ...words]);
  }

  /** The same for what has to succeed; gives what it printed. */
  ask(...words: readonly string[]): Promise<string> {
    return ask([...this.#words, ...words]);
  }

  /** `docker compose up --wait`: returns once everything is healthy. */
  async up(): Promise<void> {
    await this.ask('up', '--detach', '--no-build', '--wait', '--wait-timeout', '60');
  }

  /** What `tandem health` in the hub's container says. */
  async health(...options: readonly string[]): Promise<Result> {
    return this.compose('exec', '--no-TTY', ...options, 'mcp-hub', 'tandem', 'health');
  }

  /** What Docker says of the hub's container, as in `docker ps`: healthy, unhealthy or starting. */
  async status(): Promise<string> {
    const id = await this.ask('ps', '--all', '--quiet', 'mcp-hub');
    return ask(['inspect', '--format', '{{.State.Health.Status}}', id]);
  }

  /** Where a port of the hub's container is published, as a URL. */
  async urlOf(port: number): Promise<string> {
    return `http://${await this.ask('port', 'mcp-hub', String(port))}`;
  }

  /** The text that a tool answers to an MCP client of the hub; `name` begins with its server's. */
  async callTool(name: string, toolArguments: Record<string, unknown> = {}): Promise<string> {
    const client = new Client({ name: 'tandem-test', version: '0' });
    await client.connect(new SSEClientTransport(new URL('/mcp', await this.urlOf(7300))));
    try {
      const { content } = await client.callTool({ name, arguments: toolArguments });
      return (content as { text: string }[]).map(({ text }) => text).join('\n');
    } finally {
      await client.close();
    }
  }

  /** Everything of its project that Docker still has. */
  async leftovers(): Promise<string[]> {
    const filter = ['--quiet', '--filter', `label=com.docker.compose.project=${this.project}`];
    const found = [
      ['ps', '--all', ...filter],
      ['network', 'ls', ...filter],
      ['volume', 'ls', ...filter],
    ].map((words) => ask(words));
    return (await Promise.all(found)).filter((list) => list !== '');
  }
}
