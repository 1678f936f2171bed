/** s6 by plain s6-svscan, as its manual shows it for containers. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debian } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { executable, joined, listens, pairs } from './words.ts';

/**
 * A directory a service. Readiness is what s6-notifyoncheck says, the tool for daemons that cannot notify by themselves,
 * and who comes after another waits for it with s6-svwait.
 */
function scan(children: readonly Child[], directory: string, { isOrdered = false, isBound = false } = {}): Launch {
  const scanned = join(directory, 'scan');
  for (const { name, words, environment, port, after } of children) {
    const home = join(scanned, name);
    mkdirSync(home, { recursive: true });
    const isNeeded = isOrdered && children.some((other) => other.after === name);
    if (isNeeded) {
      writeFileSync(join(home, 'notification-fd'), '3\n');
      mkdirSync(join(home, 'data'));
      executable(join(home, 'data/check'), `#!/bin/bash\n${listens(port)}\n`);
    }
    const wait = isOrdered && after ? `s6-svwait -U ${join(scanned, after)} || exit 1\n` : '';
    const command = [...(isNeeded ? ['s6-notifyoncheck', '-n', '0'] : []), 'env', ...pairs(environment), ...words];
    executable(join(home, 'run'), `#!/bin/sh\n${wait}exec ${joined(command)}\n`);
    if (isBound) executable(join(home, 'finish'), `#!/bin/sh\nexec s6-svscanctl -t ${scanned}\n`);
  }
  return { words: ['s6-svscan', scanned] };
}

export const s6: Peer = {
  name: 's6',
  origin: 'Debian',
  install: async () => debian('s6'),
  command: 'supervises services and is started with none as its own command (s6-overlay adds that)',
  together: (children, directory) => scan(children, directory),
  ordered: (children, directory) => scan(children, directory, { isOrdered: true }),
  bound: (children, directory) => scan(children, directory, { isBound: true }),
  prefixed: 'hands the output on as it is',
  asked: (children, directory) => ({
    launch: scan(children, directory),
    // It takes one service.
    questions: {
      's6-svstat': {
        words: ['sh', '-c', children.map(({ name }) => `s6-svstat ${join(directory, 'scan', name)}`).join(' && ')],
      },
    },
  }),
};
