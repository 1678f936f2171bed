/**
 * The PostgreSQL probe: a start packet, and what the server says to it. The rules are those of `pg_isready`, with one
 * difference: a server without a free connection is not ready for whoever waits to connect.
 *
 * Protocol: PostgreSQL documentation, "Frontend/Backend Protocol", 3.0.
 */
import type { ProbeResult } from '../core/ports.ts';
import type { PostgresProbe } from '../core/spec.ts';
import { converse, reasonOfNoVerdict } from './conversation.ts';
import { tidy } from './reason.ts';

const protocolVersion = 3 << 16;

const authenticationOk = 0;

/** As libpq takes it: what is shorter or longer is the text of a server that could not even begin to speak the protocol. */
const messageLength = { least: 8, most: 30_000 };

/** Operator intervention (57P0x: starting, stopping, in recovery) and lack of resources (53xxx: connections, memory, disk). */
const notNow = /^(57P|53)/;

const terminate = Buffer.from([0x58, 0, 0, 0, 4]);

/** What the server said first. */
type Verdict = ProbeResult & { readonly session?: true };

const foreign: Verdict = { ok: false, reason: 'not a PostgreSQL answer' };

/** @throws the connection's error */
export async function probePostgres(probe: PostgresProbe, signal: AbortSignal): Promise<ProbeResult> {
  const { endpoint, user = 'postgres', database = user } = probe;
  const verdict = await converse<Verdict>(
    {
      endpoint,
      request: startPacket({ user, database, application_name: 'tandem' }),
      judge,
      // Only a session that has begun is ended by a message; before, the server would log a protocol error.
      farewell: ({ session }) => (session ? terminate : undefined),
    },
    signal,
  );
  if (typeof verdict === 'string') return { ok: false, reason: reasonOfNoVerdict(verdict, 'PostgreSQL') };
  return verdict.ok ? { ok: true } : { ok: false, reason: verdict.reason };
}

function startPacket(parameters: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  const body = Buffer.from(`${pairs.join('')}\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + body.length, 0);
  head.writeInt32BE(protocolVersion, 4);
  return Buffer.concat([head, body]);
}

/** Goes through the messages until one decides. */
function judge(received: Buffer): Verdict | undefined {
  for (let at = 0; at < received.length; ) {
    const type = String.fromCharCode(received[at] ?? 0);
    if (!'REvN'.includes(type)) return foreign;
    if (received.length < at + 5) return undefined;
    const length = received.readInt32BE(at + 1);
    const isFramed = length >= messageLength.least && length <= messageLength.most;
    if (!isFramed) return type === 'E' ? unframedError(received.subarray(at + 1)) : foreign;
    const body = received.subarray(at + 5, at + 1 + length);
    if (body.length < length - 4) return undefined;
    if (type === 'R') return { ok: true, ...(body.readInt32BE(0) === authenticationOk && { session: true }) };
    if (type === 'E') return judgeError(fieldsOf(body));
    // A notice, or the offer of another minor version: the answer follows.
    at += 1 + length;
  }
  return undefined;
}

/** A postmaster that cannot fork says so in the words of protocol 2: text up to a NUL. */
function unframedError(rest: Buffer): Verdict {
  const text = rest.toString('utf8').split('\0', 1)[0] ?? '';
  return /^[\x20-\x7e]{4}/.test(text) ? { ok: false, reason: tidy(`refuses sessions: ${text}`) } : foreign;
}

function judgeError(fields: ReadonlyMap<string, string>): Verdict {
  const code = fields.get('C') ?? '';
  if (!/^[0-9A-Z]{5}$/.test(code)) return foreign;
  if (!notNow.test(code)) return { ok: true };
  return { ok: false, reason: tidy(`refuses sessions: ${fields.get('M') ?? 'no reason given'} (${code})`) };
}

/** An ErrorResponse: fields of a type byte and text, each ended by a NUL. */
function fieldsOf(body: Buffer): Map<string, string> {
  const fields = body.toString('utf8').split('\0');
  return new Map(fields.filter((field) => field !== '').map((field) => [field.charAt(0), field.slice(1)]));
}
