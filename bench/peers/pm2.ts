/** pm2-runtime, pm2's form for containers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npm } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';

const version = '7.0.4';
let home = '';

function configured(children: readonly Child[], directory: string): Launch {
  const file = join(directory, 'ecosystem.config.json');
  const apps = children.map(({ name, words: [script, ...args], environment }) => ({
    ...{ name, script, args, interpreter: 'none', exec_mode: 'fork', env: environment },
    ...{ autorestart: false, out_file: '/dev/null', error_file: '/dev/null' },
  }));
  writeFileSync(file, JSON.stringify({ apps }));
  const program = join(home, 'node_modules/.bin/pm2-runtime');
  return { words: [program, 'start', file], environment: { PM2_HOME: join(directory, 'home'), HOME: directory } };
}

export const pm2: Peer = {
  name: 'pm2-runtime',
  origin: 'npm',
  install: async (cache) => {
    home = join(cache, `pm2-${version}`);
    return npm(cache, 'pm2', version);
  },
  command: 'manages applications, none of which is its own command',
  together: configured,
  ordered: 'has readiness for Node programs that say so by themselves, and no dependencies',
  bound: 'restarts what ends; nothing follows for the others',
  prefixed: configured,
  asked: (children, directory) => {
    const launch = configured(children, directory);
    const words = [join(home, 'node_modules/.bin/pm2'), 'list'];
    return { launch, questions: { 'pm2 list': { ...launch, words } } };
  },
};
