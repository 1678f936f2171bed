/** tandem in its shipped form, by the Node that runs the bench. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import type { Child, Launch, Peer } from './peer.ts';

const program = join(import.meta.dirname, '../../dist/tandem.cjs');

function configured(children: readonly Child[], directory: string, { isOrdered = false, output = 'raw' } = {}): Launch {
  const services = children.map(({ name, words, environment, port, after }) => [
    name,
    {
      command: words,
      environment,
      ...(isOrdered && port && { ready: port }),
      ...(isOrdered && after && { depends_on: { [after]: { condition: 'service_healthy' } } }),
    },
  ]);
  writeFileSync(join(directory, 'tandem.yaml'), JSON.stringify({ services: Object.fromEntries(services) }));
  return {
    words: [process.execPath, program, 'run', '--config', join(directory, 'tandem.yaml')],
    environment: { TANDEM_RUNTIME_DIR: directory, TANDEM_HEALTH_PORT: '', TANDEM_OUTPUT: output },
  };
}

/** The same with one of its ways to hand output on. */
export function forwarding(output: 'raw' | 'prefix' | 'json') {
  return (children: readonly Child[], directory: string) => configured(children, directory, { output });
}

export const tandem: Peer = {
  name: 'tandem',
  origin: 'this repository',
  install: async () => packageJson.version,
  command: (words) => ({ words: [process.execPath, program, '--', ...words] }),
  together: (children, directory) => configured(children, directory),
  ordered: (children, directory) => configured(children, directory, { isOrdered: true }),
  bound: (children, directory) => configured(children, directory),
  prefixed: forwarding('prefix'),
  asked: (children, directory, port) => {
    const { words, environment } = configured(children, directory);
    const health = [process.execPath, program, 'health'];
    const byPort = { TANDEM_RUNTIME_DIR: join(directory, 'none'), TANDEM_HEALTH_PORT: `${port}` };
    return {
      launch: { words, environment: { ...environment, TANDEM_HEALTH_PORT: `${port}` } },
      questions: {
        'tandem health': { words: health, environment: { TANDEM_RUNTIME_DIR: directory } },
        '(tandem health by the port)': { words: health, environment: byPort },
        'curl -f': { words: ['curl', '-fsS', `http://127.0.0.1:${port}/health`] },
      },
    };
  },
};
