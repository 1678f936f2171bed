/** Stops of real gunicorns with requests in flight, and the budget that they fit in. */
import t from 'tap';
import { argvOf, inFlight, runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { until } from '../support/until.ts';

t.test(
  'B12 a request in flight is answered; nothing set, a stalled one is cut within 9 s, and that is no kill',
  async (t) => {
    const matrix = await runMatrix(t, { env: { HUB_MIGRATE: 'off' } });
    if (!matrix) return;
    await untilUp(matrix);
    const stalled = await inFlight(matrix, matrix.hubPort, '/slow?seconds=60');
    const short = await inFlight(matrix, matrix.hubPort, '/slow?seconds=1');
    const startedAt = performance.now();
    await matrix.signal('SIGTERM');
    t.match(await short.answer, { status: 200, body: '{"slept":1.0}' });
    t.equal((await matrix.exited).code, 0);
    const tookMs = performance.now() - startedAt;
    t.ok(tookMs > 2_500 && tookMs < 5_500, `3 s for the stalled request, then the gateway; it took ${tookMs} ms`);
    t.equal((await stalled.answer).status, 0);
    t.notOk(
      matrix.records().some(({ reason }) => /killed/.test(reason ?? '')),
      'gunicorn ended by itself',
    );
    await untilNobodyIsLeft(matrix);
  },
);

t.test('B12 graceful timeouts make the budget, and the log says which docker stop --timeout that needs', async (t) => {
  const matrix = await runMatrix(t, {
    env: { HUB_MIGRATE: 'off', HUB_GRACEFUL_TIMEOUT: '1', GW_GRACEFUL_TIMEOUT: '20', TANDEM_DRAIN_DELAY: '2' },
  });
  if (!matrix) return;
  await untilUp(matrix);
  const said = await matrix.record({
    level: 30,
    msg: 'the stop timeout follows the graceful timeouts; stop with at least docker stop --timeout',
  });
  t.match(said, { stop_timeout_seconds: 25, docker_stop_timeout_seconds: 26 });
  t.match(argvOf(await matrix.leader('gateway')).join(' '), '--graceful-timeout 20 ');
  t.match(argvOf(await matrix.leader('hub')).join(' '), '--graceful-timeout 1 ');
  const { answer } = await inFlight(matrix, matrix.hubPort, '/slow?seconds=60');
  const startedAt = performance.now();
  await matrix.signal('SIGTERM');
  await until('not ready any more', async () => (await matrix.tandem('health', '--timeout', '200ms')).code === 1);
  t.equal((await matrix.ask(matrix.hubPort, '/')).status, 200, 'B58 readiness is gone, and the hub still serves');
  t.equal((await matrix.exited).code, 0);
  t.ok(performance.now() - startedAt < 5_500, 'drained for 2 s, then cut after one, as the hub was told');
  t.equal((await answer).status, 0);
});

t.test(
  'B12 a stop timeout that is set wins: the shares are scaled, logged and kept, stalled as both may be',
  async (t) => {
    const matrix = await runMatrix(t, {
      env: { HUB_MIGRATE: 'off', TANDEM_STOP_TIMEOUT: '5', HUB_GRACEFUL_TIMEOUT: '20', GW_GRACEFUL_TIMEOUT: '10' },
    });
    if (!matrix) return;
    await untilUp(matrix);
    const said = await matrix.record({
      level: 40,
      msg: 'the graceful timeouts do not fit the stop timeout and are scaled',
    });
    t.match(said, { stop_timeout_seconds: 5, wished_seconds: [20, 10], scaled_seconds: [2, 1] });
    t.match(argvOf(await matrix.leader('hub')).join(' '), '--graceful-timeout 2 ');
    t.match(argvOf(await matrix.leader('gateway')).join(' '), '--graceful-timeout 1 ');
    const stalled = [
      await inFlight(matrix, matrix.hubPort, '/slow?seconds=60'),
      await inFlight(matrix, matrix.gatewayPort, '/slow'),
    ];
    const startedAt = performance.now();
    await matrix.signal('SIGTERM');
    t.equal((await matrix.exited).code, 0, 'each cut its own request, none was killed');
    const tookMs = performance.now() - startedAt;
    t.ok(tookMs > 2_500 && tookMs < 5_000, `2 s and 1 s; it took ${tookMs} ms`);
    for (const { answer } of stalled) t.equal((await answer).status, 0);
    await untilNobodyIsLeft(matrix);
  },
);

t.test('B58 a second signal cuts the drain and everything else', async (t) => {
  const matrix = await runMatrix(t, {
    env: { HUB_MIGRATE: 'off', GATEWAY_SKIP_START: '1', TANDEM_STOP_TIMEOUT: '60', TANDEM_DRAIN_DELAY: '50' },
  });
  if (!matrix) return;
  await untilUp(matrix);
  await matrix.signal('SIGTERM');
  await matrix.record({ msg: 'asked to stop' });
  t.notOk(
    matrix.records().some(({ to }) => to === 'stopping'),
    'drains',
  );
  const startedAt = performance.now();
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 143);
  t.ok(performance.now() - startedAt < 2_000);
  await untilNobodyIsLeft(matrix);
});
