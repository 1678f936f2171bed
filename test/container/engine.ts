/**
 * A real container engine, driven by the `docker` command as an operator drives it. All that is made here carries one
 * label and is removed with its test, also with a failed one. The images stay: their layers are the next run's cache.
 */
import { type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { LogRecord } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

export const projectDir = join(import.meta.dirname, '../..');

/** What everything of these tests is found by: `docker ps --all --filter label=tandem-test`. */
const label = 'tandem-test';

/** A container that is not healthy by then fails its test; the promise itself is `healthy within 5 s`. */
const patienceMs = 30_000;

/**
 * Options of every test here: skipped where no engine answers.
 * @throws Error in CI, where nothing may be skipped
 */
export const needsEngine = { skip: whyNoEngine() } as const;

function whyNoEngine(): string | false {
  const { status } = spawnSync('docker', ['version'], { stdio: 'ignore', timeout: 10_000 });
  if (status === 0) return false;
  if (process.env['CI'] === 'true') throw new Error('no container engine answers `docker version`');
  return 'no container engine answers';
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

/** Runs `docker` with these words and `input` on its stdin, if there is any. Any exit code is a result. */
export function docker(words: readonly string[], input?: string): Promise<Result> {
  const startedAt = performance.now();
  const stdio: StdioOptions = [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'];
  const child = spawn('docker', words, { cwd: projectDir, stdio });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, ...output, tookMs: performance.now() - startedAt }));
  });
}

/** The same for what has to succeed; gives what it printed. */
export async function ask(words: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await docker(words, input);
  if (code !== 0) throw new Error(`docker ${words.join(' ')} ended with ${code}: ${stderr || stdout}`);
  return stdout.trim();
}

const built = new Map<string, Promise<string>>();

/** The image of one of the Dockerfile's targets; built once a run, and quickly when nothing was changed. */
export function imageOf(target: 'embedded' | 'supervisor'): Promise<string> {
  return once(`${label}:${target}`, (tag) => ask(['build', '--quiet', '--target', target, '--tag', tag, '.']));
}

/** An image made from a Dockerfile's text, without any files. */
export function imageFrom(name: string, dockerfile: string): Promise<string> {
  return once(`${label}:${name}`, (tag) => ask(['build', '--quiet', '--tag', tag, '-'], dockerfile));
}

function once(tag: string, build: (tag: string) => Promise<unknown>): Promise<string> {
  const image = built.get(tag) ?? build(tag).then(() => tag);
  built.set(tag, image);
  return image;
}

/** `docker run` in the foreground: its exit code is the container's. */
export function runToEnd(image: string, words: readonly string[], options: readonly string[] = []): Promise<Result> {
  return docker(['run', '--rm', '--label', label, ...options, image, ...words]);
}

/** What `docker inspect` says of a container, as far as it is asked here. */
export interface Inspection {
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly Health?: { readonly Status: string } };
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>>;
  };
}

/** One running container. */
export class Container {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  async inspect(): Promise<Inspection> {
    const [inspection] = JSON.parse(await ask(['inspect', this.id])) as [Inspection];
    return inspection;
  }

  /** Resolves when the engine itself calls it healthy. */
  async healthy(): Promise<void> {
    await until(
      `${this.id} is healthy`,
      async () => {
        const { State } = await this.inspect();
        if (State.Status === 'exited')
          throw new Error(`it ended with ${State.ExitCode}:\n${(await this.logLines()).join('\n')}`);
        return State.Health?.Status === 'healthy';
      },
      { withinMs: patienceMs, everyMs: 20 },
    );
  }

  /** Resolves when this is all that it has printed on stdout. */
  async says(text: string): Promise<void> {
    await until(`${this.id} says ${JSON.stringify(text)}`, async () => {
      const { stdout } = await docker(['logs', this.id]);
      return stdout.trim() === text;
    });
  }

  kill(signal: string): Promise<Result> {
    return docker(['kill', `--signal=${signal}`, this.id]);
  }

  /** `docker stop`. */
  stop(): Promise<Result> {
    return docker(['stop', this.id]);
  }

  /** The exit code, once it has ended. */
  async ended(): Promise<number> {
    return Number(await ask(['wait', this.id]));
  }

  exec(command: readonly string[], options: readonly string[] = []): Promise<Result> {
    return docker(['exec', ...options, this.id, ...command]);
  }

  /** What a shell script in it prints. */
  async shell(script: string, options: readonly string[] = []): Promise<string> {
    const { code, stdout, stderr } = await this.exec(['sh', '-c', script], options);
    if (code !== 0) throw new Error(`${script} ended with ${code}: ${stderr}`);
    return stdout.trim();
  }

  /** The lines of stdout and stderr so far, in the order in which the engine got them. */
  async logLines(): Promise<string[]> {
    const { stdout, stderr } = await docker(['logs', '--timestamps', this.id]);
    const lines = [stdout, stderr].flatMap((text) => text.split('\n')).filter((line) => line !== '');
    // timestamps of one width: sorted as texts they are in order
    return lines.sort().map((line) => line.slice(line.indexOf(' ') + 1));
  }

  /** tandem's own records, all of which are on stderr. */
  async records(): Promise<LogRecord[]> {
    const { stderr } = await docker(['logs', this.id]);
    return stderr.split('\n').flatMap((line) => (line.startsWith('{"level"') ? [JSON.parse(line) as LogRecord] : []));
  }

  /** The pid that a service got when it became ready. */
  async pidOf(service: string): Promise<number> {
    const records = await this.records();
    const pid = records.find((record) => record.service === service && record.to === 'ready')?.pid;
    if (pid === undefined) throw new Error(`"${service}" was never ready`);
    return pid;
  }

  /** Where a port of the container is published on this machine, as a URL. */
  async urlOf(port: number): Promise<string> {
    const { NetworkSettings } = await this.inspect();
    return `http://127.0.0.1:${NetworkSettings.Ports[`${port}/tcp`]?.[0]?.HostPort}`;
  }
}

/** `docker run --detach`; the container and its anonymous volumes go when the test does. */
export async function start(
  t: Test,
  image: string,
  options: readonly string[] = [],
  words: readonly string[] = [],
): Promise<Container> {
  const id = await ask(['run', '--detach', '--label', label, ...options, image, ...words]);
  t.teardown(() => remove(id));
  return new Container(id);
}

/** Removes a container and its anonymous volumes, in whatever state it is. */
export async function remove(id: string): Promise<void> {
  await docker(['rm', '--force', '--volumes', id]);
}

/** A named volume that goes with the test. */
export async function makeVolume(t: Test): Promise<string> {
  const volume = await ask(['volume', 'create', '--label', label]);
  // Volumes before containers would fail: teardowns run in reverse order, and this one is registered first.
  t.teardown(() => docker(['volume', 'rm', '--force', volume]));
  return volume;
}
