/**
 * The deployments below deploy/, driven by `docker compose` as an operator drives them. Their compose files are used as
 * they are; over them lie those of stand-ins/, with images from Debian's packages in the place of a registry's. Every
 * stack is a project of its own, and is gone with its test: containers, networks, volumes and the image that it built.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Test } from 'tap';
import { until } from '../support/until.ts';
import { ask, Container, docker, projectDir, type Result } from './engine.ts';

const standIns = join(import.meta.dirname, 'stand-ins');
const label = 'tandem-test-deploy';

/** Healthy by then, or the test fails; what is promised is that it becomes so. */
const patienceSeconds = 60;

/** Variables of Compose. `undefined`: not set, whatever the tests' own environment says. */
export type Variables = Readonly<Record<string, string | undefined>>;

export interface Deployment {
  /** The directory below deploy/. */
  readonly name: string;
  /** Files of stand-ins/, over its compose.yaml. */
  readonly over: readonly string[];
  readonly variables: Variables;
}

let stacks = 0;

/** The images that are pulled elsewhere, and tandem's own: built once a file, and quickly when nothing was changed. */
export async function makeImages(t: Test, databases: readonly string[]): Promise<void> {
  for (const name of databases) {
    await ask(['build', '--quiet', '--tag', `${label}:${name}`, join(standIns, name)]);
  }
  await ask(['build', '--quiet', '--target', 'supervisor', '--tag', supervisor, '.']);
  t.teardown(() => docker(['rmi', supervisor]));
}

/** A tag of this process alone: another checkout's tests may run beside. */
const supervisor = `${label}:supervisor-${process.pid}`;

/** One project of Compose. */
export class Stack {
  readonly project = `${label}-${process.pid}-${++stacks}`;
  readonly #words: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;

  constructor({ name, over, variables }: Deployment) {
    const directory = join(projectDir, 'deploy', name);
    const files = [join(directory, 'compose.yaml'), ...over.map((file) => join(standIns, file))];
    this.#words = [
      ...['compose', '--project-name', this.project, '--project-directory', directory, '--env-file', '/dev/null'],
      ...files.flatMap((file) => ['--file', file]),
    ];
    this.#environment = { ...process.env, TANDEM_IMAGE: supervisor, TAG: this.project, ...variables };
  }

  /** `docker compose` with these words; any exit code is a result. */
  compose(words: readonly string[]): Promise<Result> {
    const startedAt = performance.now();
    const child = spawn('docker', [...this.#words, ...words], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? -1, ...output, tookMs: performance.now() - startedAt }));
    });
  }

  /** The same for what has to succeed; gives what it printed. */
  async ask(words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.compose(words);
    if (code === 0) return stdout.trim();
    const { stdout: logs } = await this.compose(['logs', '--no-color']);
    throw new Error(`docker compose ${words.join(' ')} ended with ${code}: ${stderr}${stdout}\n${logs}`);
  }

  /** `docker compose up --detach --wait`: returns when all are healthy. */
  async up(options: readonly string[] = []): Promise<void> {
    await this.ask(['up', '--detach', '--wait', '--wait-timeout', String(patienceSeconds), ...options]);
  }

  /** The containers of a service, in the order of their numbers. */
  async containers(service: string): Promise<Container[]> {
    const ids = await this.ask(['ps', '--all', '--quiet', service]);
    return ids.split('\n').flatMap((id) => (id === '' ? [] : [new Container(id)]));
  }

  /** The only one of a service. */
  async container(service: string): Promise<Container> {
    const [container, ...others] = await this.containers(service);
    if (!container || others.length > 0) throw new Error(`there is not one "${service}" but ${others.length + 1}`);
    return container;
  }

  /** `docker compose down --volumes`. */
  async down(): Promise<void> {
    await this.ask(['down', '--volumes', '--remove-orphans', '--timeout', '10']);
  }

  /** What Compose has made for this project and is still there. */
  async leftovers(): Promise<string[]> {
    const filter = ['--quiet', '--filter', `label=com.docker.compose.project=${this.project}`];
    const found = await Promise.all([
      ask(['ps', '--all', ...filter]),
      ask(['network', 'ls', ...filter]),
      ask(['volume', 'ls', ...filter]),
    ]);
    return found.filter((ids) => ids !== '');
  }

  /** Down, and the images that it built, in whatever state it is. */
  async remove(): Promise<void> {
    await this.compose(['down', '--volumes', '--remove-orphans', '--timeout', '0']);
    const images = await ask(['images', '--quiet', '--filter', `reference=*:${this.project}`]);
    if (images !== '') await docker(['rmi', '--force', ...images.split('\n')]);
  }
}

/** A stack with its image built, and nothing of it started. */
export async function makeStack(t: Test, deployment: Deployment): Promise<Stack> {
  const stack = new Stack(deployment);
  t.teardown(() => stack.remove());
  await stack.ask(['build', '--quiet']);
  return stack;
}

/** What the engine's own health check says of a container, and what `tandem health` printed for it. */
async function engineHealth(container: Container): Promise<{ status: string; words: string }> {
  const health = await ask(['inspect', '--format', '{{json .State.Health}}', container.id]);
  const { Status, Log } = JSON.parse(health) as { Status: string; Log: readonly { Output: string }[] | null };
  return { status: Status, words: Log?.at(-1)?.Output.trim() ?? '' };
}

/** Resolves once the engine calls the container that, and `tandem health` told it so in these words. */
export async function becomes(container: Container, status: 'healthy' | 'unhealthy', words: RegExp): Promise<void> {
  let last = { status: '', words: '' };
  await until(
    `the engine calls ${container.id} ${status}`,
    async () => {
      last = await engineHealth(container);
      return last.status === status && words.test(last.words);
    },
    { withinMs: patienceSeconds * 1000, everyMs: 100 },
  ).catch((error) => {
    throw new Error(`it is ${last.status}: ${last.words}`, { cause: error });
  });
}
