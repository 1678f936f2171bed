// An MCP server in one file and without libraries, for tests that start and kill many: `node -e TEXT stdio` or `http`.
// WAIT_MS is how long it takes before it serves.
const { createServer } = require('node:http');
const { randomUUID } = require('node:crypto');
const { createInterface } = require('node:readline');

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'small', version: '0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] }),
  'tools/call': ({ arguments: given }) => ({ content: [{ type: 'text', text: String(given?.text ?? '') }] }),
};

function answerTo({ id, method, params = {} }) {
  if (id === undefined) return undefined;
  const result = answers[method]?.(params);
  return { jsonrpc: '2.0', id, ...(result ? { result } : { error: { code: -32601, message: 'no such method' } }) };
}

function serveStdio() {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const answer = answerTo(JSON.parse(line));
    if (answer) process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
}

function serveHttp() {
  createServer((request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      return;
    }
    if (request.method !== 'POST') return void response.writeHead(200).end();
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const message = JSON.parse(text);
      const answer = answerTo(message);
      if (!answer) return void response.writeHead(202).end();
      const session = message.method === 'initialize' ? { 'mcp-session-id': randomUUID() } : {};
      response.writeHead(200, { 'content-type': 'application/json', ...session }).end(JSON.stringify(answer));
    });
  }).listen(3000);
}

setTimeout(process.argv.at(-1) === 'http' ? serveHttp : serveStdio, Number(process.env.WAIT_MS ?? 0));
