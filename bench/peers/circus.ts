/** circus: circusd with an ini file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pypi } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { joined, pairs } from './words.ts';

const version = '0.19.0';
let home = '';

const watcher = ({ name, words, environment }: Child) => `
[watcher:${name}]
cmd = env ${joined([...pairs(environment), ...words])}
copy_env = True
respawn = False
stdout_stream.class = StdoutStream
stderr_stream.class = StdoutStream
`;

const endpoint = (directory: string, name: string) => `ipc://${join(directory, name)}`;

function configured(children: readonly Child[], directory: string): Launch {
  const file = join(directory, 'circus.ini');
  const endpoints = ['endpoint', 'pubsub_endpoint'].map((name) => `${name} = ${endpoint(directory, name)}`);
  writeFileSync(file, `[circus]\ncheck_delay = 1\n${endpoints.join('\n')}\n${children.map(watcher).join('')}`);
  return { words: [join(home, 'bin/circusd'), '--log-level', 'ERROR', file] };
}

export const circus: Peer = {
  name: 'circus',
  origin: 'PyPI',
  install: async (cache) => {
    home = join(cache, `circus-${version}`);
    return pypi(cache, 'circus', version);
  },
  command: 'supervises watchers, none of which is its own command',
  together: configured,
  ordered: 'has no readiness: priorities order the spawns, hooks are Python code of the user',
  bound: 'has no rule that the end of one watcher ends the others',
  prefixed: configured,
  asked: (children, directory) => ({
    launch: configured(children, directory),
    questions: {
      'circusctl status': {
        words: [join(home, 'bin/circusctl'), '--endpoint', endpoint(directory, 'endpoint'), 'status'],
      },
    },
  }),
};
