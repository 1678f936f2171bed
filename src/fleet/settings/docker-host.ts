/** `DOCKER_HOST` as the fleet reads it: a socket, or plain TCP. What it would have to guess at is refused. */
import type { Problem } from '../../core/errors.ts';
import { hideUserinfo } from '../../core/userinfo.ts';

const accepted = 'unix:///path/of/the/socket, tcp://HOST:PORT or http://HOST:PORT';

/** The socket that the environment names; absent: another place, or none. */
export function socketIn(environment: NodeJS.ProcessEnv): string | undefined {
  return /^unix:\/\/(\/.+)$/.exec(environment['DOCKER_HOST']?.trim() ?? '')?.[1];
}

/** What is wrong with the place of the engine, where the configuration leaves it to the environment. */
export function dockerHostProblems(environment: NodeJS.ProcessEnv): readonly Problem[] {
  const said = environment['DOCKER_HOST']?.trim();
  if (!said || socketIn(environment) !== undefined) return [];
  if (!isPlain(said))
    return [{ subject: 'DOCKER_HOST', message: `"${hideUserinfo(said)}" is not accepted; accepted: ${accepted}` }];
  if (!environment['DOCKER_TLS_VERIFY']) return [];
  const message = `is set, and TLS is not spoken to ${said}; accepted: leave it out, or a socket (unix://)`;
  return [{ subject: 'DOCKER_TLS_VERIFY', message }];
}

function isPlain(said: string): boolean {
  if (!/^(?:tcp|http):\/\/[^/]/.test(said) || !URL.canParse(said)) return false;
  const { hostname, username, password, pathname, search, hash } = new URL(said);
  return hostname !== '' && username + password + search + hash === '' && (pathname === '' || pathname === '/');
}
