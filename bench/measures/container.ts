/** The container engine, driven by the `docker` command, and one container's life. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../bench.ts';

/** Everything of the bench is found by it: `docker ps --all --filter label=tandem-bench`. */
const label = 'tandem-bench';
const patienceMs = 30_000;
/** How often the service is asked: it has better things to do. */
const lookMs = 10;
/** From the last health check to the stop. */
const settleMs = 500;

/** Runs `docker` with these words. @throws Error with what it said, if it fails */
export function docker(...words: readonly string[]): string {
  return execFileSync('docker', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** What is run, and when its service has what it needs. */
export interface Subject {
  readonly image: string;
  readonly options: readonly string[];
  /** In the container. */
  readonly port: number;
  readonly path: string;
  readonly isReady: (answer: string) => boolean;
}

/** From `docker run` until the service answers and until the engine calls it healthy; from `docker stop` until that returns. */
export async function lifeOf({ image, options, port, path, isReady }: Subject, events: HealthEvents) {
  const host = await freePort();
  const startedAt = Date.now();
  const publish = `--publish=127.0.0.1:${host}:${port}`;
  const id = await asked(['run', '--detach', '--label', label, publish, ...options, image]);
  try {
    const healthy = events.healthy(id);
    const readyAt = await answered(`http://127.0.0.1:${host}${path}`, isReady);
    const healthyAt = await healthy;
    await sleep(settleMs);
    const stoppedAt = Date.now();
    await asked(['stop', id]);
    return { ready: readyAt - startedAt, healthy: healthyAt - startedAt, stop: Date.now() - stoppedAt };
  } finally {
    docker('rm', '--force', '--volumes', id);
  }
}

/** The engine's own news of what became healthy, with its own times. */
export class HealthEvents {
  readonly #process: ChildProcess;
  readonly #healthyAt = new Map<string, number>();

  constructor() {
    const words = ['events', '--filter', 'event=health_status', '--format', '{{json .}}'];
    this.#process = spawn('docker', words, { stdio: ['ignore', 'pipe', 'ignore'] });
    if (!this.#process.stdout) return;
    createInterface(this.#process.stdout).on('line', (line) => {
      const { id, status, Action = status, timeNano } = JSON.parse(line) as Record<string, string>;
      if (id && Action?.endsWith(': healthy')) this.#healthyAt.set(id, Number(timeNano) / 1e6);
    });
  }

  /** When this container was first called healthy: wall time, in ms. */
  async healthy(id: string): Promise<number> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(lookMs)) {
      const at = this.#healthyAt.get(id);
      if (at !== undefined) return at;
    }
    throw new Error(`was not healthy within ${patienceMs / 1000} s`);
  }

  close(): void {
    this.#process.kill();
  }
}

/** The same as `docker`, and the bench goes on meanwhile. */
function asked(words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('docker', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(err.trim()))));
  });
}

/** When the service gave the right answer: wall time, in ms. */
async function answered(url: string, isReady: (answer: string) => boolean): Promise<number> {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(lookMs)) {
    if (isReady(await answerOf(url))) return Date.now();
  }
  throw new Error(`${url} did not answer as it should within ${patienceMs / 1000} s`);
}

/** Empty where there is none. */
function answerOf(url: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 1_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('close', () => resolve(response.statusCode === 200 ? text : ''));
    });
    request.on('timeout', () => request.destroy()).on('error', () => resolve(''));
  });
}
