/**
 * Against DNS rebinding: a web page may point a name of its own at our loopback address and then read what we answer.
 * The browser still sends that name as Host, so only what no stranger can own is accepted there.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** The host of a Host header, without port and brackets, in lower case. */
function hostOf(header: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(header);
  return (bracketed?.[1] ?? header.replace(/:\d+$/, '')).toLowerCase();
}

/** Whether a request with this Host header may be answered: an IP literal, `localhost` or the configured host. */
export function isOurHost(header: string | undefined, configuredHost: string): boolean {
  // Without the header it is HTTP/1.0, and no browser.
  if (header === undefined) return true;
  const host = hostOf(header);
  if (isIPv4(host) || host === 'localhost' || host === configuredHost.toLowerCase()) return true;
  // Node's test for IPv6 takes milliseconds when it is first used: only what has a colon is worth it.
  return host.includes(':') && isIPv6(host);
}
