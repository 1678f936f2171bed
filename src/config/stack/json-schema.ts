/** The JSON Schema of tandem.yaml. A value may be written as a variable everywhere, so it says little of values. */
import { stackKeys } from './keys.ts';
import { object } from './object.ts';
import { schemaOf } from './schema-of.ts';

export function stackSchema(): object {
  const schema = schemaOf(object(stackKeys, 'a map with services'));
  return { title: 'tandem.yaml', description: 'Services that run together in one container', ...schema };
}
