/**
 * `npm run stack-docs`: writes what is made from the tables of `src/config/stack/keys.ts`: the JSON Schema
 * `docs/tandem.schema.json`, and the tables of keys in `docs/tandem-yaml.md` between their markers. With `--check` it only says
 * whether both are up to date.
 */
import { stackSchema } from '../src/config/stack/json-schema.ts';
import * as keys from '../src/config/stack/keys.ts';
import { refusedServiceKeys, refusedTopKeys } from '../src/config/stack/refused.ts';
import { keyTable, pageWith, refusalTable, writeOrCheck } from './docs-parts.mjs';

const titles = {
  top: keys.stackKeys,
  service: keys.serviceKeys,
  depends_on: keys.dependencyKeys,
  ready: keys.readyKeys,
  healthcheck: keys.healthcheckKeys,
  http: keys.httpKeys,
  restart: keys.restartKeys,
  env_file: keys.envFileKeys,
  wait_for: keys.waitKeys,
  preflight: keys.preflightKeys,
  'preflight.files': keys.fileKeys,
  'preflight.directories': keys.directoryKeys,
};

const tables = Object.entries(titles).map(([name, table]) => [`keys: ${name}`, keyTable(table, 'Compose')]);
const refused = refusalTable(Object.entries({ ...refusedTopKeys, ...refusedServiceKeys }));

writeOrCheck(
  {
    'tandem-yaml.md': pageWith('tandem-yaml.md', { ...Object.fromEntries(tables), 'keys: refused': refused }),
    'tandem.schema.json': `${JSON.stringify(stackSchema(), undefined, 2)}\n`,
  },
  'stack-docs',
);
