/** The JSON Schema of the fleet's configuration, for editors and for whoever makes such a file. */
import { object } from '../../config/stack/object.ts';
import { schemaOf } from '../../config/stack/schema-of.ts';
import { fleetKeys } from './keys.ts';
import { refine } from './shapes.ts';

export function fleetSchema(): object {
  const schema = schemaOf(object(fleetKeys, 'a map with docker'), refine);
  return { title: 'tandem fleet', description: 'MCP servers as containers, on demand', ...schema };
}
