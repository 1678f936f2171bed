/**
 * An MCP server over WebSocket: JSON-RPC 2.0, a message a frame, on WS_PORT. Callers come with `Authorization: Bearer
 * AUTH_TOKEN`. `GET /health` on the same port needs no token: 200, or 503 and the component that is down.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { readConfig } from './config.js';
import { openPostgres, openRedis, troubles } from './stores.js';
import { makeTools, ToolError, toolList } from './tools.js';

/** Invalid configuration, as in sysexits.h. */
const exitConfig = 78;

const longestMessage = 64 * 1024;
/** A caller that does not answer a ping until the next one is gone. */
const pingIntervalMs = 30_000;
/** How long calls in flight may take when the server stops, and callers for their goodbye. */
const drainMs = 5_000;
const goodbyeMs = 1_000;

const config = (() => {
  try {
    return readConfig();
  } catch (error) {
    console.error(error.message);
    process.exit(exitConfig);
  }
})();
const stores = { postgres: openPostgres(), redis: openRedis() };
const callTool = makeTools(stores, config);
const callsInFlight = new Set();

const server = createServer(async (request, response) => {
  const isHealth = request.method === 'GET' && request.url === '/health';
  const { status, body } = isHealth
    ? await health()
    : { status: 404, body: { error: 'there is GET /health, and WebSocket' } };
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
});
const sockets = new WebSocketServer({ noServer: true, maxPayload: longestMessage });

async function health() {
  const components = Object.entries(await troubles(stores)).map(([name, reason]) => [
    name,
    reason === undefined ? { status: 'healthy' } : { status: 'unhealthy', reason },
  ]);
  const isHealthy = components.every(([, { status }]) => status === 'healthy');
  return {
    status: isHealthy ? 200 : 503,
    body: { status: isHealthy ? 'healthy' : 'unhealthy', components: Object.fromEntries(components) },
  };
}

server.on('upgrade', (request, socket, head) => {
  // The peer may be gone before it is answered.
  socket.on('error', () => socket.destroy());
  if (isAuthorized(request)) sockets.handleUpgrade(request, socket, head, serve);
  else socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
});

/** Compared as hashes, which are of one length, so that the time tells nothing. */
function isAuthorized({ headers: { authorization = '' } }) {
  const hash = (text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(authorization), hash(`Bearer ${process.env['AUTH_TOKEN']}`));
}

function serve(socket) {
  socket.isAlive = true;
  socket.on('pong', () => {
    socket.isAlive = true;
  });
  socket.on('error', (error) => console.error(`a caller was dropped: ${error.message}`));
  socket.on('message', (data) => {
    const call = answer(String(data)).then((message) => {
      if (message) socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }), () => {});
    });
    callsInFlight.add(call);
    call.finally(() => callsInFlight.delete(call));
  });
}

/** The answer to one message; none to a notification. */
async function answer(data) {
  let message;
  try {
    message = Object(JSON.parse(data));
  } catch {
    return { id: null, error: { code: -32700, message: 'the message must be JSON' } };
  }
  const { id, method, params } = message;
  if (typeof method !== 'string')
    return { id: id ?? null, error: { code: -32600, message: '"method" must be a text' } };
  if (id === undefined) return undefined;
  switch (method) {
    case 'initialize':
      return { id, result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo } };
    case 'ping':
      return { id, result: {} };
    case 'tools/list':
      return { id, result: { tools: toolList } };
    case 'tools/call':
      return { id, result: await callSafely(Object(params)) };
    default:
      return { id, error: { code: -32601, message: `there is no method ${JSON.stringify(method)}` } };
  }
}

const serverInfo = { name: 'exai', version: '0.1.0' };

/** A tool that fails answers so. What a store said stays in the log. */
async function callSafely({ name, arguments: given }) {
  try {
    return await callTool(name, given);
  } catch (error) {
    if (!(error instanceof ToolError)) console.error(`${name}: ${error.message || error.code}`);
    const text = error instanceof ToolError ? error.message : 'PostgreSQL or Redis is away; see /health';
    return { isError: true, content: [{ type: 'text', text }] };
  }
}

const pings = setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.isAlive) socket.terminate();
    socket.isAlive = false;
    socket.ping(() => {});
  }
}, pingIntervalMs);

/** Nobody new; calls in flight are answered, callers are told, then the stores are left, and Node ends by itself with 0. */
process.once('SIGTERM', async () => {
  clearInterval(pings);
  server.close();
  await Promise.race([Promise.allSettled(callsInFlight), sleep(drainMs, undefined, { ref: false })]);
  for (const socket of sockets.clients) socket.close(1001, 'the server stops');
  setTimeout(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
  }, goodbyeMs).unref();
  stores.redis.disconnect();
  await stores.postgres.end();
});

const port = Number(process.env['WS_PORT'] ?? 8079);
server.listen(port, process.env['WS_HOST'] ?? '0.0.0.0', () => console.log(`listening on port ${port}`));
