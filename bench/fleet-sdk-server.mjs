/**
 * `node fleet-sdk-server.mjs stdio | http PORT`: a server as people write them, with the official SDK in Node and one tool. Over
 * HTTP it has sessions, and a transport of the SDK's for each. The bench bundles it into one file.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

function makeServer() {
  const server = new McpServer({ name: 'fleet-sdk-server', version: '1' });
  server.registerTool('echo', { inputSchema: { message: z.string() } }, ({ message }) => {
    return { content: [{ type: 'text', text: `Echo: ${message}` }] };
  });
  return server;
}

async function serveHttp(port) {
  const transports = new Map();
  const open = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => transports.set(id, transport),
      onsessionclosed: (id) => transports.delete(id),
    });
    await makeServer().connect(transport);
    return transport;
  };
  createServer(async (request, response) => {
    const known = transports.get(request.headers['mcp-session-id']);
    await (known ?? (await open())).handleRequest(request, response);
  }).listen(port);
}

const [kind, port] = process.argv.slice(2);
process.on('SIGTERM', () => process.exit());
if (kind === 'http') await serveHttp(Number(port));
else await makeServer().connect(new StdioServerTransport());
