/** A real fleet with its real HTTP side on an engine in memory. */
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../src/core/ports.ts';
import { makeApp } from '../../src/fleet/api/app.ts';
import { ContainerWorkshop } from '../../src/fleet/container-workshop.ts';
import { Fleet } from '../../src/fleet/fleet.ts';
import { type FleetSettings, readSettings } from '../../src/fleet/settings/settings.ts';
import { systemClock } from '../../src/fleet/system-clock.ts';
import { until } from '../support/until.ts';
import { FakeEngine } from './fake-engine.ts';

export interface Made {
  readonly app: FastifyInstance;
  readonly engine: FakeEngine;
  readonly fleet: Fleet;
  /** Ends the fleet, as TERM does. */
  readonly scope: AbortController;
  /** What was answered with 500. */
  readonly bugs: unknown[];
  /** Listens on a free port. @returns its URL */
  listen(): Promise<string>;
  stop(): Promise<void>;
}

export async function settingsOf(docker: object): Promise<FleetSettings> {
  const result = await readSettings(Buffer.from(JSON.stringify({ docker: { enabled: true, ...docker } })), 'c.json');
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.settings;
}

/** @param docker the configuration's part `docker`, enabled */
export async function makeFleet(
  docker: object,
  { token, clock = systemClock }: { readonly token?: string; readonly clock?: Clock } = {},
): Promise<Made> {
  const settings = await settingsOf(docker);
  const engine = new FakeEngine(
    settings.servers.map(({ image }) => image).filter((image) => !image.includes('absent')),
  );
  const shop = { engine, owner: settings, instance: 'this', version: '0', environmentOf: () => ({}) };
  const fleet = new Fleet(settings, {
    engine,
    clock,
    wallMs: Date.now,
    workshopOf: (server) => new ContainerWorkshop(server, shop),
    random: Math.random,
    changed: () => {},
    remarked: () => {},
  });
  const bugs: unknown[] = [];
  const scope = new AbortController();
  const onBug = (error: unknown) => void bugs.push(error);
  const app = await makeApp({ host: '127.0.0.1', token, version: '0', fleet, ending: scope.signal, onBug });
  const running = fleet.run(scope.signal);
  await until('the engine is known', () => fleet.isConnected);
  return {
    app,
    engine,
    fleet,
    scope,
    bugs,
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    async stop() {
      for (const call of engine.hanging) engine.hanging.delete(call);
      scope.abort();
      await running;
      await app.close();
    },
  };
}
