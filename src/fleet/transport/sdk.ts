/**
 * The SDK, loaded for the first client of a server on stdio, who waits for it: with its schemas and the web's streams it
 * takes some 100 ms and 18 MB, which a fleet without such clients does not spend.
 */

/** What the SDK calls SUPPORTED_PROTOCOL_VERSIONS, the newest first: the fleet greets servers with that one. */
export const supportedProtocolVersions = [
  '2025-11-25',
  '2025-06-18',
  '2025-03-26',
  '2024-11-05',
  '2024-10-07',
] as const;
export const [latestProtocolVersion] = supportedProtocolVersions;

export type Sdk = Awaited<ReturnType<typeof load>>;

let loaded: Promise<Sdk> | undefined;

export function loadSdk(): Promise<Sdk> {
  loaded ??= load();
  return loaded;
}

async function load() {
  const { StreamableHTTPServerTransport } = await import('@modelcontextprotocol/sdk/server/streamableHttp.js');
  return { StreamableHTTPServerTransport };
}
