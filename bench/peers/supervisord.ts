/** supervisord in the foreground, its own log off, the children's output on stdout, as images use it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debian } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { executable, joined, pairs } from './words.ts';

const program = ({ name, words, environment }: Child) => `
[program:${name}]
command=env ${joined([...pairs(environment), ...words])}
startsecs=0
autorestart=false
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
redirect_stderr=true
`;

/** The listener that its users write, so that the end of one is the end of all. */
const listener = `#!/usr/bin/python3
import os, signal, sys
while True:
    sys.stdout.write('READY\\n'); sys.stdout.flush()
    header = dict(pair.split(':') for pair in sys.stdin.readline().split())
    sys.stdin.read(int(header['len']))
    os.kill(os.getppid(), signal.SIGTERM)
    sys.stdout.write('RESULT 2\\nOK'); sys.stdout.flush()
`;

function configured(children: readonly Child[], directory: string, isBound = false): Launch {
  const file = join(directory, 'supervisord.conf');
  const section = isBound
    ? `
[eventlistener:end]
command=${executable(join(directory, 'listener'), listener)}
events=PROCESS_STATE_EXITED,PROCESS_STATE_FATAL
`
    : '';
  writeFileSync(
    file,
    `[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile=${join(directory, 'pid')}
[unix_http_server]
file=${join(directory, 'socket')}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://${join(directory, 'socket')}
${children.map(program).join('')}${section}`,
  );
  return { words: ['supervisord', '--configuration', file] };
}

export const supervisord: Peer = {
  name: 'supervisord',
  origin: 'Debian',
  install: async () => debian('supervisor'),
  command: 'supervises services, none of which is its own command',
  together: (children, directory) => configured(children, directory),
  ordered: 'has no readiness: its priorities order the spawns and wait for nothing',
  bound: (children, directory) => configured(children, directory, true),
  prefixed: (children, directory) => configured(children, directory),
  asked: (children, directory) => {
    const launch = configured(children, directory);
    const [, ...flags] = launch.words;
    return { launch, questions: { 'supervisorctl status': { words: ['supervisorctl', ...flags, 'status'] } } };
  },
};
