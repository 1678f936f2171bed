/**
 * `npm run fleet-docs`: writes what is made from the tables of `src/fleet/`: the JSON Schema `docs/fleet.schema.json`, and
 * in `docs/fleet.md`, between their markers, the tables of keys and errors and the drawing of the states. With `--check` it
 * only says whether both are up to date.
 */
import { errors } from '../src/fleet/api/errors.ts';
import { fleetSchema } from '../src/fleet/settings/json-schema.ts';
import { dockerKeys, engineKeys, fleetKeys } from '../src/fleet/settings/keys.ts';
import { refusedServerKeys } from '../src/fleet/settings/refused.ts';
import { limitKeys, serverKeys, windowKeys } from '../src/fleet/settings/server-keys.ts';
import { transitions } from '../src/fleet/state.ts';
import { keyTable, pageWith, refusalTable, stateDiagram, table, writeOrCheck } from './docs-parts.mjs';

const keys = {
  fleet: fleetKeys,
  docker: dockerKeys,
  dockerConfig: engineKeys,
  server: serverKeys,
  resourceLimits: limitKeys,
  schedule: windowKeys,
};
const errorRows = Object.entries(errors).map(([code, { status, when }]) => [`\`${code}\``, String(status), when]);

const page = pageWith('fleet.md', {
  ...Object.fromEntries(Object.entries(keys).map(([name, one]) => [`keys: ${name}`, keyTable(one, 'the seed')])),
  'keys: refused': refusalTable(refusedServerKeys),
  'table: errors': table(['Code', 'Status', 'When'], errorRows),
  'table: transitions': `${stateDiagram(transitions)}\n`,
});

writeOrCheck(
  { 'fleet.md': page, 'fleet.schema.json': `${JSON.stringify(fleetSchema(), undefined, 2)}\n` },
  'fleet-docs',
);
