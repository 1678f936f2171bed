/** The JSON Schema of tandem.yaml, for editors: made from the same tables as everything else. */
import * as z from 'zod/mini';
import { stackKeys } from './keys.ts';
import { type KeyTable, object, tables } from './object.ts';

/** Draft 7: what the editors' YAML servers read. */
export function stackSchema(): object {
  const schema = z.toJSONSchema(object(stackKeys, 'a map with services')(), {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const table = tables.get(zodSchema);
      if (table) describe(jsonSchema as ObjectSchema, table);
    },
  });
  return { title: 'tandem.yaml', description: 'Services that run together in one container', ...schema };
}

interface ObjectSchema {
  properties?: Record<string, object>;
  patternProperties?: Record<string, object>;
}

/** Descriptions of the keys, and `x-` keys. A value may be written as a variable everywhere. */
function describe(schema: ObjectSchema, table: KeyTable): void {
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    return [name, { description: descriptionOf(table, name), ...property }];
  });
  schema.properties = Object.fromEntries(properties);
  schema.patternProperties = { '^x-': {} };
}

function descriptionOf(table: KeyTable, name: string): string {
  const { effect = '', default: text = '', ours } = table[name] ?? {};
  const parts = [effect, ...(text === '' ? [] : [`Default: ${text}`]), ...(ours ? ["Tandem's own"] : [])];
  return `${parts.join('. ')}.`;
}
