/**
 * What is waited for, written as a URL: the connection strings that applications have anyway, read for where they point
 * to and how that is asked. A message never shows the URL's password.
 */
import type { Endpoint, ProbeSpec } from '../core/spec.ts';
import { trim } from '../core/trim.ts';

/** How to ask, and a name for it that a service can have; or why not. */
export type Dependency = { readonly probe: ProbeSpec; readonly name: string } | { readonly problem: string };

/** What is accepted, for messages. */
export const dependencyUrlSyntax =
  'postgres://, postgresql://, redis://, rediss://, http://, https:// or tcp://HOST:PORT URLs, with commas or blanks between them';

/** A name only has to be recognised. */
const longestHostInName = 48;

/** Where libpq and Redis listen unless told otherwise. */
const defaultPorts = { postgres: 5432, redis: 6379 } as const;

/**
 * The URLs of a list. A comma ends a URL only where another one begins, because passwords may have commas.
 * @example splitUrls('postgres://db,redis://cache') // ['postgres://db', 'redis://cache']
 */
export function splitUrls(text: string): string[] {
  const urls = text.split(/\s+/).flatMap((word) => {
    const found: string[] = [];
    for (const piece of word.split(',')) {
      const isNew = found.length === 0 || /^[a-z][a-z0-9+.-]*:\/\//i.test(piece);
      if (isNew) found.push(piece);
      else found[found.length - 1] += `,${piece}`;
    }
    return found;
  });
  return urls.map((url) => trim(url, ',')).filter((url) => url !== '');
}

/** @param text one URL */
export function parseDependencyUrl(text: string): Dependency {
  const [, scheme = ''] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? [];
  if (!URL.canParse(text)) return { problem: scheme === '' ? 'it is no URL' : 'it is no URL that can be read' };
  const url = new URL(text);
  try {
    return dependencyOf(url, scheme.toLowerCase());
  } catch (error) {
    if (error instanceof URIError) return { problem: 'a % in it is not followed by two hexadecimal digits' };
    throw error;
  }
}

function dependencyOf(url: URL, scheme: string): Dependency {
  // SQLAlchemy writes the driver behind the kind: postgresql+asyncpg.
  if (/^postgres(ql)?(\+\w+)?$/.test(scheme)) return postgres(url);
  switch (scheme) {
    case 'redis':
    case 'rediss':
    case 'redis+unix':
    case 'redis+socket':
      return redis(url, scheme);
    case 'http':
    case 'https':
      return { probe: { kind: 'http', url: url.href }, name: named(scheme, hostOf(url), Number(url.port)) };
    case 'tcp':
      return tcp(url);
    default:
      return { problem: `nothing is known of the scheme "${scheme}"` };
  }
}

function tcp(url: URL): Dependency {
  const [host, port] = [hostOf(url), Number(url.port)];
  if (host === '' || port === 0) return { problem: 'host and port are needed' };
  return { probe: { kind: 'tcp', address: { host, port } }, name: named('tcp', host, port) };
}

/** A socket's directory is written as libpq has it: in place of the host, or as the parameter `host`. */
function postgres(url: URL): Dependency {
  const host = decodeURIComponent(hostOf(url)) || url.searchParams.get('host') || '';
  if (host.includes(',')) return { problem: 'several hosts in one URL; a URL for each is needed' };
  if (host === '') return { problem: 'a host is needed' };
  const port = Number(url.port || url.searchParams.get('port')) || defaultPorts.postgres;
  const user = decodeURIComponent(url.username) || url.searchParams.get('user');
  const database = decodeURIComponent(url.pathname.slice(1)) || url.searchParams.get('dbname');
  const endpoint: Endpoint = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  return {
    probe: { kind: 'postgres', endpoint, ...(user && { user }), ...(database && { database }) },
    name: named('postgres', host, port === defaultPorts.postgres ? 0 : port),
  };
}

function redis(url: URL, scheme: string): Dependency {
  const credentials = {
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
  };
  if (scheme.startsWith('redis+')) {
    const path = decodeURIComponent(url.pathname);
    if (hostOf(url) !== '' || path.length < 2)
      return { problem: 'the path of a socket is needed, after three slashes' };
    return { probe: { kind: 'redis', endpoint: { path }, ...credentials }, name: named('redis', path, 0) };
  }
  const host = hostOf(url);
  if (host === '') return { problem: 'a host is needed' };
  const port = Number(url.port) || defaultPorts.redis;
  const tls = url.searchParams.get('ssl_cert_reqs') === 'none' ? 'unverified' : 'verified';
  return {
    probe: { kind: 'redis', endpoint: { host, port }, ...(scheme === 'rediss' && { tls }), ...credentials },
    name: named('redis', host, port === defaultPorts.redis ? 0 : port),
  };
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** @param port 0: the usual one, which need not be said */
function named(kind: string, host: string, port: number): string {
  const plain = host.toLowerCase().replace(/[^a-z0-9_]+/g, '-');
  const short = trim(plain.slice(0, longestHostInName), '-');
  return [`wait-${kind}`, ...(short === '' ? [] : [short]), ...(port === 0 ? [] : [port])].join('-');
}

/** The names with a number behind those that were used before. */
export function uniqueNames(names: readonly string[], taken: readonly string[] = []): string[] {
  const used = new Set(taken);
  return names.map((name) => {
    let unique = name;
    for (let count = 2; used.has(unique); count += 1) unique = `${name}-${count}`;
    used.add(unique);
    return unique;
  });
}
