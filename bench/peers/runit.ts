/** runit's runsvdir, without its stages 1 and 3, as images use it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { debian } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { executable, joined, pairs } from './words.ts';

function scan(children: readonly Child[], directory: string): Launch {
  const scanned = join(directory, 'scan');
  for (const { name, words, environment } of children) {
    mkdirSync(join(scanned, name), { recursive: true });
    executable(join(scanned, name, 'run'), `#!/bin/sh\nexec ${joined(['env', ...pairs(environment), ...words])}\n`);
  }
  return { words: ['runsvdir', scanned], stopSignal: 'SIGHUP' };
}

export const runit: Peer = {
  name: 'runit',
  origin: 'Debian',
  install: async () => debian('runit'),
  command: 'supervises services, none of which is its own command',
  together: scan,
  ordered: 'has no readiness: a run script checks by itself what it needs and fails, and is run again a second later',
  bound: 'restarts what ends; nothing follows for the others',
  prefixed: 'hands the output on as it is',
  asked: (children, directory) => ({
    launch: scan(children, directory),
    questions: {
      'sv status': { words: ['sv', 'status', ...children.map(({ name }) => join(directory, 'scan', name))] },
    },
  }),
};
