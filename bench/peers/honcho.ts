/** honcho, foreman's rules in Python: a Procfile, and the end of one is the end of all. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pypi } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { joined, pairs } from './words.ts';

const version = '2.0.0';
let home = '';

function procfile(children: readonly Child[], directory: string): Launch {
  const file = join(directory, 'Procfile');
  const line = ({ name, words, environment }: Child) =>
    `${name}: exec env ${joined([...pairs(environment), ...words])}\n`;
  writeFileSync(file, children.map(line).join(''));
  return { words: [join(home, 'bin/honcho'), '--procfile', file, 'start', '--no-colour'] };
}

export const honcho: Peer = {
  name: 'honcho',
  origin: 'PyPI',
  install: async (cache) => {
    home = join(cache, `honcho-${version}`);
    return pypi(cache, 'honcho', version);
  },
  command: 'runs the lines of a Procfile',
  together: procfile,
  ordered: 'has no dependencies',
  bound: procfile,
  prefixed: procfile,
  asked: 'has no command that tells how its processes are',
};
