/**
 * The port watcher: who listens on an address, and is it the service itself? It has the kernel asked by the addon, and only
 * when somebody listens does it look into `/proc` for the owner. Where the kernel does not answer it polls by connects, which
 * cost almost nothing while they are refused.
 *
 * One rule decides: an address stands for a set of endpoints, and whoever listens on any of them counts. A stranger among
 * them makes the port foreign even where the service listens too (`SO_REUSEPORT`, or the other family of `localhost`),
 * for a part of the clients would meet the stranger. Nothing here reads, writes or keeps a connection.
 */
import type { Holder, Listening, Process } from '../core/ports.ts';
import { aborted, race } from '../core/scope.ts';
import type { Address } from '../core/spec.ts';
import { systemClock } from './clock.ts';
import { doorOf, fixedLiteralsOf, literalsOf, localAddressesOf, socketsAnswering } from './endpoints.ts';
import { knock } from './knock.ts';
import { isAnswered, kernelTells, untilAnswered } from './port-watch.ts';
import { hasListenTables, type ListenSocket } from './proc-net.ts';
import { allPids, commandOf, processesOf, socketHolders, uidsOf } from './proc-table.ts';
import { waitWithoutProof } from './wait-without-proof.ts';

/** A local connect is answered at once, unless the listener's backlog is full or a filter swallows it. */
const knockTimeoutMs = 250;

/** A name that takes longer to resolve is looked at when the service has bound it. */
const nameTimeoutMs = 1_000;

/** Pause before a verdict against the service is confirmed: a process that is just forking can be missed by one look. */
const secondLookMs = 5;

/** How often it connects where the addon watches: for listeners that only a connect meets, such as those bound to a device. */
const netIntervalMs = 1_000;

/**
 * Pause between two connects where nothing else tells, by the time waited so far. Every 5 ms costs 4 % of a core and is 2.4 ms late, every 50 ms
 * 1.3 % and 25 ms: what starts fast is met at once, and what takes ten seconds anyway is not made slower by the watch.
 */
export function pollPauseMs(waitedMs: number): number {
  if (waitedMs < 2_000) return 5;
  return waitedMs < 10_000 ? 20 : 50;
}

/**
 * Who holds this address now, such that a bind to it would fail or share it. One look, no wait: where every connect is
 * refused nobody does, and nothing else is read; it takes a fraction of a millisecond, for a name that does not resolve
 * a second. Aborted: nobody.
 * @returns an empty holder for somebody of whom nothing can be seen
 */
export async function holderOf(address: Address, signal: AbortSignal): Promise<Holder | undefined> {
  const literals = fixedLiteralsOf(address.host) ?? (await literalsInTime(address.host, signal));
  const answered = await answering(literals, localAddressesOf, address.port, signal);
  if (answered.length === 0) return undefined;
  const holders = describeHolders(socketsAnswering(answered, address.port));
  return holders.find(({ pid }) => pid !== undefined) ?? holders[0] ?? {};
}

async function literalsInTime(host: string, signal: AbortSignal): Promise<readonly string[]> {
  const { value } = await race({
    found: (scope) => literalsOf(host, scope),
    late: (scope) => systemClock.sleep(nameTimeoutMs, scope),
    stop: (scope) => aborted(signal, scope),
  });
  return value ?? [];
}

/**
 * Resolves when somebody listens on the address, with a look at who it is; `undefined` when aborted before. Where the
 * system cannot prove anything it takes the service's word: `ours`.
 * @param leader the service's process; its session, its group and all its descendants are the service
 */
export async function listening(
  address: Address,
  leader: Pick<Process, 'pid'>,
  signal: AbortSignal,
): Promise<Listening | undefined> {
  if (!hasListenTables()) return (await waitWithoutProof(address, signal)) ? { owner: 'ours' } : undefined;
  const since = systemClock.now();
  let isTold = true;
  let literals: readonly string[] = [];
  while (!signal.aborted) {
    const turn = systemClock.now();
    if (literals.length === 0) literals = await literalsOf(address.host, signal);
    const ask = isTold ? answering : connectable;
    const answered = await ask(literals, (literal) => [doorOf(literal)], address.port, signal);
    const found = answered.length > 0 && (await lookTwice(answered, address.port, leader.pid, signal));
    if (found) return signal.aborted ? undefined : found;
    // One who answers and is not found would be told of again at once.
    const doors = kernelTells() && answered.length === 0 ? literals.map(doorOf) : [];
    const time = { limitMs: netIntervalMs, waitedMs: turn - since };
    const told = await untilAnswered(doors, address.port, time, signal);
    isTold = told === true;
    const spentMs = systemClock.now() - turn;
    if (told === undefined) await systemClock.sleep(pollPauseMs(turn - since) - spentMs, signal);
  }
  return undefined;
}

type Ask = (
  literals: readonly string[],
  doorsOf: (literal: string) => readonly string[],
  port: number,
  signal: AbortSignal,
) => readonly string[] | Promise<readonly string[]>;

/** The literals at one of whose doors somebody answers: by the kernel's word, or by connects where it says nothing. */
const answering: Ask = (literals, doorsOf, port, signal) => {
  if (!kernelTells()) return connectable(literals, doorsOf, port, signal);
  return literals.filter((literal) => doorsOf(literal).some((door) => isAnswered(door, port)));
};

async function connectable(
  literals: readonly string[],
  doorsOf: (literal: string) => readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<string[]> {
  const isOpen = async (door: string) => (await knock(door, port, knockTimeoutMs, signal)) === 'open';
  const open = await Promise.all(literals.map((literal) => Promise.all(doorsOf(literal).map(isOpen))));
  return literals.filter((_, i) => open[i]?.includes(true));
}

/** A first look that finds the service is believed; any other is repeated, for it would end the service. */
async function lookTwice(answered: readonly string[], port: number, leader: number, signal: AbortSignal) {
  const first = look(answered, port, leader);
  if (!first || first.owner === 'ours') return first;
  await systemClock.sleep(secondLookMs, signal);
  return look(answered, port, leader);
}

/** `undefined` if no socket explains the answer: it was closed meanwhile, or lives in another network namespace. */
function look(answered: readonly string[], port: number, leader: number): Listening | undefined {
  const sockets = socketsAnswering(answered, port);
  return sockets.length > 0 ? judgeOwners(sockets, leader) : undefined;
}

function judgeOwners(sockets: readonly ListenSocket[], leader: number): Listening {
  const strange = notHeldBy([leader], sockets);
  // Almost always the leader holds the socket itself: the walk through all processes is for the others.
  if (strange.length === 0) return { owner: 'ours' };
  const service = processesOf(leader);
  const foreign = notHeldBy(service, strange);
  if (foreign.length === 0) return { owner: 'ours' };
  const uids = new Set(service.flatMap(uidsOf));
  const holders = describeHolders(foreign);
  const unlikeUs = holders.find(({ pid, uid }) => pid !== undefined || !uids.has(uid));
  if (unlikeUs) return { owner: 'foreign', holder: unlikeUs };
  return { owner: 'unknown', holder: holders[0] ?? {} };
}

function notHeldBy(pids: readonly number[], sockets: readonly ListenSocket[]): ListenSocket[] {
  const held = socketHolders(pids, inodesOf(sockets));
  return sockets.filter(({ inode }) => !held.has(inode));
}

function describeHolders(sockets: readonly ListenSocket[]): (Holder & { readonly uid: number })[] {
  const pids = socketHolders(allPids(), inodesOf(sockets));
  return sockets.map(({ inode, uid }) => {
    const pid = pids.get(inode);
    if (pid === undefined) return { uid };
    const command = commandOf(pid);
    return command === undefined ? { pid, uid } : { pid, command, uid };
  });
}

const inodesOf = (sockets: readonly ListenSocket[]) => sockets.map(({ inode }) => inode);
