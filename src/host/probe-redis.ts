/**
 * The Redis probe: PING, after AUTH where there is a password. A server that asks for a password it was not given is
 * up; every other error is its reason for not being ready.
 *
 * Protocol: redis.io, "Redis serialization protocol specification" (RESP2).
 */
import type { ProbeResult } from '../core/ports.ts';
import type { RedisProbe } from '../core/spec.ts';
import { converse, reasonOfNoVerdict } from './conversation.ts';
import { tidy } from './reason.ts';

/** Answers of a server that works, to somebody whom it does not know or whom it does not trust with PING. */
const isUp = /^-(NOAUTH|NOPERM)\b/;

/** The server's words for a password that is not right: since Redis 6, and before. */
const isPasswordRefused = /^-(WRONGPASS|ERR invalid password)\b/;

const words: Readonly<Record<string, string>> = {
  LOADING: 'loading its data',
  MASTERDOWN: 'a replica without its master',
  BUSY: 'busy with a script',
  MISCONF: 'cannot save its data',
  DENIED: 'refuses connections (protected mode)',
};

/** @throws the connection's or the certificate's error */
export async function probeRedis(probe: RedisProbe, signal: AbortSignal): Promise<ProbeResult> {
  const { endpoint, tls, username, password } = probe;
  const credentials = password === undefined ? undefined : [...(username ? [username] : []), password];
  const request = [...(credentials ? [['AUTH', ...credentials]] : []), ['PING']].map(command).join('');
  const verdict = await converse(
    { endpoint, tls, request: Buffer.from(request), judge: (received) => judge(received, credentials !== undefined) },
    signal,
  );
  return typeof verdict === 'string' ? { ok: false, reason: reasonOfNoVerdict(verdict, 'Redis') } : verdict;
}

/** A command as an array of bulk strings. */
function command(parts: readonly string[]): string {
  return [`*${parts.length}`, ...parts.flatMap((part) => [`$${Buffer.byteLength(part)}`, part])]
    .map((line) => `${line}\r\n`)
    .join('');
}

/** Each of the answers is one line: `+` and a word, or `-` and an error. */
function judge(received: Buffer, hasCredentials: boolean): ProbeResult | undefined {
  const [first = '', ...others] = received.toString('utf8').split('\r\n');
  if (!/^([+-]|$)/.test(first)) return { ok: false, reason: 'not a Redis answer' };
  if (others.length === 0) return undefined;
  if (!hasCredentials) return judgePing(first);
  if (isPasswordRefused.test(first)) return { ok: false, reason: 'the password is refused' };
  // Said instead of an answer, before the connection is closed.
  if (/^-(DENIED|ERR max number of clients)/.test(first)) return judgePing(first);
  // Any other word on AUTH (no password is set; AUTH has another name) is not decisive, and may quote the password.
  return others.length === 1 ? undefined : judgePing(others[0] ?? '');
}

function judgePing(line: string): ProbeResult {
  if (line === '+PONG' || isUp.test(line)) return { ok: true };
  const [, code = ''] = /^-([A-Z]+)\b/.exec(line) ?? [];
  if (code === '') return { ok: false, reason: 'not a Redis answer' };
  const known = Object.hasOwn(words, code) ? words[code] : undefined;
  return { ok: false, reason: known ? `${known} (${code})` : tidy(line.slice(1).replace(/^ERR /, '')) };
}
