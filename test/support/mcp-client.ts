/**
 * An MCP client at the hub: stores an entity in the memory server behind the gateway and reads it back, by both of the
 * hub's doors. What comes back has gone hub -> gateway -> memory server and the whole way home.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';

/** Calls one tool of the memory server and gives its structured answer. */
type CallTool = (tool: string, toolArguments: Record<string, unknown>) => Promise<unknown>;

/**
 * A round trip over the hub's REST API.
 * @param hubUrl the hub's origin, as `http://127.0.0.1:7300`
 * @returns the names of all entities that are stored, `entityName` among them
 */
export function rememberByRest(hubUrl: string, entityName: string): Promise<string[]> {
  return remember(entityName, async (tool, toolArguments) => {
    const response = await fetch(`${hubUrl}/api/servers/tools`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ server_name: 'gateway', tool, arguments: toolArguments }),
    });
    const answer = (await response.json()) as { result?: { structuredContent?: unknown } };
    if (!response.ok) throw new Error(`${tool} answered ${response.status}: ${JSON.stringify(answer)}`);
    return answer.result?.structuredContent;
  });
}

/**
 * A round trip over the hub's MCP endpoint.
 * @param hubUrl the hub's origin, as `http://127.0.0.1:7300`
 * @returns the names of all entities that are stored, `entityName` among them
 */
export async function rememberByMcp(hubUrl: string, entityName: string): Promise<string[]> {
  const client = new Client({ name: 'tandem-test', version: '0' });
  await client.connect(new SSEClientTransport(new URL('/mcp', hubUrl)));
  try {
    return await remember(entityName, async (tool, toolArguments) => {
      // the hub puts the entry's name before each tool's
      const answer = await client.callTool({ name: `gateway__${tool}`, arguments: toolArguments });
      return answer.structuredContent;
    });
  } finally {
    await client.close();
  }
}

async function remember(entityName: string, callTool: CallTool): Promise<string[]> {
  await callTool('create_entities', {
    entities: [{ name: entityName, entityType: 'test', observations: ['was here'] }],
  });
  const graph = (await callTool('read_graph', {})) as { entities: { name: string }[] };
  return graph.entities.map(({ name }) => name);
}
