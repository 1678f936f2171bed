/**
 * Secrets in what people read. Masking goes by names, because a value does not show what it is; when in doubt it masks.
 * Every value that comes from the environment passes here before it is logged or printed.
 */
import { hideUserinfo, mask } from '../core/userinfo.ts';

export { mask } from '../core/userinfo.ts';

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
