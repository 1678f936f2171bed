/** docs/security.md: a service that answers tandem's probes with ill will. It can fail its own probe, and nothing else. */
import type { ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import type { ProbeResult } from '../../src/core/ports.ts';
import type { ProbeSpec } from '../../src/core/spec.ts';
import { ask, portOf, serve } from './hostile-server.ts';

/** Writes for as long as somebody reads; tells how much that was. */
function endless(piece: string) {
  const sent = { bytes: 0 };
  const chunk = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)));
  const pour = (response: ServerResponse) => {
    const write = () => {
      if (response.destroyed) return;
      sent.bytes += chunk.length;
      response.write(chunk);
    };
    // Each is larger than the stream's own buffer, so that there is always a next one.
    response.on('drain', write);
    write();
  };
  return { sent, pour };
}

const mebibyte = 2 ** 20;
/** What the kernel's buffers on both ends may hold beside what was read. */
const inBuffers = 16 * mebibyte;

const streams = [
  ['a line without end', 'x'],
  ['an event without end', 'data: x\n'],
  ['events without end', 'data: {}\n\n'],
] as const;

for (const [title, piece] of streams) {
  t.test(`threat: JSON bomb, an MCP server that streams ${title}: given up after 1 MiB`, async (t) => {
    const { sent, pour } = endless(piece);
    const url = await serve(t, (request, response) => {
      if (request.method === 'DELETE') response.end();
      else pour(response.writeHead(200, { 'content-type': 'text/event-stream' }));
    });
    t.strictSame(await ask({ kind: 'mcp', url }), { ok: false, reason: 'not an MCP answer' });
    t.ok(sent.bytes < inBuffers, `${sent.bytes} bytes`);
  });
}

t.test('threat: JSON bomb, a body without end: given up after 1 MiB', async (t) => {
  const { sent, pour } = endless('{"a":');
  const url = await serve(t, (_, response) => pour(response.writeHead(200, { 'content-type': 'application/json' })));
  t.strictSame(await ask({ kind: 'http', url, json: {} }), { ok: false, reason: 'the body is longer than 1 MiB' });
  t.strictSame(await ask({ kind: 'mcp', url }), { ok: false, reason: 'not an MCP answer' });
  t.ok(sent.bytes < 2 * inBuffers, `${sent.bytes} bytes`);
});

const depth = mebibyte / 2 - 20;
const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
const bombs = [
  ['half a million levels', deep],
  ['half a million levels in a component', `{"status":${deep.slice(9, -9)}}`],
  ['a hundred thousand components', `{"components":{${Array.from({ length: 100_000 }, (_, i) => `"${i}":0`)}}}`],
  ['a name of a mebibyte', `{"components":{"${'x'.repeat(mebibyte - 50)}":"down"}}`],
  ['a status full of URLs', `{"status":"${'://a@,b'.repeat(140_000)}"}`],
  ['what would be the prototype', '{"__proto__":{"status":"ok"},"components":{"__proto__":{"status":"down"}}}'],
] as const;

for (const [title, body] of bombs) {
  t.test(`threat: JSON bomb, a body of ${title}: a short answer, soon`, async (t) => {
    const url = await serve(t, (_, response) => response.end(body));
    const questions: ProbeSpec[] = [
      { kind: 'http', url },
      { kind: 'http', url, status: 201 },
      { kind: 'http', url, json: { status: 'ok', components: [{}] } },
      { kind: 'http', url, json: [[['x']]] },
      { kind: 'mcp', url },
    ];
    for (const question of questions) {
      const before = process.cpuUsage();
      const result = await ask(question);
      const { user, system } = process.cpuUsage(before);
      t.ok(user + system < 1_000_000, 'soon');
      checkReason(t, result);
    }
    t.equal(({} as { status?: string }).status, undefined);
  });
}

t.test('threat: JSON bomb, a body that is packed: not unpacked', async (t) => {
  const packed = gzipSync(Buffer.alloc(64 * mebibyte, '['));
  const url = await serve(t, (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' }).end(packed),
  );
  t.strictSame(await ask({ kind: 'http', url, json: {} }), { ok: false, reason: 'the body is not JSON' });
});

t.test('threat: a redirect to elsewhere: not followed', async (t) => {
  let asked = 0;
  const elsewhere = await serve(t, (_, response) => {
    asked += 1;
    response.end();
  });
  for (const status of [301, 302, 303, 307, 308]) {
    const url = await serve(t, (_, response) => response.writeHead(status, { location: elsewhere }).end());
    t.strictSame(await ask({ kind: 'http', url }), {
      ok: false,
      reason: `HTTP ${status} (redirects are not followed)`,
    });
    t.strictSame(await ask({ kind: 'mcp', url }), { ok: false, reason: `HTTP ${status}` });
  }
  t.equal(asked, 0);
});

t.test('threat: headers without end: given up', async (t) => {
  const sent = { bytes: 0 };
  const chunk = `x-${'y'.repeat(1_000)}: z\r\n`.repeat(50);
  const server = createTcpServer((socket: Socket) => {
    const write = () => {
      while (!socket.destroyed && socket.write(chunk)) sent.bytes += chunk.length;
    };
    socket.on('error', () => {});
    socket.on('drain', write);
    socket.write('HTTP/1.1 200 OK\r\n');
    write();
  });
  const url = `http://127.0.0.1:${await portOf(t, server)}/`;
  t.strictSame(await ask({ kind: 'http', url }), { ok: false, reason: 'not an HTTP answer' });
  t.ok(sent.bytes < inBuffers);
});

/** Whatever was answered, what is said of it is short, and nothing in it does anything to a terminal or to a line. */
function checkReason(t: Test, result: ProbeResult): void {
  if (result.ok) return;
  t.ok(result.reason.length <= 400, `${result.reason.length} characters`);
  t.notMatch(result.reason, /[\p{C}\p{Zl}\p{Zp}]/u);
}
