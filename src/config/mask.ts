/**
 * Secrets in what people read. Masking goes by names, because a value does not show what it is; when in doubt it masks.
 * What was read from a file is secret as a whole, so there it goes by the value, wherever that stands. Every value that
 * comes from the environment passes here before it is logged or printed.
 */
import { trimEnd } from '../core/trim.ts';
import { hideUserinfo, mask } from '../core/userinfo.ts';

export { mask } from '../core/userinfo.ts';

/** Shorter texts would be found everywhere, and are no secrets. */
const leastSecret = 4;

/** A path that is shorter than this, `/mcp` or `/health`, tells nobody anything. */
const leastSecretPath = 8;

const loopback = /^(localhost|127\.[\d.]+|\[::1\])$/;

/**
 * Makes what hides these values in a text, and of http URLs among them also the path and the host alone.
 * @example secretHider(['http://gw/s3cret'])('GET http://gw/s3cret?q') // 'GET ***?q'
 */
export function secretHider(values: readonly string[]): (text: string) => string {
  const secrets = values.flatMap((value) => [value, trimEnd(value, '/'), ...partsOfUrl(value)]);
  const parts = [...new Set(secrets)].filter((secret) => secret.length >= leastSecret);
  // The longest first: one that holds another is hidden as a whole.
  parts.sort((a, b) => b.length - a.length);
  return (text) => parts.reduce((hidden, secret) => hidden.replaceAll(secret, mask), text);
}

/** The same in every text of a value, whatever its shape. */
export function hideInside<T>(value: T, hide: (text: string) => string): T {
  return JSON.parse(JSON.stringify(value, (_key, part) => (typeof part === 'string' ? hide(part) : part)));
}

function partsOfUrl(value: string): string[] {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return [];
  const { href, hostname, pathname, search } = new URL(value);
  const paths = [pathname + search, pathname].filter((path) => path.length >= leastSecretPath);
  return [href, trimEnd(href, '/'), ...paths, ...(loopback.test(hostname) ? [] : [hostname.replace(/^\[|\]$/g, '')])];
}

/** Looked for anywhere in a name without its separators: `API_KEY`, `apiKey`, `PGPASSWORD`. */
const secretNames =
  /KEY|TOKEN|SECRET|PASS|PWD|CREDENTIAL|CREDS|AUTH(?!OR(?!I[ZS]))|JWT|COOKIE|SALT|SIGNATURE|PRIVATE|WEBHOOK|DSN|CONNECTIONSTRING/;

/** The shell's own, which contain PWD. */
const workingDirectories: ReadonlySet<string> = new Set(['PWD', 'OLDPWD']);

/** A name that says where something is: the value is a place, and the operator needs to see it. */
const places = /_(FILE|PATH|DIR|SOCK)$/;

/** Whether a variable, a flag or a query parameter of this name may hold a secret. */
export function looksSecret(name: string): boolean {
  if (workingDirectories.has(name) || places.test(name)) return false;
  return secretNames.test(name.toUpperCase().replace(/[^A-Z0-9]/g, ''));
}

/** The value as it may be shown. An empty one is no secret: that it is empty is what the operator must see. */
export function maskValue(name: string, value: string): string {
  if (value === '') return value;
  return looksSecret(name) ? mask : maskText(value);
}

/**
 * Hides what is secret in every URL of a text: the userinfo, and the query parameters whose names look secret.
 * @example maskUrl('postgres://hub:s3cret@db/hub?sslkey=x') // 'postgres://***@db/hub?sslkey=***'
 */
export function maskUrl(text: string): string {
  return hideNamed(hideUserinfo(text), /([?&;]([\w.-]+)=)([^&;#\s"'<>]+)/g);
}

/** The same, and whatever else in a text has a name that looks secret: flags, assignments, members of JSON. */
function maskText(text: string): string {
  const patterns = [
    /((?<![\w.-])(--?[\w.-]+)\s+)("[^"]*"|'[^']*'|(?!-)\S+)/g,
    /((?<![\w.-])([\w.-]+)=)("[^"]*"|'[^']*'|[^\s&;,"'#]+)/g,
    /("([^"\\]+)"\s*:\s*)("(?:[^"\\]|\\.)*"|\d+)/g,
  ];
  return patterns.reduce(hideNamed, maskUrl(text));
}

/** @param pattern its groups: what stays, the name in it, the value */
function hideNamed(text: string, pattern: RegExp): string {
  return text.replace(pattern, (whole: string, before: string, name: string, value: string) => {
    if (!looksSecret(name)) return whole;
    return before + (value.startsWith('"') ? `"${mask}"` : mask);
  });
}

/**
 * The words of a command with the secrets hidden that are arguments: `--token X`, `--token=X`, `TOKEN=X`, URLs. Only
 * for display; a secret on a command line is seen by everybody who may run `ps`.
 */
export function maskCommand(words: readonly string[]): string[] {
  return words.map((word, index) => {
    const [, name, value] = /^(-{0,2}[\w.-]+)=(.*)$/s.exec(word) ?? [];
    if (name !== undefined && value !== undefined) return `${name}=${maskValue(name, value)}`;
    const before = words[index - 1] ?? '';
    const isItsValue = /^--?[A-Za-z][\w.-]*$/.test(before) && looksSecret(before) && !word.startsWith('-');
    return isItsValue ? mask : maskText(word);
  });
}
