/**
 * docs/security.md: whoever can reach the health port. That it is slow, mute, deaf, many, oversized, no HTTP or a rebound
 * name is asked in test/http/server.test.ts; here, what it may smuggle.
 */
import { connect } from 'node:net';
import t from 'tap';
import { healthyReport, listenForTest } from '../http/fixture.ts';

/** Sends bytes as they are and resolves with all that comes back until the connection ends. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
  });
}

const statuses = (received: string) =>
  [...received.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
const get = (target: string, headers = '') => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

t.test('threat: thousands of requests in one packet: one answer, one report', async (t) => {
  let reports = 0;
  const { port } = await listenForTest(t, {
    report: () => {
      reports += 1;
      return healthyReport;
    },
  });
  t.strictSame(statuses(await exchange(port, get('/health').repeat(3_000))), [200]);
  t.equal(reports, 1);
});

const smuggled: readonly (readonly [string, string])[] = [
  ['two lengths', 'Content-Length: 1\r\nContent-Length: 30\r\n'],
  ['a length and chunks', 'Content-Length: 30\r\nTransfer-Encoding: chunked\r\n'],
  ['chunks twice over', 'Transfer-Encoding: chunked, identity\r\n'],
  ['a length that is none', 'Content-Length: +30\r\n'],
  ['a folded header', 'X: y\r\n Content-Length: 30\r\n'],
  ['a space before the colon', 'Content-Length : 30\r\n'],
  ['a bare CR', 'X: y\rContent-Length: 30\r\n'],
  ['a NUL', 'X: \0\r\n'],
];

for (const [title, headers] of smuggled) {
  t.test(`threat: request smuggling by ${title}: at most one answer, and that no report`, async (t) => {
    const { port } = await listenForTest(t);
    const received = await exchange(
      port,
      `POST /health HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n0\r\n\r\n${get('/health')}`,
    );
    t.ok(statuses(received).length <= 1);
    t.match(received, /^HTTP\/1\.1 4\d\d /);
    t.notMatch(received, 'gateway');
  });
}

t.test('threat: header bombs, thousands of small ones: refused', async (t) => {
  const { port } = await listenForTest(t);
  t.strictSame(statuses(await exchange(port, get('/health', 'a:b\r\n'.repeat(5_000)))), [431]);
  t.strictSame(statuses(await exchange(port, get(`/health?${'x'.repeat(10_000)}`))), [431]);
});

t.test('threat: path traversal: a table of paths, and no file behind it', async (t) => {
  const { port } = await listenForTest(t);
  const targets = [
    '/../etc/passwd',
    '/%2e%2e/etc/passwd',
    '/health/../../etc/passwd',
    '//health',
    '/health/',
    '/HEALTH',
  ];
  for (const target of [
    ...targets,
    '/__proto__',
    '/constructor',
    'http://elsewhere/health',
    'file:///etc/passwd',
    '*',
  ]) {
    t.strictSame(statuses(await exchange(port, get(target))), [404], target);
  }
});

t.test('threat: methods and protocols that could do or become something else: nothing does', async (t) => {
  const { port } = await listenForTest(t);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    t.strictSame(statuses(await exchange(port, get('/health').replace('GET', method))), [405], method);
  }
  const upgrade = await exchange(port, get('/health', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  t.strictSame(statuses(upgrade), [200]);
  t.notMatch(upgrade, /101|websocket/i);
  t.strictSame(statuses(await exchange(port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')), [400]);
});

t.test('threat: a web page reads the report of its visitor: no CORS, no rebound name, no second Host', async (t) => {
  const { port } = await listenForTest(t);
  const origin = 'Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n';
  for (const request of [get('/health', origin), get('/health', origin).replace('GET', 'OPTIONS')]) {
    t.notMatch(await exchange(port, request), /access-control/i);
  }
  const rebound = 'GET /health HTTP/1.1\r\nHost: evil.example\r\n';
  for (const request of [rebound, `${rebound}Host: localhost\r\n`, `${rebound}X-Forwarded-Host: localhost\r\n`]) {
    const received = await exchange(port, `${request}\r\n`);
    t.match(received, /^HTTP\/1\.1 4(00|21) /);
    t.notMatch(received, 'gateway');
  }
});
