/**
 * Maps with known keys, made from tables: the one source of what is accepted, of the JSON Schema and of the documentation.
 * A key that begins with `x-` is nobody's and accepted everywhere, as in Compose.
 */
import * as z from 'zod/mini';
import { type Kind, kindOf, type Meaning } from './kinds.ts';

/** One key of a map. */
export interface Key<T = unknown> {
  readonly accepts: Kind<T>;
  /** As it is shown in the documentation. */
  readonly default: string;
  /** A key, or a form of one, that Compose does not have. */
  readonly ours?: true;
  readonly required?: true;
  /** One sentence without a full stop. */
  readonly effect: string;
}

export type KeyTable = Readonly<Record<string, Key>>;

/** What a map made from a table means; keys that were not given are absent. */
export type ObjectOf<T extends KeyTable> = {
  readonly [K in keyof T as T[K] extends { readonly required: true } ? K : never]: Meaning<T[K]['accepts']>;
} & { readonly [K in keyof T as T[K] extends { readonly required: true } ? never : K]?: Meaning<T[K]['accepts']> };

/** The table that an object schema was made from. */
export const tables = new WeakMap<object, KeyTable>();

/**
 * @param accepted what stands in a message where something else than a map is found; where a key is not known, the message is the
 * names of those that are
 */
export function object<T extends KeyTable>(table: T, accepted: string): Kind<ObjectOf<T>> {
  return kindOf(() => {
    const shape = Object.entries(table).map(([name, { accepts, required }]) => {
      return [name, required ? accepts() : z.optional(accepts())];
    });
    const known = Object.keys(table).join(' ');
    const error = ({ code }: { readonly code: string }) => (code === 'unrecognized_keys' ? known : accepted);
    const schema = z.strictObject(Object.fromEntries(shape), { error });
    tables.set(schema, table);
    return schema as unknown as z.ZodMiniType<ObjectOf<T>, unknown>;
  });
}
