/**
 * Health over HTTP: the control socket for whoever is in the container, a TCP port for whoever is not. Both are bound
 * before the first service starts, so that a taken address is found while there is nothing to undo.
 *
 * Whoever asks may be hostile: one request a connection, small headers, bodies never read, and the limits of
 * `connections.ts`. Nothing here wakes an idle PID 1.
 */
import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { UnavailableError } from '../core/errors.ts';
import type { HealthReport } from '../core/health.ts';
import { describeHolder } from '../core/outcome.ts';
import type { Machine } from '../core/ports.ts';
import type { Address } from '../core/spec.ts';
import { bind } from './bind.ts';
import { limitConnections } from './connections.ts';
import { bindControlSocket } from './control-socket.ts';
import { isOurHost } from './host-check.ts';
import { json, type Reply, reply } from './routes.ts';
import type { RuntimeDirs } from './runtime-dir.ts';

const maxConnections = 128;
const maxHeaderBytes = 8 * 1024;
/** From accept to the end of the answer. */
const defaultConnectionTimeoutMs = 5_000;
/** Who holds a port is worth this long, no longer. */
const holderLimitMs = 1_000;

/** What is answered, and where. */
export interface ListenOptions {
  /** A pure reading, made at each request. */
  readonly report: () => HealthReport;
  readonly runtimeDirs: RuntimeDirs;
  /** Absent: no TCP port. Port 0: any free one. */
  readonly address?: Address | undefined;
  /** Told what does not stop tandem: no place for the socket, a report that throws. */
  readonly onProblem: (message: string) => void;
  /** Who holds a taken address. Absent: the message does not say. */
  readonly holderOf?: Machine['holderOf'] | undefined;
  /** Binds the port faster than Node does, and returns the descriptor; without one Node binds it. */
  readonly openTcpSocket?: (address: Address) => number | undefined;
  readonly connectionTimeoutMs?: number;
}

/** The servers, listening. */
export interface Servers {
  /** Absent where no runtime directory can be used. */
  readonly socketPath?: string;
  /** The TCP address that is really bound. */
  readonly address?: Address;
  /** Ends every connection at once and removes the socket. */
  close(): Promise<void>;
}

/**
 * Binds both servers.
 * @throws UnavailableError if an address cannot be had, with nothing left bound; it names the address, who holds it and
 * the variable to change
 */
export async function listen(options: ListenOptions): Promise<Servers> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    await Promise.all(closers.map((closeOne) => closeOne()));
  };
  try {
    const address = options.address && (await listenOnPort(options.address, options, closers));
    const socketPath = await listenOnSocket(options, closers);
    return { ...(address && { address }), ...(socketPath !== undefined && { socketPath }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listenOnPort(
  address: Address,
  options: ListenOptions,
  closers: (() => Promise<void>)[],
): Promise<Address> {
  const { server, close } = createHealthServer(options, (host) => isOurHost(host, address.host));
  const fd = options.openTcpSocket?.(address);
  const error = await bind(server, fd === undefined ? address : { fd });
  if (error !== undefined)
    throw new UnavailableError(await describePortError(address, error, options.holderOf), { cause: error });
  closers.push(close);
  const bound = server.address();
  return bound !== null && typeof bound === 'object' ? { host: bound.address, port: bound.port } : address;
}

async function listenOnSocket(options: ListenOptions, closers: (() => Promise<void>)[]): Promise<string | undefined> {
  // Nobody can rebind a socket's name, and its clients may call it as they like.
  const { server, close } = createHealthServer(options, () => true);
  const bound = await bindControlSocket(server, options.runtimeDirs);
  if ('path' in bound) {
    closers.push(close);
    return bound.path;
  }
  const why = `cannot open the control socket: ${bound.reasons.join('; ')}; set TANDEM_RUNTIME_DIR to another directory`;
  if (options.runtimeDirs.required) throw new UnavailableError(why);
  options.onProblem(why);
  return undefined;
}

type HostCheck = (hostHeader: string | undefined) => boolean;

function createHealthServer(
  options: ListenOptions,
  isAcceptedHost: HostCheck,
): { server: Server; close: () => Promise<void> } {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const endConnections = limitConnections(server, {
    maxConnections,
    connectionTimeoutMs: options.connectionTimeoutMs ?? defaultConnectionTimeoutMs,
  });
  let http: HttpServer | undefined;
  const answered = new WeakSet<Socket>();
  const onRequest: RequestListener = (request, response) => {
    // What comes behind the first one is never answered: its report would be made for nothing.
    if (answered.has(request.socket)) return;
    answered.add(request.socket);
    send(answer(request, options, isAcceptedHost), response);
  };
  server.on('connection', (socket) => {
    http ??= makeHttpServer(onRequest);
    http.emit('connection', socket);
  });
  server.on('listening', () => {
    server.on('error', (error) => options.onProblem(`the health server has a problem: ${error.message}`));
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      endConnections();
    });
  return { server, close };
}

/**
 * Speaks HTTP on connections that others have accepted. Loaded here, because it takes 3 ms and 1 MB of a start. It never
 * listens itself, so Node does not look for slow requests by a timer for ever; each connection's own deadline does that.
 */
function makeHttpServer(onRequest: RequestListener): HttpServer {
  const { createServer: createHttpServer } = process.getBuiltinModule('node:http');
  return createHttpServer({ maxHeaderSize: maxHeaderBytes }, onRequest);
}

function answer(request: IncomingMessage, options: ListenOptions, isAcceptedHost: HostCheck): Reply {
  if (!isAcceptedHost(request.headers.host)) return json(421, { error: 'this Host is not answered here' });
  try {
    return reply(request.method ?? '', request.url ?? '', options.report);
  } catch (error) {
    options.onProblem(`cannot make the health report: ${String(error)}`);
    return json(500, { error: 'no report' });
  }
}

function send({ status, contentType, body, allow }: Reply, response: ServerResponse): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
    ...(allow !== undefined && { Allow: allow }),
  });
  response.end(body);
}

async function describePortError(
  { host, port }: Address,
  { code }: NodeJS.ErrnoException,
  holderOf: ListenOptions['holderOf'],
): Promise<string> {
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const change = 'set TANDEM_HEALTH_PORT to another port, or to nothing for none';
  if (code === 'EADDRINUSE') {
    // Without an answer the port is still taken, and that is what matters.
    const holder = await holderOf?.({ host, port }, AbortSignal.timeout(holderLimitMs)).catch(() => undefined);
    return `cannot listen for health on ${where}: the port is held by ${holder ? describeHolder(holder) : 'another process'}; ${change}`;
  }
  if (code === 'EACCES') return `cannot listen for health on ${where}: not permitted; ${change}`;
  return `cannot listen for health on ${where}: ${code}; change TANDEM_HEALTH_HOST`;
}
