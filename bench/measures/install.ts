/**
 * P12: what an installation takes and leaves on the disk. npm and pip begin with an empty cache every time and go to the
 * registry that this machine is set to, whose speed is in the seconds. Of Debian's packages only the sizes are told:
 * this machine has them already.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, now } from '../bench.ts';
import type { Figures } from '../interleave.ts';
import { run } from '../peers/install.ts';
import type { Peer } from '../peers/peer.ts';
import type { Measure, Row } from './measure.ts';
import type { Entry } from './rows.ts';

const root = join(import.meta.dirname, '../..');

export const install: Measure = {
  name: 'install',
  id: 'P12',
  title: 'installation: size on the disk, packages in production, time with an empty cache',
  columns: [
    { figure: 'size', title: 'installed', unit: 'MB' },
    { figure: 'packages', title: 'packages', unit: '1' },
    { figure: 'download', title: 'package itself', unit: 'MB' },
    { figure: 'time', title: 'install', unit: 's' },
  ],
  // Once each: the network decides the seconds, and more rounds would tell more of it and nothing of the packages.
  async run(bench) {
    const rows: Row[] = [];
    for (const one of [...(await oursOf(bench)), ...bench.peers.flatMap(peerOf(bench))]) rows.push(await rowOf(one));
    return rows;
  },
};

async function rowOf(one: Entry): Promise<Row> {
  const { name } = one;
  const isOurs = name.startsWith('tandem');
  if ('cannot' in one) return { name, outcome: one, isOurs };
  try {
    const figures = Object.entries(await one.run()).map(([figure, value]) => [figure, [value]]);
    return { name, isOurs, outcome: { values: Object.fromEntries(figures) } };
  } catch (error) {
    return { name, isOurs, outcome: { failure: (error as Error).message } };
  }
}

/** What the image copies; what `npm install` of the package makes; what a clone installs. */
async function oursOf(bench: Bench): Promise<Entry[]> {
  const tarball = await pack(bench);
  const download = statSync(tarball).size / 1e6;
  const ci = ['npm', 'ci', '--omit=dev', '--ignore-scripts'];
  return [
    {
      name: 'tandem, what runs (dist/)',
      run: async () => ({ size: await megabytes(join(root, 'dist')), packages: 0 }),
    },
    {
      name: 'tandem, npm install of its package',
      run: async () => ({ ...(await npm(bench, ['npm', 'install', tarball])), download }),
    },
    { name: 'tandem with the embedded pair, npm ci --omit=dev', run: () => npm(bench, ci, cloned) },
  ];
}

function peerOf(bench: Bench): (peer: Peer) => Entry[] {
  return ({ name, origin }) => {
    const version = bench.versions.get(name);
    // The name of its package, where that is another.
    const known = { 'pm2-runtime': 'pm2', supervisord: 'supervisor' }[name] ?? name;
    switch (origin) {
      case 'npm':
        return [{ name, run: () => npm(bench, ['npm', 'install', `${known}@${version}`]) }];
      case 'PyPI':
        return [{ name, run: () => pip(bench, `${known}==${version}`) }];
      case 'Debian':
        return [{ name, run: () => debian(known) }];
      default:
        return origin === 'Go module proxy' ? [{ name, cannot: 'is one program, which this bench compiles' }] : [];
    }
  };
}

/** The package as it would be published. @returns the file */
async function pack({ work }: Bench): Promise<string> {
  const directory = join(work, 'package');
  mkdirSync(directory, { recursive: true });
  await run(['npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', directory], { cwd: root });
  return join(directory, readdirSync(directory)[0] ?? '');
}

/** What npm looks at in a clone. */
function cloned(directory: string): void {
  for (const file of ['package.json', 'package-lock.json', '.npmrc', 'embedded/package.json']) {
    cpSync(join(root, file), join(directory, file));
  }
}

const empty = (directory: string): void => writeFileSync(join(directory, 'package.json'), '{"private":true}');

async function npm(bench: Bench, words: readonly string[], prepare = empty): Promise<Figures> {
  const [directory, cache] = [bench.directory(), bench.directory()];
  prepare(directory);
  const startedAt = now();
  await run([...words, '--silent', '--no-fund', '--no-audit', '--cache', cache], { cwd: directory });
  const time = (now() - startedAt) / 1000;
  const modules = join(directory, 'node_modules');
  return { size: await megabytes(modules), packages: packagesIn(modules), time };
}

/** Packages below a node_modules, also below those of packages; links to a workspace aside. */
function packagesIn(modules: string): number {
  if (!existsSync(modules)) return 0;
  const names = readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((one) => join(name, one)) : [name],
  );
  const packages = names.map((name) => join(modules, name)).filter((path) => lstatSync(path).isDirectory());
  return packages
    .filter((path) => existsSync(join(path, 'package.json')))
    .reduce((sum, path) => sum + 1 + packagesIn(join(path, 'node_modules')), 0);
}

async function pip(bench: Bench, requirement: string): Promise<Figures> {
  const directory = bench.directory();
  await run(['python3', '-m', 'venv', join(directory, 'maker')]);
  const target = join(directory, 'target');
  const startedAt = now();
  await run([
    join(directory, 'maker/bin/pip'),
    'install',
    '--quiet',
    '--no-cache-dir',
    '--target',
    target,
    requirement,
  ]);
  const time = (now() - startedAt) / 1000;
  const packages = readdirSync(target).filter((name) => name.endsWith('.dist-info')).length;
  return { size: await megabytes(target), packages, time };
}

/** A package with all that it needs beyond what every Debian has. */
async function debian(name: string): Promise<Figures> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own format
  const told = await run(['dpkg-query', '--show', '--showformat=${Package} ${Installed-Size} ${Essential}\n']);
  const sizes = new Map(
    told
      .split('\n')
      .map((line) => line.split(' '))
      .map(([one = '', kibibytes, essential]) => [
        one,
        { kibibytes: Number(kibibytes), isEssential: essential === 'yes' },
      ]),
  );
  const essential = [...sizes].filter(([, { isEssential }]) => isEssential).map(([one]) => one);
  const base = new Set(await neededBy(essential));
  const needed = (await neededBy([name])).filter((one) => sizes.has(one) && !base.has(one));
  const kibibytes = needed.reduce((sum, one) => sum + (sizes.get(one)?.kibibytes ?? 0), 0);
  return { size: (kibibytes * 1024) / 1e6, packages: needed.length };
}

/** These packages and what they depend on, and so on. */
async function neededBy(names: readonly string[]): Promise<string[]> {
  const no = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const told = await run(['apt-cache', 'depends', '--recurse', '--installed', ...no, ...names]);
  return told.split('\n').filter((line) => /^[a-z0-9]/.test(line));
}

/** Of all files, each counted once, as the disk holds them. */
async function megabytes(directory: string): Promise<number> {
  return Number((await run(['du', '--summarize', '--block-size=1', directory])).split('\t')[0]) / 1e6;
}
