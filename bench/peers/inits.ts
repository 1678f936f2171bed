/** tini and dumb-init: one command, and nothing else. */
import { debian } from './install.ts';
import type { Peer } from './peer.ts';

const single = 'runs one command';

function init(name: string): Peer {
  return {
    name,
    origin: 'Debian',
    install: async () => debian(name),
    command: (words) => ({ words: [name, '--', ...words] }),
    together: single,
    ordered: single,
    bound: single,
    prefixed: single,
    asked: 'has nothing that could be asked',
  };
}

export const tini = init('tini');
export const dumbInit = init('dumb-init');
