/** Why a probe failed, in a few words that may be logged and served: no secrets, no control characters, no novels. */
import { hideUserinfo } from '../core/userinfo.ts';

const longestReason = 160;

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  ETIMEDOUT: 'connection timed out',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host not found (resolver failed)',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'address not available',
  ENOENT: 'not found',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
};

/** An error's code in words. Its message is never shown: it may hold the URL with its password. */
export function reasonOfCode(code: string): string {
  if (code.startsWith('HPE_')) return 'not an HTTP answer';
  return words[code] ?? code;
}

/** The same for a caught error. */
export function reasonOf(error: unknown): string {
  const { code, name } = Object(error) as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return reasonOfCode(code);
  return typeof name === 'string' ? name : 'failed';
}

/** Foreign text in one line, without what moves a cursor, turns text around or cannot be seen. */
export function plain(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

/** Foreign text made fit for a reason: one line, printable, bounded, without the userinfo of URLs. */
export function tidy(text: string): string {
  const shown = hideUserinfo(plain(text));
  return shown.length > longestReason ? `${shown.slice(0, longestReason - 1)}…` : shown;
}
