/**
 * A TCP socket bound without Node. To listen on a host Node 22 and later compile a pattern of IPv6 addresses first, which
 * costs a start 4 ms and 1 MB; a descriptor spares it that.
 */
import { isIPv4 } from 'node:net';
import type { Address } from '../core/spec.ts';
import { native } from './native.ts';

/**
 * Binds a socket to a literal IPv4 address; it does not listen yet.
 * @returns its descriptor, for `listen({ fd })`; or nothing, and Node is to bind by itself: any other host, no addon, or an
 * error, which Node then names
 */
export function openTcpSocket({ host, port }: Address): number | undefined {
  const addon = native().reaper;
  if (addon === undefined || !isIPv4(host)) return undefined;
  const descriptor = addon.bindIPv4(Buffer.from(host.split('.').map(Number)).readInt32BE(), port);
  return descriptor < 0 ? undefined : descriptor;
}
