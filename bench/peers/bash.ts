/** The careful entry point that one writes without a supervisor: signals trapped, `wait -n`, everybody stopped and awaited. */
import { join } from 'node:path';
import { run } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { executable, joined, listens, pairs } from './words.ts';

const head = `#!/bin/bash
stopped=
stop() { stopped=1; kill -TERM $(jobs -p) 2>/dev/null; }
trap stop TERM INT
`;

/** The end of one is the end of all. */
const endWithFirst = `wait -n
code=$?
kill -TERM $(jobs -p) 2>/dev/null
wait
[ -n "$stopped" ] && exit 0
exit $code
`;

const start = ({ words, environment }: Child) => `env ${joined([...pairs(environment), ...words])} &\n`;

const wait = (port: number | undefined) => `until ${listens(port)}; do [ -n "$stopped" ] && exit 0; sleep 0.1; done\n`;

function script(children: readonly Child[], directory: string, isOrdered: boolean): Launch {
  const portOf = (name: string | undefined) => children.find((child) => child.name === name)?.port;
  const body = children.map((child) => (isOrdered && child.after ? wait(portOf(child.after)) : '') + start(child));
  return { words: [executable(join(directory, 'start.sh'), head + body.join('') + endWithFirst)] };
}

export const bash: Peer = {
  name: 'bash',
  origin: 'Debian',
  install: async () => /version (\S+)/.exec(await run(['bash', '--version']))?.[1] ?? 'unknown',
  command: (words, directory) => ({
    words: [executable(join(directory, 'start.sh'), `${head}${joined(words)} &\n${endWithFirst}`)],
  }),
  together: (children, directory) => script(children, directory, false),
  ordered: (children, directory) => script(children, directory, true),
  bound: (children, directory) => script(children, directory, false),
  prefixed: 'hands the output on as it is',
  asked: 'has nothing that could be asked',
};
