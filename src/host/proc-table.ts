/**
 * The processes that `/proc` shows: who belongs to a service, and who holds a socket. Every reading may find a process
 * gone or closed to us; that is an ordinary answer here, never an error.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { plain } from './reason.ts';

/** All pids, ascending: of several holders of one socket the oldest, usually the master, is found first. */
export function allPids(): number[] {
  return readOr([], () => readdirSync('/proc'))
    .map(Number)
    .filter((pid) => pid > 0)
    .sort((a, b) => a - b);
}

interface Kinship {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/**
 * The processes of a service, its leader first: whoever is in the leader's session or group, and all their descendants,
 * wherever `setsid` took them. Who has left session and group and lost its parent too can no longer be told.
 */
export function processesOf(leader: number): number[] {
  const kinships = new Map<number, Kinship>();
  for (const pid of allPids()) {
    const kinship = kinshipOf(pid);
    if (kinship) kinships.set(pid, kinship);
  }
  const members = new Set([leader]);
  for (const [pid, { group, session }] of kinships) if (group === leader || session === leader) members.add(pid);
  // Pids wrap around, so a child may stand before its parent: go on until nobody joins.
  for (let before = 0; before < members.size; ) {
    before = members.size;
    for (const [pid, { parent }] of kinships) if (members.has(parent)) members.add(pid);
  }
  return [...members];
}

function kinshipOf(pid: number): Kinship | undefined {
  const stat = readOr('', () => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  // The command, second field, may hold spaces and parentheses: count from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 4) return undefined;
  return { parent: Number(fields[1]), group: Number(fields[2]), session: Number(fields[3]) };
}

/** Looks through the open files of these processes, in this order, and says which of the sockets is held by whom. */
export function socketHolders(pids: Iterable<number>, inodes: Iterable<string>): Map<string, number> {
  const wanted = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  const holders = new Map<string, number>();
  for (const pid of pids) {
    if (wanted.size === 0) break;
    for (const link of openFiles(pid)) {
      if (wanted.delete(link)) holders.set(link.slice('socket:['.length, -1), pid);
    }
  }
  return holders;
}

/** Nothing, for a process of another uid whose links may not be read. */
function* openFiles(pid: number): Generator<string> {
  for (const fd of readOr([], () => readdirSync(`/proc/${pid}/fd`))) {
    yield readOr('', () => readlinkSync(`/proc/${pid}/fd/${fd}`));
  }
}

/** Real, effective, saved and file system uid of a process; none if it is gone. */
export function uidsOf(pid: number): number[] {
  const status = readOr('', () => readFileSync(`/proc/${pid}/status`, 'latin1'));
  const [, uids] = /^Uid:\s+(.*)$/m.exec(status) ?? [];
  return uids?.split(/\s+/).map(Number) ?? [];
}

/** The short name of a process's command, which the process itself may have chosen. */
export function commandOf(pid: number): string | undefined {
  const comm = plain(readOr('', () => readFileSync(`/proc/${pid}/comm`, 'utf8')));
  // Newer Nodes name their main thread, which hides the program.
  if (!/^(node-)?MainThread$/.test(comm)) return comm || undefined;
  return plain(basename(readOr('node', () => readlinkSync(`/proc/${pid}/exe`))));
}

function readOr<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
