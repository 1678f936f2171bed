/**
 * `tandem fleet`: a process of its own, a service like any other for the tandem that runs it. From its words and its
 * configuration to an API that listens, until TERM or INT, and then to nothing left.
 */
import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import pino from 'pino';
import { ConfigError, UnavailableError } from '../core/errors.ts';
import { EX_CONFIG, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE } from '../core/outcome.ts';
import { makeApp } from './api/app.ts';
import { askedFor, help, UsageError, usage } from './command-line.ts';
import { configure } from './configuration.ts';
import { ContainerWorkshop } from './container-workshop.ts';
import { DockerEngine, placeOf } from './docker-engine.ts';
import { environmentOf } from './environment.ts';
import { Fleet } from './fleet.ts';
import { fleetSchema } from './settings/json-schema.ts';
import type { FleetSettings } from './settings/settings.ts';
import { systemClock } from './system-clock.ts';

declare const TANDEM_VERSION: string;

async function main(argv: readonly string[]): Promise<number> {
  const asked = askedFor(argv);
  if (asked) {
    process.stdout.write(asked === 'help' ? help : `${JSON.stringify(fleetSchema(), undefined, 2)}\n`);
    return 0;
  }
  const { commandLine, settings } = await configure(argv, process.env);
  const log = pino({ name: 'tandem-fleet', base: {} }, pino.destination({ fd: 2, sync: true }));
  const scope = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => scope.abort(signal));

  const fleet = settings.isEnabled ? makeFleet(settings, log) : undefined;
  const { host, port, token } = commandLine;
  const onBug = (error: unknown) => log.error({ err: error }, 'a bug');
  const app = await makeApp({ host, token, version: TANDEM_VERSION, fleet, ending: scope.signal, onBug });
  await app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
    throw new UnavailableError(`cannot listen on ${host}:${port}: ${error.code}`, { cause: error });
  });
  const { servers } = settings;
  log.info(
    {
      url: `http://${isIPv6(host) ? `[${host}]` : host}:${port}`,
      servers: servers.map(({ name }) => name),
      enabled: settings.isEnabled,
    },
    'the fleet listens',
  );
  const [over] = await Promise.all([untilAborted(scope.signal), fleet?.run(scope.signal)]);
  await app.close();
  log.info({ reason: over }, 'the fleet ends');
  return 0;
}

function makeFleet(settings: FleetSettings, log: pino.Logger): Fleet {
  const engine = new DockerEngine(placeOf(settings.socketPath, process.env));
  const instance = randomBytes(6).toString('hex');
  const shop = { engine, owner: settings, instance, version: TANDEM_VERSION, environmentOf: serverEnvironment };
  return new Fleet(settings, {
    engine,
    clock: systemClock,
    wallMs: Date.now,
    workshopOf: (server) => new ContainerWorkshop(server, shop),
    random: Math.random,
    changed: ({ name, from, to, reason }) => log.info({ server: name, from, to, reason }, 'server state'),
    remarked: (message, facts) => log.warn(facts, message),
  });
}

const serverEnvironment = (server: FleetSettings['servers'][number]) => environmentOf(server, process.env);

function untilAborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
}

/** What the operator can mend has its words and its code; all else is a bug, with its stack. */
function codeOf(error: unknown): number {
  const say = (words: string) => process.stderr.write(`tandem fleet: ${words}\n`);
  if (error instanceof UsageError) {
    say(`${error.message}\nusage: ${usage}`);
    return EX_USAGE;
  }
  if (error instanceof ConfigError) {
    for (const { subject, message } of error.problems) say(`${subject}: ${message}`);
    return EX_CONFIG;
  }
  if (error instanceof UnavailableError) {
    say(error.message);
    return EX_UNAVAILABLE;
  }
  say((error as Error).stack ?? String(error));
  return EX_SOFTWARE;
}

main(process.argv.slice(3)).then(
  (code) => process.exit(code),
  (error) => process.exit(codeOf(error)),
);
