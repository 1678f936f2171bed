import { createServer } from 'node:net';
import { dirname } from 'node:path';
import t from 'tap';
import { describeReport, readStatus } from '../../src/cli/status.ts';
import { healthyReport, listenForTest, scratchDir, unhealthyReport } from '../http/fixture.ts';

const timeoutMs = 3_000;

t.test('B56 a line for the whole, a line for each service', async (t) => {
  t.equal(
    describeReport(healthyReport),
    [
      'healthy, up 12 s, tandem 1.2.3',
      'SERVICE     STATE    SINCE  PID  RESTARTS  REASON',
      'migrations  skipped  12 s   -    0         nothing to migrate',
      'gateway     ready    11 s   17   2         probe succeeded',
      'hub         ready    10 s   18   0         probe succeeded',
      '',
    ].join('\n'),
  );
});

t.test('B55 B56 an unhealthy or ending tandem is shown with its reason, and that is an answer', async (t) => {
  const reason = 'gateway ended with code 3';
  const { socketPath } = await listenForTest(t, { report: () => ({ ...unhealthyReport, status: 'stopping', reason }) });
  const env = { TANDEM_RUNTIME_DIR: dirname(socketPath), TANDEM_HEALTH_PORT: '' };
  const { code, text } = await readStatus({ json: false, timeoutMs, env });
  t.equal(code, 0);
  t.match(text, /^stopping \(gateway ended with code 3\), up 12 s/);
  t.match(text, /^gateway +unready +3 s +17 +2 +connection refused$/m);
  const whole = await readStatus({ json: true, timeoutMs, env });
  t.same(JSON.parse(whole.text), { ...unhealthyReport, status: 'stopping', reason });
});

for (const { seconds, shown } of [
  { seconds: 0, shown: '0 s' },
  { seconds: 119.9, shown: '119 s' },
  { seconds: 120, shown: '2 min' },
  { seconds: 7_199, shown: '119 min' },
  { seconds: 7_200, shown: '2 h' },
  { seconds: 172_800, shown: '2 d' },
]) {
  t.test(`B56 an age of ${seconds} seconds is shown as ${shown}`, async (t) => {
    t.match(describeReport({ ...healthyReport, uptime_seconds: seconds }), `up ${shown},`);
  });
}

t.test('B56 control characters of a service do not reach the terminal', async (t) => {
  const { gateway } = healthyReport.components;
  if (gateway === undefined) throw new Error('the fixture has a gateway');
  const components = { gateway: { ...gateway, reason: '\u001b[31mred\nhub ready' } };
  const text = describeReport({ ...healthyReport, components });
  t.notOk(text.includes('\u001b'));
  t.equal(text.split('\n').length, 4, 'the summary, the titles, one service, the end');
});

t.test('B56 nobody there: 1, and where it was looked for', async (t) => {
  const env = { TANDEM_RUNTIME_DIR: scratchDir(t), TANDEM_HEALTH_PORT: '' };
  const { code, text } = await readStatus({ json: false, timeoutMs, env });
  t.equal(code, 1);
  t.match(text, /^no supervisor answers .*tandem\.sock/);
});

for (const body of ['{}', 'ok', 'null', '{"version":"1","uptime_seconds":1,"components":{"a":null}}']) {
  t.test(`B56 another program on the health port is no supervisor: ${body}`, async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const env = { TANDEM_RUNTIME_DIR: '/nonexistent', TANDEM_HEALTH_PORT: String(port) };
    t.match(await readStatus({ json: false, timeoutMs, env }), { code: 1, text: /no supervisor/ });
  });
}
