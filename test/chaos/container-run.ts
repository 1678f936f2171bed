/** A run as PID 1 of a container on the real engine. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ask, docker, projectDir } from '../container/engine.ts';
import { until } from '../support/until.ts';
import type { Mode } from './lines.ts';
import { kill, type Reader, type Run, type RunOptions } from './run.ts';
import { makeScene, type Scene, services } from './scene.ts';

/** Of an engine that keeps the log itself: there is nothing to hold up. */
class KeptLog implements Reader {
  text = '';
  readonly ended = Promise.resolve();
  pause(): void {}
  resume(): void {}
  close(): void {}
}

const lateLogMs = 5_000;

let containers = 0;

export async function startContainer(options: RunOptions): Promise<Run> {
  const scene = await makeScene(options);
  const { directory, args, env } = scene;
  const name = `tandem-chaos-${process.pid}-${++containers}`;
  const fixtures = join(projectDir, 'test/fixtures');
  await ask([
    ...['run', '--detach', '--name', name, '--label', 'tandem-chaos', '--network=host'],
    ...['--volume', `${directory}:${directory}`, '--volume', `${fixtures}:${fixtures}:ro`],
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...(options.engine ?? []),
    ...[await imageOf(options.image ?? 'embedded'), ...args],
  ]);
  const pid = Number(await ask(['inspect', '--format', '{{.State.Pid}}', name]));
  return new ContainerRun(options, scene, name, pid);
}

/** In a container. The engine reads the output and keeps it. */
class ContainerRun implements Run {
  readonly form = 'container';
  readonly mode: Mode;
  readonly isMatrix: boolean;
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: Run['ports'];
  readonly services = services;
  readonly stdout = new KeptLog();
  readonly stderr = new KeptLog();
  readonly ended: Promise<number>;
  readonly pid: number;
  readonly container: string;
  code: number | undefined;
  endedAt: number | undefined;

  constructor({ mode, image }: RunOptions, scene: Scene, container: string, pid: number) {
    this.mode = mode;
    this.isMatrix = image === 'matrix';
    this.directory = scene.directory;
    this.env = scene.env;
    this.ports = scene.ports;
    this.container = container;
    this.pid = pid;
    this.ended = this.#awaitEnd();
  }

  async #awaitEnd(): Promise<number> {
    const code = Number(await ask(['wait', this.container]));
    this.endedAt = performance.now();
    // A busy engine may still be writing down what it has read. Where tandem was killed there is no last record.
    const isWhole = async () => {
      await this.refresh();
      return this.stderr.text.includes('"tandem ends"');
    };
    await until('the last record is kept', isWhole, { withinMs: lateLogMs, everyMs: 100 }).catch(() => {});
    this.code = code;
    return code;
  }

  async refresh(): Promise<void> {
    const { stdout, stderr } = await docker(['logs', this.container]);
    this.stdout.text = stdout;
    this.stderr.text = stderr;
  }

  signal(name: NodeJS.Signals): void {
    if (this.code === undefined) kill(this.pid, name);
  }

  async clear(): Promise<void> {
    await docker(['rm', '--force', '--volumes', this.container]);
    await this.ended.catch(() => {});
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

const images = new Map<string, Promise<string>>();

/** The image of the embedded pair, whose commands are replaced, or that of the preset matrix. */
export function imageOf(target: 'embedded' | 'matrix'): Promise<string> {
  const tag = `tandem-chaos:${target}`;
  const hub = ['--build-context', `hub=${projectDir}/test/fixtures/hub`];
  // Runs on every machine of the tests; the image's own default is newer.
  const python = ['--build-arg', 'PYTHON_IMAGE=python:3.11-slim-bookworm'];
  const more = target === 'matrix' ? [...hub, ...python] : [];
  const image = images.get(tag) ?? ask(['build', '--quiet', '--target', target, '--tag', tag, ...more, projectDir]);
  images.set(tag, image);
  return image.then(() => tag);
}
