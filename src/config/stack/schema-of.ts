/** The JSON Schema of a kind, for editors: made from the same tables as everything else. */
import * as z from 'zod/mini';
import type { Kind } from './kinds.ts';
import { type KeyTable, tables } from './object.ts';

interface ObjectSchema {
  properties?: Record<string, object>;
  patternProperties?: Record<string, object>;
}

/** What a schema says beyond the form, by the zod schema that it is made from. */
export type Refine = (zodSchema: object, jsonSchema: object) => void;

/** Draft 7: what the editors' servers for YAML and JSON read. */
export function schemaOf(kind: Kind, refine: Refine = () => {}): object {
  return z.toJSONSchema(kind(), {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const table = tables.get(zodSchema);
      if (table) describe(jsonSchema as ObjectSchema, table);
      refine(zodSchema, jsonSchema);
    },
  });
}

/** Descriptions of the keys, and `x-` keys. */
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
