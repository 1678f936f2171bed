/** Gateways that somebody else runs: waited for, used, or in the way. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { until } from '../support/until.ts';

/** A gateway in this process; `isUp` false: 503. */
async function gateway(t: Test, manners: { isUp: boolean }): Promise<{ port: number; asked: () => number }> {
  let asked = 0;
  const server: Server = createServer((_request, response) => {
    asked += 1;
    response.writeHead(manners.isUp ? 200 : 503, { 'content-type': 'application/json' });
    response.end('{"status":"healthy"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as AddressInfo).port, asked: () => asked };
}

t.test('B07 GATEWAY_WAIT: the hub starts once the external gateway answers, and reaches it', async (t) => {
  const manners = { isUp: false };
  const { port, asked } = await gateway(t, manners);
  const matrix = await runMatrix(t, {
    env: { GATEWAY_SKIP_START: 'on', GATEWAY_WAIT: '1', MCP_GATEWAY_URL: `http://127.0.0.1:${port}/` },
  });
  if (!matrix) return;
  await matrix.record({ service: 'migrations', to: 'completed' });
  const asksBefore = asked();
  await until('it is asked again', () => asked() > asksBefore);
  t.notOk(matrix.records().some(({ service, to }) => service === 'hub' && to === 'starting'));
  manners.isUp = true;
  await untilUp(matrix);
  t.match(await matrix.record({ service: 'gateway', to: 'skipped' }), { reason: 'GATEWAY_SKIP_START is set' });
  t.match((await matrix.ask(matrix.hubPort, '/gateway')).body, '"healthy"');
  t.equal((await matrix.tandem('health')).code, 0);
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
});

t.test('B07 an external gateway that does not answer in time: 69, and the hub is never started', async (t) => {
  const { port } = await gateway(t, { isUp: false });
  const matrix = await runMatrix(t, {
    env: {
      ...{ GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', MCP_GATEWAY_URL: `http://u:s3cret@127.0.0.1:${port}` },
      GW_READY_TIMEOUT: '1',
    },
  });
  if (!matrix) return;
  const { code, afterMs } = await matrix.exited;
  t.equal(code, 69);
  t.ok(afterMs < 3_000);
  t.match(matrix.records().at(-1)?.reason, '"external-gateway" is not ready within 1 s: HTTP 503');
  t.notOk(matrix.records().some(({ service, to }) => service === 'hub' && to === 'starting'));
  t.notMatch(matrix.stdout + matrix.stderr, 's3cret');
});

t.test('B07 SIGTERM while it is waited for: at once, 0, nothing started', async (t) => {
  const { port } = await gateway(t, { isUp: false });
  const matrix = await runMatrix(t, {
    env: {
      HUB_MIGRATE: 'off',
      GATEWAY_SKIP_START: '1',
      GATEWAY_WAIT: '1',
      MCP_GATEWAY_URL: `http://127.0.0.1:${port}`,
    },
  });
  if (!matrix) return;
  await matrix.record({ service: 'external-gateway', to: 'starting' });
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
  t.notOk(matrix.records().some(({ service, to }) => service === 'hub' && to === 'starting'));
});

t.test(
  'B09 a port already taken: 69, its holder is named, nothing is left; GW_REUSE uses it and says so',
  async (t) => {
    const { port } = await gateway(t, { isUp: true });
    const env = { HUB_MIGRATE: 'off', GW_PORT: String(port) };
    const refused = await runMatrix(t, { env });
    if (!refused) return;
    t.equal((await refused.exited).code, 69);
    t.match(refused.records().at(-1)?.reason, `port ${port} is held by pid ${process.pid} (`);
    await untilNobodyIsLeft(refused);

    const matrix = await runMatrix(t, { env: { ...env, GW_REUSE: 'yes' } });
    if (!matrix) return;
    await untilUp(matrix);
    t.match(await matrix.record({ msg: 'a gateway that listens already is used, unsupervised' }), {
      level: 40,
      reason: new RegExp(`port ${port} is held by pid ${process.pid}`),
    });
    t.match(JSON.parse((await matrix.ask(matrix.hubPort, '/gateway')).body), {
      url: `http://127.0.0.1:${port}/health`,
    });
    t.equal((await matrix.tandem('health')).code, 0);
    await matrix.signal('SIGTERM');
    t.equal((await matrix.exited).code, 0);
    t.match(await matrix.ask(port, '/health'), { status: 200 }, 'it is not touched');
  },
);

t.test('B07 both skipped, or a wait for nothing: 78', async (t) => {
  for (const env of [
    { GATEWAY_SKIP_START: '1', HUB_SKIP_START: '1' },
    { GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1' },
  ] as const) {
    const matrix = await runMatrix(t, { env });
    if (!matrix) return;
    t.equal((await matrix.exited).code, 78);
  }
});
