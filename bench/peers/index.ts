/** Everybody who is measured, tandem first. */
import { bash } from './bash.ts';
import { circus } from './circus.ts';
import { concurrently } from './concurrently.ts';
import { honcho } from './honcho.ts';
import { dumbInit, tini } from './inits.ts';
import type { Peer } from './peer.ts';
import { pm2 } from './pm2.ts';
import { processCompose } from './process-compose.ts';
import { runit } from './runit.ts';
import { s6 } from './s6.ts';
import { supervisord } from './supervisord.ts';
import { tandem } from './tandem.ts';

export const peers: readonly Peer[] = [
  ...[tandem, tini, dumbInit, bash, s6, runit, supervisord],
  ...[circus, honcho, pm2, concurrently, processCompose],
];
