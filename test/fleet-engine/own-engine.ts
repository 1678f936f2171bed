/**
 * An engine that a test may stop, pause and kill: a `dockerd` of its own, in a directory of its own, without the
 * machine's bridge and firewall. The machine's own engine is not touched by it, nor by what is done to it.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ask, docker } from '../container/engine.ts';
import { until } from '../support/until.ts';
import { type ServerConfig, serversImage } from './fleet.ts';

/** Options of tests with an own engine. @throws Error in CI, where nothing may be skipped */
export const needsOwnEngine = { skip: whyNoOwnEngine() } as const;

function whyNoOwnEngine(): string | false {
  const isThere = spawnSync('dockerd', ['--version'], { stdio: 'ignore' }).status === 0 && process.getuid?.() === 0;
  if (isThere) return false;
  if (process.env['CI'] === 'true') throw new Error('no dockerd in PATH that could be started as root');
  return 'no dockerd in PATH that could be started as root';
}

const smallServer = readFileSync(join(import.meta.dirname, 'small-server.cjs'), 'utf8');

/** The small server in an image that has nothing but `node`. */
export function small(kind: 'stdio' | 'http', config: ServerConfig = {}): ServerConfig {
  const transport = kind === 'http' ? { transport: 'http' } : {};
  const image = 'node:26-bookworm-slim';
  return { image, command: ['node', '-e', smallServer, kind], lightweight: true, ...transport, ...config };
}

export class OwnEngine {
  readonly directory = mkdtempSync(join(tmpdir(), 'tandem-engine-'));
  readonly #bridge = `tandem-${randomBytes(3).toString('hex')}`;
  #process: ChildProcess | undefined;

  private constructor() {}

  /** Starts one; `docker` and the fleets of this test file talk to it from now on. */
  static async make(t: Test): Promise<OwnEngine> {
    // Of the machine's engine, once: what a scene waits for is not built on this one.
    await serversImage();
    const engine = new OwnEngine();
    const { DOCKER_HOST: before } = process.env;
    t.teardown(async () => {
      await engine.#dispose();
      if (before === undefined) delete process.env['DOCKER_HOST'];
      else process.env['DOCKER_HOST'] = before;
    });
    process.env['DOCKER_HOST'] = `unix://${engine.socketPath}`;
    // Also when the tests are ended in the middle.
    process.once('exit', () => engine.#process?.kill('SIGKILL'));
    engine.#addBridge();
    await engine.start();
    await engine.#importNode();
    return engine;
  }

  get socketPath(): string {
    return join(this.directory, 'docker.sock');
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const at = (name: string) => join(this.directory, name);
    const log = openSync(at('log'), 'a');
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
    // A bridge of its own and no rule in the firewall: containers are reached from here, and reach nobody else. Neither
    // `--bridge=none` nor `--default-address-pool`: with the one at once, with the other at its next start, an engine
    // takes away the machine's docker0, whosever that is.
    const network = [`--bridge=${this.#bridge}`, '--iptables=false', '--ip6tables=false', '--ip-masq=false'];
    const words = ['--host', `unix://${this.socketPath}`, ...places, ...network, '--shutdown-timeout=3'];
    this.#process = spawn('dockerd', words, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    const isUp = async () => {
      if (this.#process?.exitCode !== null) throw new Error(`dockerd ended:\n${readFileSync(at('log'), 'utf8')}`);
      return (await docker(['version'])).code === 0;
    };
    await until('the own engine answers', isUp, { withinMs: 30_000, everyMs: 50 });
  }

  /** TERM, as an operator stops it: its containers end, too. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Its containers run on. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** It takes connections and answers nothing. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  #addBridge(): void {
    execFileSync('ip', ['link', 'add', this.#bridge, 'type', 'bridge']);
    execFileSync('ip', ['address', 'add', '10.213.255.1/24', 'dev', this.#bridge]);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** An image of the Node that runs this test and the libraries that it is linked with: half a second, from nobody. */
  async #importNode(): Promise<void> {
    const libraries = execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
    const rename = `--transform=s#^${process.execPath}$#/usr/bin/node#`;
    const archive = execFileSync('tar', ['-chP', rename, process.execPath, ...libraries], { maxBuffer: 2 ** 30 });
    const path = join(this.directory, 'node.tar');
    writeFileSync(path, archive);
    await ask(['import', '--change', 'ENV PATH=/usr/bin', path, 'node:26-bookworm-slim']);
  }

  async #dispose(): Promise<void> {
    this.resume();
    if (!this.#process) await this.start().catch(() => {});
    const { stdout } = await docker(['ps', '--all', '--quiet']);
    if (stdout !== '') await docker(['rm', '--force', ...stdout.trim().split('\n')]);
    // Each has a bridge of the machine's.
    await docker(['network', 'prune', '--force']);
    await this.stop();
    spawnSync('ip', ['link', 'delete', this.#bridge]);
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n').reverse()) {
      const [, place = ''] = line.split(' ');
      if (place.startsWith(`${this.directory}/`)) spawnSync('umount', [place]);
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
