/**
 * The SDK, loaded for the first client of a server on stdio, who waits for it: with its schemas and the web's streams it
 * takes some 100 ms and 18 MB, which a fleet without such clients does not spend.
 */

/** What the SDK calls LATEST_PROTOCOL_VERSION: the fleet greets servers with it. */
export const latestProtocolVersion = '2025-11-25';

export type Sdk = Awaited<ReturnType<typeof load>>;

let loaded: Promise<Sdk> | undefined;

export function loadSdk(): Promise<Sdk> {
  loaded ??= load();
  return loaded;
}

async function load() {
  const [{ StreamableHTTPServerTransport }, { SUPPORTED_PROTOCOL_VERSIONS }] = await Promise.all([
    import('@modelcontextprotocol/sdk/server/streamableHttp.js'),
    import('@modelcontextprotocol/sdk/types.js'),
  ]);
  return { StreamableHTTPServerTransport, protocolVersions: SUPPORTED_PROTOCOL_VERSIONS };
}
