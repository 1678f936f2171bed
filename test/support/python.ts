/**
 * Python's virtual environments for the end-to-end tests: made from PyPI once, kept below the system's temporary
 * directory under the hash of their requirements, shared by all tests and all runs.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { until } from './until.ts';

const run = promisify(execFile);

const requirementsOf = {
  hub: join(import.meta.dirname, '../fixtures/hub/requirements.txt'),
  gateway: join(import.meta.dirname, '../fixtures/hub/gateway-requirements.txt'),
  newest: join(import.meta.dirname, '../fixtures/hub/newest-requirements.txt'),
} as const;

/** Also for a slow network; the runner's own limit comes first. */
const buildLimitMs = 240_000;

export type VenvName = keyof typeof requirementsOf;

/**
 * The directory of a virtual environment. Where Python or PyPI is missing the test is skipped, and `undefined` returned;
 * in CI nothing is skipped, there it fails.
 */
export async function venv(t: Test, name: VenvName): Promise<string | undefined> {
  t.setTimeout(buildLimitMs + 60_000);
  try {
    return await makeVenv(requirementsOf[name]);
  } catch (error) {
    const reason = `no virtual environment for the ${name}: ${firstLine(error)}`;
    if (process.env['CI'] === 'true') throw new Error(reason, { cause: error });
    t.pass('skipped', { skip: reason });
    return undefined;
  }
}

async function makeVenv(requirements: string): Promise<string> {
  const { stdout: version } = await run('python3', ['--version']);
  const hash = createHash('sha256').update(version).update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const directory = join(tmpdir(), `tandem-venv-${hash}`);
  const done = join(directory, '.complete');
  if (existsSync(done)) return directory;
  return locked(`${directory}.lock`, async () => {
    if (!existsSync(done)) await build(directory, requirements, done);
    return directory;
  });
}

async function build(directory: string, requirements: string, done: string): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', directory]);
  const flags = ['--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements];
  await run(join(directory, 'bin/pip'), ['install', ...flags], { timeout: buildLimitMs });
  writeFileSync(done, '');
}

/** Test files run side by side; the one that makes the directory works, the others wait. */
async function locked<T>(lock: string, work: () => Promise<T>): Promise<T> {
  await until(`the lock ${lock} is free`, () => take(lock), { withinMs: buildLimitMs, everyMs: 100 });
  try {
    return await work();
  } finally {
    rmSync(join(lock, 'pid'), { force: true });
    rmdirSync(lock);
  }
}

/** True if it is ours now. One whose owner is gone is opened first. */
function take(lock: string): boolean {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), String(process.pid));
    return true;
  } catch {
    if (!isOwned(lock)) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

function isOwned(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0);
    return true;
  } catch (error) {
    // Between its two steps a lock has no pid yet.
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr?.trim() || message).split('\n').at(-1) ?? '';
}

/** A directory that has only these of a virtual environment's programs: a venv without gunicorn, for one. */
export function partOf(venvDirectory: string, place: string, programs: readonly string[]): string {
  mkdirSync(join(place, 'bin'), { recursive: true });
  for (const program of programs) symlinkSync(join(venvDirectory, 'bin', program), join(place, 'bin', program));
  return place;
}

/** Puts a shell script in the place of a program. */
export function scriptIn(place: string, program: string, lines: readonly string[]): void {
  const path = join(place, 'bin', program);
  mkdirSync(join(place, 'bin'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
}
