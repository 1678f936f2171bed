/**
 * What the host of an address means on this machine: the literal addresses it stands for, where to knock to reach them,
 * and which listening sockets share them.
 */
import { isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { aborted } from '../core/scope.ts';
import { listenersOf } from './port-watch.ts';
import { canonicalAddress, type ListenSocket, listenSockets } from './proc-net.ts';

const any4 = '0.0.0.0';
const any6 = '::';

/** For sockets that Node connects itself: names are looked up as everywhere here, one question at a time for each. */
export const sharedLookup: LookupFunction = (name, { all }, callback) => {
  void lookUp(name).then((addresses) => {
    const [first] = addresses;
    if (first === undefined) return callback(Object.assign(new Error(), { code: 'ENOTFOUND' }), '');
    if (!all) return callback(null, first, isIP(first));
    callback(
      null,
      addresses.map((address) => ({ address, family: isIP(address) })),
    );
  });
};

/**
 * The literal addresses of a host. `::`, `*` and the empty host are dual stack, as Linux binds them. `localhost` is both
 * loopback addresses, whatever `/etc/hosts` says: a server on the other family is not down.
 * @returns empty if it is a name that does not resolve, or when aborted before it does
 */
export async function literalsOf(host: string, signal: AbortSignal): Promise<readonly string[]> {
  return fixedLiteralsOf(host) ?? resolveName(host, signal);
}

/** The same without a question to the resolver; `undefined` for a name that only it knows. */
export function fixedLiteralsOf(host: string): readonly string[] | undefined {
  if (host === '' || host === '*') return [any6, any4];
  if (host === 'localhost') return ['127.0.0.1', '::1'];
  if (isIP(host) === 0) return undefined;
  return canonicalAddress(host) === any6 ? [any6, any4] : [host];
}

/** Questions that the resolver is at. */
const lookups = new Map<string, Promise<readonly string[]>>();

/** The resolver takes seconds to give up and cannot be aborted: it is left alone then. */
async function resolveName(name: string, signal: AbortSignal): Promise<readonly string[]> {
  const scope = new AbortController();
  const addresses = (await Promise.race([lookUp(name), aborted(signal, scope.signal)])) ?? [];
  scope.abort();
  return addresses;
}

/** Who asks while the resolver is still at the same name waits with the others: each question takes one of few threads. */
function lookUp(name: string): Promise<readonly string[]> {
  const found =
    lookups.get(name) ??
    addressesOf(name)
      .catch(() => [])
      .finally(() => lookups.delete(name));
  lookups.set(name, found);
  return found;
}

async function addressesOf(name: string): Promise<readonly string[]> {
  const { lookup } = await import('node:dns/promises');
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** Where to connect to reach a literal bind address: a wildcard is reached by the loopback of its family. */
export function doorOf(literal: string): string {
  if (literal === any4) return '127.0.0.1';
  return literal === any6 ? '::1' : literal;
}

/** Every address of this machine that is part of a literal one; link-local addresses, which need a zone, aside. */
export function localAddressesOf(literal: string): readonly string[] {
  if (!isWildcard(literal)) return [literal];
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const inFamily = own.map(({ address }) => address).filter((address) => isOfIPv4(address) === isOfIPv4(literal));
  return [...new Set([doorOf(literal), ...inFamily.filter((address) => !address.startsWith('fe80:'))])];
}

/**
 * The listening sockets that answered at these literals, or share them. Empty if no socket of this network namespace
 * explains the answer.
 */
export function socketsAnswering(answered: readonly string[], port: number): ListenSocket[] {
  const all = listenersOf(port);
  if (all) return sharing(answered, all);
  const found = findInTables(answered, port, 'head');
  return found.length > 0 ? found : findInTables(answered, port, 'all');
}

function findInTables(answered: readonly string[], port: number, extent: 'head' | 'all'): ListenSocket[] {
  const ofIPv4 = listenSockets('tcp', port, extent);
  const found = sharing(answered, ofIPv4);
  // The second table is as costly as the first.
  if (found.length > 0 && answered.every((literal) => isOfIPv4(literal))) return found;
  return sharing(answered, [...ofIPv4, ...listenSockets('tcp6', port, extent)]);
}

function sharing(answered: readonly string[], sockets: readonly ListenSocket[]): ListenSocket[] {
  const found = sockets.filter(({ address }) => answered.some((literal) => overlap(literal, address)));
  // IPv4 answered without a socket of its own: that was a dual-stack wildcard. Nothing shows which ones are.
  return found.length > 0 ? found : sockets.filter(({ address }) => address === any6);
}

/** True if two bind addresses of one family share an endpoint. */
function overlap(literal: string, bound: string): boolean {
  const wanted = canonicalAddress(literal);
  if (isOfIPv4(wanted) !== isOfIPv4(bound)) return false;
  return wanted === bound || isWildcard(wanted) || isWildcard(bound);
}

/** Of literals; `isIPv4` would compile a pattern first. */
const isOfIPv4 = (literal: string) => !literal.includes(':');

const isWildcard = (address: string) => address === any4 || address === any6;
