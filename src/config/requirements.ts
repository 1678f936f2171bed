/** What the environment says that must be there before anything starts. */
import { resolve } from 'node:path';
import type { Requirements } from '../core/requirements.ts';
import { isVariableName, splitList, splitPaths } from './lists.ts';
import type { Collected } from './texts.ts';

/** From the texts, because it is asked also where other values are refused. What cannot be split is refused elsewhere. */
export function requirementsOf({ texts, subjects }: Collected, cwd: string): Requirements {
  const subjectOf = (name: keyof typeof texts) => subjects[name] ?? name;
  const paths = (name: 'REQUIRE_FILES' | 'REQUIRE_DIRS' | 'REQUIRE_COMMANDS') => {
    const split = splitPaths(texts[name] ?? '');
    return ('problem' in split ? [] : split.words).map((path) => ({ subject: subjectOf(name), path }));
  };
  const at = <T extends { readonly path: string }>(one: T): T => ({ ...one, path: resolve(cwd, one.path) });
  const hubConfig = texts.MCP_HUB_CONFIG;
  return {
    env: splitList(texts.REQUIRE_ENV ?? '')
      .filter(isVariableName)
      .map((name) => ({ subject: subjectOf('REQUIRE_ENV'), name })),
    files: [
      ...(hubConfig ? [{ subject: subjectOf('MCP_HUB_CONFIG'), path: hubConfig, format: 'json' } as const] : []),
      ...paths('REQUIRE_FILES'),
    ].map(at),
    directories: paths('REQUIRE_DIRS').map(at),
    commands: paths('REQUIRE_COMMANDS').map(({ subject, path }) => ({ subject, command: path })),
  };
}
