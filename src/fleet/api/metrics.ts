/** `/metrics`: what the fleet does, for Prometheus. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Fleet } from '../fleet.ts';
import type { State } from '../state.ts';

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  answered(request: FastifyRequest, reply: FastifyReply): void;
}

const states: readonly State[] = ['absent', 'stopped', 'starting', 'running', 'stopping', 'failed', 'unknown'];

export function makeMetrics(fleet: Fleet | undefined): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'tandem_fleet_requests_total',
    help: 'Requests that were answered, by route and status.',
    labelNames: ['route', 'status'],
    registers,
  });
  const seconds = new Histogram({
    name: 'tandem_fleet_request_seconds',
    help: 'From a request to the end of its answer, streams left out.',
    labelNames: ['route'],
    registers,
  });
  new Gauge({
    name: 'tandem_fleet_engine_up',
    help: '1 if the engine answers.',
    registers,
    collect() {
      this.set(fleet?.isConnected ? 1 : 0);
    },
  });
  new Gauge({
    name: 'tandem_fleet_servers',
    help: 'Servers by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const all = [...(fleet?.servers.values() ?? [])].map(({ view }) => view.state);
      for (const state of states) this.set({ state }, all.filter((one) => one === state).length);
    },
  });
  new Gauge({
    name: 'tandem_fleet_sessions',
    help: 'MCP sessions that are open.',
    registers,
    collect() {
      this.set(fleet?.sessions.count() ?? 0);
    },
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    answered: ({ routeOptions, method }, reply) => {
      const route = routeOptions.url ?? 'unknown';
      requests.inc({ route, status: reply.statusCode });
      if (method !== 'GET' || !route.startsWith('/mcp/')) seconds.observe({ route }, reply.elapsedTime / 1_000);
    },
  };
}
