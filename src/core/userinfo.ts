/** Userinfo in URLs, `user:password@`, which is hidden wherever a text is shown that somebody else wrote. */

/** Stands for a secret. Its length says nothing about the secret's. */
export const mask = '***';

/**
 * A text without the userinfo of its URLs.
 * @example hideUserinfo('cannot reach postgres://hub:s3cret@db/hub') // 'cannot reach postgres://***@db/hub'
 */
export function hideUserinfo(text: string): string {
  // Without the scheme: looked for from every letter, a long text would take for ever.
  return text.replace(/:\/\/([^\s"'<>]*)/g, (_url, rest: string) => {
    // A comma ends a URL where another one begins.
    const [first = '', ...others] = rest.split(/,(?=[a-z][a-z0-9+.-]{0,30}:\/\/)/i);
    return `://${[withoutUserinfo(first), ...others.map(hideUserinfo)].join(',')}`;
  });
}

/**
 * @param rest a URL behind its `://`
 *
 * Passwords with a raw `/`, `?`, `#` or `@` in them are no valid URLs, and yet they are written. So userinfo reaches to
 * the last `@` of the whole, unless what stands before the path is an ordinary host.
 */
function withoutUserinfo(rest: string): string {
  const [authority = ''] = rest.split(/[/?#]/, 1);
  const isHost = /^(\[[^\]]*\]|[^:@]*)(:\d*)?$/.test(authority);
  const end = isHost ? -1 : rest.lastIndexOf('@');
  return end < 0 ? rest : mask + rest.slice(end);
}
