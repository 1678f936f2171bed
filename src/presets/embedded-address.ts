/** Where the gateway and the hub are reached from inside the container. */
import type { EmbeddedOptions, RiderOptions } from './embedded-options.ts';

/** A server on all interfaces is asked on the loopback of the same family: "any" is no address to connect to. */
const loopbackOf: Readonly<Record<string, string>> = { '': '127.0.0.1', '0.0.0.0': '127.0.0.1', '::': '::1' };

/** @param path with its leading slash */
export function urlOf({ host, port }: RiderOptions, path: string): string {
  const reachable = loopbackOf[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}${path}`;
}

/** The MCP endpoint that the hub connects to; `undefined` where no gateway is started and none is named. */
export function gatewayUrl({ gateway }: EmbeddedOptions): string | undefined {
  if (gateway.url !== undefined) return gateway.url;
  return gateway.skip === undefined ? urlOf(gateway, '/mcp') : undefined;
}
