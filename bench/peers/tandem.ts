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

export const tandem: Peer = {
  name: 'tandem',
  origin: 'this repository',
  install: async () => packageJson.version,
  command: (words) => ({ words: [process.execPath, program, '--', ...words] }),
  together: (children, directory) => configured(children, directory),
  ordered: (children, directory) => configured(children, directory, { isOrdered: true }),
  bound: (children, directory) => configured(children, directory),
  prefixed: (children, directory) => configured(children, directory, { output: 'prefix' }),
};
