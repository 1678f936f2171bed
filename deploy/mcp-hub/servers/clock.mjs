/** An MCP server of your own, to begin with: one tool that tells the time. In development an edit here is live at once. */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';

const server = new McpServer({ name: 'clock', version: '0.1.0' });

server.registerTool('now', { description: 'The time, in UTC' }, () => ({
  content: [{ type: 'text', text: `It is ${new Date().toISOString()}` }],
}));

await server.connect(new StdioServerTransport());
