/** A real PostgreSQL from Debian's packages, on the loopback, that a test can take away and bring back. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { freePorts } from '../fixtures/e2e-run-pair.ts';
import { until } from './until.ts';

/** `nobody`: initdb and postgres refuse root. */
const unprivileged = { uid: 65_534, gid: 65_534 };

/** Where Debian's packages keep each version's programs. */
const debian = '/usr/lib/postgresql';

export interface Postgres {
  /** Of a database of this name, as SQLAlchemy takes it; all are there from the start. */
  url(database: string): string;
  /** Every connection is cut, and none is accepted. */
  stop(): Promise<void>;
  /** Resolves once it accepts connections. */
  start(): Promise<void>;
}

/**
 * Starts one with these databases; it goes with the test. Where it is not installed the test is skipped, and `undefined`
 * returned; in CI nothing is skipped, there it fails.
 * @param password of the user `hub`, who owns everything
 */
export async function postgres(
  t: Test,
  { databases, password }: { readonly databases: readonly string[]; readonly password: string },
): Promise<Postgres | undefined> {
  const programs = programsDirectory();
  if (programs === undefined) {
    const reason = `no PostgreSQL in ${debian}: apt-get install postgresql`;
    if (process.env['CI'] === 'true') throw new Error(reason);
    t.pass('skipped', { skip: reason });
    return undefined;
  }
  const isRoot = process.getuid?.() === 0;
  const identity = isRoot ? unprivileged : {};
  const directory = mkdtempSync(join(tmpdir(), 'tandem-postgres-'));
  chmodSync(directory, 0o700);
  const [data, secret] = [join(directory, 'data'), join(directory, 'password')];
  writeFileSync(secret, password, { mode: 0o600 });
  if (isRoot) for (const path of [directory, secret]) chownSync(path, unprivileged.uid, unprivileged.gid);
  const [port] = await freePorts(1);
  let server: ChildProcess | undefined;

  const run = (program: string, args: readonly string[]) => {
    const options = { ...identity, cwd: directory, encoding: 'utf8', env: { PGPASSWORD: password } } as const;
    const { status, stderr } = spawnSync(join(programs, program), args, options);
    return { status, stderr };
  };
  const must = (program: string, args: readonly string[]) => {
    const { status, stderr } = run(program, args);
    if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  };
  const address = ['-h', '127.0.0.1', '-p', String(port)];
  const start = async () => {
    const settings = ['-c', 'fsync=off', '-c', 'unix_socket_directories='];
    server = spawn(join(programs, 'postgres'), ['-D', data, ...address, ...settings], {
      ...identity,
      cwd: directory,
      stdio: 'ignore',
    });
    await until('PostgreSQL accepts', () => run('pg_isready', address).status === 0, { withinMs: 30_000, everyMs: 50 });
  };
  const stop = async () => {
    if (!server || server.exitCode !== null) return;
    const exited = once(server, 'exit');
    // SIGTERM would wait for its clients.
    server.kill('SIGINT');
    await exited;
  };
  t.teardown(async () => {
    await stop();
    rmSync(directory, { recursive: true, force: true });
  });

  must('initdb', ['-D', data, '-U', 'hub', '-A', 'scram-sha-256', `--pwfile=${secret}`, '--no-sync', '--locale=C']);
  await start();
  for (const database of databases) must('createdb', [...address, '-U', 'hub', database]);
  return {
    url: (database) => `postgresql+psycopg2://hub:${password}@127.0.0.1:${port}/${database}`,
    stop,
    start,
  };
}

/** Of the newest version that is installed. */
function programsDirectory(): string | undefined {
  const versions = existsSync(debian)
    ? readdirSync(debian)
        .map(Number)
        .sort((a, b) => b - a)
    : [];
  return versions
    .map((version) => join(debian, String(version), 'bin'))
    .find((path) => existsSync(join(path, 'initdb')));
}
