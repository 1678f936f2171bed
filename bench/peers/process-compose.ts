/** process-compose without its terminal interface and without its API's port. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goModule } from './install.ts';
import type { Child, Launch, Peer } from './peer.ts';
import { joined, listens, pairs } from './words.ts';

let program = '';

interface Rules {
  readonly isOrdered?: boolean;
  readonly isBound?: boolean;
}

function configured(children: readonly Child[], directory: string, { isOrdered, isBound }: Rules = {}): Launch {
  const file = join(directory, 'process-compose.yaml');
  const processes = children.map(({ name, words, environment, port, after }) => [
    name,
    {
      command: `exec env ${joined([...pairs(environment), ...words])}`,
      // One second is the shortest period that it takes.
      ...(isOrdered &&
        port && {
          readiness_probe: {
            exec: { command: `bash -c '${listens(port)}'` },
            period_seconds: 1,
            failure_threshold: 60,
          },
        }),
      ...(isOrdered && after && { depends_on: { [after]: { condition: 'process_healthy' } } }),
      availability: { restart: isBound ? 'exit_on_failure' : 'no', exit_on_end: isBound === true },
    },
  ]);
  writeFileSync(file, JSON.stringify({ version: '0.5', log_level: 'error', processes: Object.fromEntries(processes) }));
  return {
    words: [program, 'up', '--tui=false', '--no-server', '--config', file],
    environment: { HOME: directory, PC_LOG_FILE: join(directory, 'log') },
  };
}

export const processCompose: Peer = {
  name: 'process-compose',
  origin: 'Go module proxy',
  install: async (cache) => {
    program = join(cache, 'bin/process-compose');
    return goModule(cache, 'github.com/f1bonacc1/process-compose', 'v1.87.0');
  },
  command: 'runs the processes of its file',
  together: (children, directory) => configured(children, directory),
  ordered: (children, directory) => configured(children, directory, { isOrdered: true }),
  bound: (children, directory) => configured(children, directory, { isBound: true }),
  prefixed: (children, directory) => configured(children, directory),
  asked: (children, directory) => {
    const launch = configured(children, directory);
    const server = ['--use-uds', '--unix-socket', join(directory, 'socket')];
    const words = [...launch.words.filter((word) => word !== '--no-server'), ...server];
    const question = { ...launch, words: [program, 'process', 'list', ...server] };
    return { launch: { ...launch, words }, questions: { 'process-compose process list': question } };
  },
};
