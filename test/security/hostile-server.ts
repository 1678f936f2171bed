/** A service that is probed and means ill. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import type { Test } from 'tap';
import type { ProbeResult } from '../../src/core/ports.ts';
import { noRestart, type ProbeSpec, type ServiceSpec } from '../../src/core/spec.ts';
import { makeProbe } from '../../src/host/probes.ts';
import { makeLauncher } from '../../src/host/processes.ts';

const spec: ServiceSpec = {
  name: 'evil',
  type: 'service',
  process: {
    command: ['true'],
    cwd: tmpdir(),
    environment: { PATH: process.env['PATH'] ?? '' },
    attachment: 'service',
  },
  dependsOn: {},
  restart: noRestart,
  essential: true,
  stopSignal: 'SIGTERM',
  forwardSignals: [],
};

/** What is given to a probe. */
const timeoutMs = 5_000;

const probe = makeProbe(makeLauncher());

/** Asks as tandem does. */
export const ask = (question: ProbeSpec): Promise<ProbeResult> =>
  probe(question, spec, timeoutMs, new AbortController().signal);

/** Where the server listens, from now to the end of the test. */
export async function portOf(t: Test, server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The URL of an HTTP server that answers like this. */
export async function serve(
  t: Test,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handler);
  t.teardown(() => server.closeAllConnections());
  return `http://127.0.0.1:${await portOf(t, server)}/`;
}
