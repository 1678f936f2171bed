/** A health report, a runtime directory and listening servers for the tests of http and of its clients. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HealthReport } from '../../src/core/health.ts';
import { type ListenOptions, listen, type Servers } from '../../src/http/server.ts';

/** Gateway and hub are up, nothing was to migrate. */
export const healthyReport: HealthReport = {
  status: 'healthy',
  live: true,
  ready: true,
  version: '1.2.3',
  uptime_seconds: 12.5,
  components: {
    migrations: { status: 'skipped', state: 'skipped', reason: 'nothing to migrate', since_seconds: 12, restarts: 0 },
    gateway: { status: 'healthy', state: 'ready', reason: 'probe succeeded', since_seconds: 11, restarts: 2, pid: 17 },
    hub: { status: 'healthy', state: 'ready', reason: 'probe succeeded', since_seconds: 10, restarts: 0, pid: 18 },
  },
};

/** The gateway's probe fails. */
export const unhealthyReport: HealthReport = {
  ...healthyReport,
  status: 'unhealthy',
  ready: false,
  components: {
    ...healthyReport.components,
    gateway: {
      status: 'unhealthy',
      state: 'unready',
      reason: 'connection refused',
      since_seconds: 3,
      restarts: 2,
      pid: 17,
      probe: { ok: false, reason: 'connection refused', seconds_ago: 1 },
    },
  },
};

/** What ends with the test: `t` of tap. */
export interface Scope {
  teardown(end: () => unknown): void;
}

/** An empty directory of mode 0700 that goes with the test. Its path is short: a socket's may be. */
export function scratchDir(t: Scope): string {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Servers with a socket in a fresh directory and a free port, closed with the test. */
export async function listenForTest(
  t: Scope,
  options: Partial<ListenOptions> = {},
): Promise<Servers & { readonly socketPath: string; readonly port: number; readonly problems: readonly string[] }> {
  const problems: string[] = [];
  const servers = await listen({
    report: () => healthyReport,
    runtimeDirs: { candidates: [scratchDir(t)], required: true },
    address: { host: '127.0.0.1', port: 0 },
    onProblem: (message) => problems.push(message),
    ...options,
  });
  t.teardown(servers.close);
  return { ...servers, socketPath: servers.socketPath ?? '', port: servers.address?.port ?? 0, problems };
}
