/**
 * What a tandem.yaml says, with the place where it says it: the tree between YAML and the schema. Its values are texts as
 * they were written, so that `1.10` or `010` reach a variable unbent; what is a number is decided by the key it stands under.
 */

export interface Position {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
}

export type Scalar = string | number | boolean | null;

export interface LocatedScalar {
  readonly kind: 'scalar';
  readonly at: Position;
  /** As YAML reads it. */
  readonly value: Scalar;
  /** As it is written; `null` where there is nothing. */
  readonly text: string | null;
  /** A variable that looks secret went into it. */
  readonly isSecret?: boolean;
}

export interface LocatedList {
  readonly kind: 'list';
  readonly at: Position;
  readonly items: readonly Located[];
}

export interface LocatedMap {
  readonly kind: 'map';
  readonly at: Position;
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  /** Of the key. */
  readonly at: Position;
  readonly value: Located;
}

/** A part that is referred to by several aliases is one object. */
export type Located = LocatedScalar | LocatedList | LocatedMap;

export type Path = readonly (string | number)[];

/** The part at a path; `undefined` if there is none. */
export function partAt(root: Located, path: Path): Located | undefined {
  return path.reduce<Located | undefined>((part, step) => part && child(part, step), root);
}

function child(part: Located, step: string | number): Located | undefined {
  if (part.kind === 'map') return part.entries.get(String(step))?.value;
  return part.kind === 'list' ? part.items[Number(step)] : undefined;
}

/** Where the key at the end of a path stands; where there is no such key, what encloses it. */
export function positionOf(root: Located, path: Path): Position {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = partAt(root, path.slice(0, length - 1));
    const step = path[length - 1] ?? '';
    const found = parent?.kind === 'map' ? parent.entries.get(String(step))?.at : parent && child(parent, step)?.at;
    if (found) return found;
  }
  return root.at;
}

/** Keys behind which numbers and booleans are themselves, by the key above and the key: JSON to compare with. */
const nativeKeys: ReadonlySet<string> = new Set(['http.json']);

/** The plain value for the schema: texts, null, lists and objects. `x-` keys stay in. */
export function plainOf(part: Located, key = ''): unknown {
  switch (part.kind) {
    case 'scalar':
      return part.text;
    case 'list':
      return part.items.map((item) => plainOf(item));
    case 'map':
      return fromEntries(part, (name, value) =>
        nativeKeys.has(`${key}.${name}`) ? nativeOf(value) : plainOf(value, name),
      );
  }
}

function nativeOf(part: Located): unknown {
  switch (part.kind) {
    case 'scalar':
      return part.value;
    case 'list':
      return part.items.map(nativeOf);
    case 'map':
      return fromEntries(part, (_name, value) => nativeOf(value));
  }
}

/** Own properties, also for a key like `__proto__`. */
function fromEntries({ entries }: LocatedMap, convert: (name: string, value: Located) => unknown) {
  return Object.fromEntries([...entries].map(([name, { value }]) => [name, convert(name, value)]));
}
