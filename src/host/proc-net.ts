/**
 * The listening TCP sockets of this network namespace, as `/proc/net/tcp` and `/proc/net/tcp6` show them.
 * Reading them costs ten times a refused connect and more: this is for one look, never for polling.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import { endianness } from 'node:os';

export interface ListenSocket {
  /** Canonical, without brackets; a v4-mapped address is shown as IPv4. */
  readonly address: string;
  /** Who made it, by the effective uid of that moment. */
  readonly uid: number;
  /** The number in the `socket:[…]` links of `/proc/PID/fd`. */
  readonly inode: string;
}

const listenState = '0A';

/** A row that is no listener: its number, local address, remote address and state. */
const connectionRow = /^ *\d+: [0-9A-F:]+ [0-9A-F:]+ (?!0A)[0-9A-F]{2} /m;

/** A kernel table: sockets of IPv4, or of IPv6, dual-stack ones included. */
export type Table = 'tcp' | 'tcp6';

/** One row of `tcp`. A read this short makes the kernel format a row at a time. */
const rowBytes = 150;

/** True where the kernel tells who listens. */
export function hasListenTables(): boolean {
  return process.platform === 'linux' && existsSync('/proc/net/tcp');
}

/**
 * The sockets of one table that listen on a port, on whatever address. Empty without IPv6, or without a table.
 *
 * Linux shows listeners first, and to find the next connection it walks a hash table that is sized by the machine's
 * memory: 4 ms for a quarter of a million empty buckets. So `head` reads row by row, up to the first connection.
 * @param extent `all` for kernels that keep another order
 */
export function listenSockets(table: Table, port: number, extent: 'head' | 'all'): ListenSocket[] {
  const path = `/proc/net/${table}`;
  try {
    return parseListenSockets(extent === 'head' ? readHead(path) : readFileSync(path, 'latin1'), port);
  } catch {
    return [];
  }
}

function readHead(path: string): string {
  const file = openSync(path, 'r');
  try {
    const piece = Buffer.alloc(rowBytes);
    let text = '';
    let begun = '';
    for (let length = readSync(file, piece); length > 0; length = readSync(file, piece)) {
      const read = piece.toString('latin1', 0, length);
      text += read;
      // Only the row that was just read is looked at: with hundreds of listeners, all of them each time would take seconds.
      begun = begun.slice(begun.lastIndexOf('\n') + 1) + read;
      if (connectionRow.test(begun)) break;
    }
    return text;
  } finally {
    closeSync(file);
  }
}

/** The listeners of one port in the text of such a table (`proc_net_tcp.rst` of the kernel describes the columns). */
export function parseListenSockets(table: string, port: number, endian = endianness()): ListenSocket[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets: ListenSocket[] = [];
  for (const line of table.split('\n')) {
    // A busy machine has thousands of connections: most lines must cost no more than this.
    if (!line.includes(`:${hexPort} `)) continue;
    const [, local = '', , state, , , , uid = '', , inode = ''] = line.trim().split(/\s+/);
    const [hexAddress = '', localPort] = local.split(':');
    if (state !== listenState || localPort !== hexPort) continue;
    sockets.push({ address: addressFromHex(hexAddress, endian), uid: Number(uid), inode });
  }
  return sockets;
}

/** The kernel prints an address as 32-bit words in the byte order of the machine. */
function addressFromHex(hex: string, endian: 'LE' | 'BE'): string {
  const bytes = Buffer.from(hex, 'hex');
  if (endian === 'LE') bytes.swap32();
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return canonicalAddress(groups.join(':'));
}

/** One spelling for each literal address: shortest form, no zone, v4-mapped as IPv4. */
export function canonicalAddress(literal: string): string {
  if (!literal.includes(':')) return literal;
  const address = new SocketAddress({ address: literal.split('%', 1)[0] ?? literal, family: 'ipv6' }).address;
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}
