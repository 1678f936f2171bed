/**
 * Real databases on loopback, from Debian's packages: PostgreSQL as a user that is not root, because it insists, and
 * Redis. Each is the test's own, in a directory of its own, and gone with the test.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Test } from 'tap';

interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** What PostgreSQL is run as: ourselves, or where we are root, the user that Debian's package makes for it. */
function unprivileged(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const [, , uid, gid] = lines.find((line) => /^(postgres|nobody):/.test(line))?.split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/** Debian keeps the servers of each version out of the PATH. */
function findProgram(name: string): string | undefined {
  const versions = '/usr/lib/postgresql';
  const numbers = existsSync(versions) ? readdirSync(versions) : [];
  const places = [
    ...numbers.map((version) => join(versions, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return places.map((place) => join(place, name)).find((file) => existsSync(file));
}

/** The paths of these programs; `undefined`, and the test is skipped, where one is missing. */
function programs(t: Test, names: readonly string[]): readonly string[] | undefined {
  const found = names.map(findProgram);
  const missing = names.filter((_, index) => found[index] === undefined);
  if (missing.length === 0) return found as string[];
  t.comment(`skipped: no ${missing.join(', ')}`);
  t.pass('skipped', { skip: `no ${missing.join(', ')}` });
  return undefined;
}

class Server {
  readonly directory: string;
  readonly #identity = unprivileged();
  #child: ChildProcess | undefined;
  #stopSignal: NodeJS.Signals;

  constructor(t: Test, stopSignal: NodeJS.Signals) {
    this.#stopSignal = stopSignal;
    this.directory = mkdtempSync(join(tmpdir(), 'tandem-db-'));
    if (this.#identity) chownSync(this.directory, this.#identity.uid, this.#identity.gid);
    t.teardown(async () => {
      await this.stop();
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  run(file: string, words: readonly string[]): string {
    return execFileSync(file, words, {
      ...this.#identity,
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    }).toString();
  }

  spawn(file: string, words: readonly string[]): void {
    this.#child = spawn(file, words, { ...this.#identity, cwd: this.directory, stdio: 'ignore' });
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(this.#stopSignal);
    await gone;
  }

  write(name: string, text: string): string {
    const file = join(this.directory, name);
    writeFileSync(file, text);
    if (this.#identity) chownSync(file, this.#identity.uid, this.#identity.gid);
    return file;
  }
}

export interface Postgres {
  /** Starts the server, which takes connections on 127.0.0.1 and on a Unix socket in `directory`. */
  start(...settings: string[]): void;
  stop(): Promise<void>;
  /** The next start stays in recovery, and refuses everybody, until it is promoted. */
  holdInRecovery(): void;
  promote(): void;
  readonly directory: string;
}

/** A cluster whose users need a password; `undefined` where PostgreSQL is missing and the test is skipped for it. */
export function makePostgres(t: Test, port: number, password: string): Postgres | undefined {
  const found = programs(t, ['initdb', 'postgres', 'pg_ctl']);
  if (!found) return undefined;
  const [initdb = '', postgres = '', control = ''] = found;
  // Its own signal for "fast": TERM would wait for its clients.
  const server = new Server(t, 'SIGINT');
  const data = join(server.directory, 'data');
  const passwordFile = server.write('password', password);
  const words = ['--pgdata', data, '--username', 'postgres', '--auth', 'scram-sha-256', '--pwfile', passwordFile];
  server.run(initdb, [...words, '--no-sync', '--no-instructions', '--locale', 'C']);
  return {
    directory: server.directory,
    start: (...settings) => {
      const common = ['listen_addresses=127.0.0.1', `unix_socket_directories=${server.directory}`, 'fsync=off'];
      server.spawn(postgres, [
        '-D',
        data,
        '-p',
        String(port),
        ...[...common, ...settings].flatMap((one) => ['-c', one]),
      ]);
    },
    stop: () => server.stop(),
    holdInRecovery: () => void server.write('data/standby.signal', ''),
    promote: () => void server.run(control, ['promote', '--pgdata', data, '--no-wait']),
  };
}

export interface Redis {
  start(...settings: string[]): void;
  stop(): Promise<void>;
  cli(...words: string[]): string;
  readonly directory: string;
}

/** `undefined` where Redis is missing and the test is skipped for it. */
export function makeRedis(t: Test, port: number, password: string): Redis | undefined {
  const found = programs(t, ['redis-server', 'redis-cli']);
  if (!found) return undefined;
  const [redis = '', cli = ''] = found;
  const server = new Server(t, 'SIGKILL');
  return {
    directory: server.directory,
    start: (...settings) => {
      const common = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--requirepass', password];
      server.spawn(redis, [...common, '--dir', server.directory, ...settings]);
    },
    stop: () => server.stop(),
    cli: (...words) => server.run(cli, ['-p', String(port), '--no-auth-warning', '-a', password, ...words]),
  };
}
