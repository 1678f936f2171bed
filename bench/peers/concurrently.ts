/** concurrently with --kill-others. */
import { join } from 'node:path';
import { npm } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { joined, pairs } from './words.ts';

const version = '10.0.7';
let home = '';

function started(children: readonly Child[], flags: readonly string[]): Launch {
  const commands = children.map(({ words, environment }) => `exec env ${joined([...pairs(environment), ...words])}`);
  const names = children.map(({ name }) => name).join(',');
  return { words: [join(home, 'node_modules/.bin/concurrently'), ...flags, '--names', names, ...commands] };
}

export const concurrently: Peer = {
  name: 'concurrently',
  origin: 'npm',
  install: async (cache) => {
    home = join(cache, `concurrently-${version}`);
    return npm(cache, 'concurrently', version);
  },
  command: (words) => ({ words: [join(home, 'node_modules/.bin/concurrently'), '--raw', `exec ${joined(words)}`] }),
  together: (children) => started(children, ['--raw']),
  ordered: 'has no dependencies',
  bound: (children) => started(children, ['--raw', '--kill-others']),
  prefixed: (children) => started(children, ['--no-color']),
  asked: 'has no command that tells how its processes are',
};
