/** What an editor can check of a value beyond its form: the fleet's values are written as they are, never as variables. */
import { type Kind, kind, kindOf, Refusal, record, text } from '../../config/stack/kinds.ts';

type Shape = (form: object) => object;

const shapes = new WeakMap<object, Shape>();

/** The same kind, of which the JSON Schema says more. @param shape from what it would say by itself */
export function shaped<T>(plain: Kind<T>, shape: Shape): Kind<T> {
  return kindOf(() => {
    const schema = plain();
    shapes.set(schema, shape);
    return schema;
  });
}

/** Puts what is known of a value in the place of its form. */
export function refine(zodSchema: object, jsonSchema: object): void {
  const shape = shapes.get(zodSchema);
  if (!shape) return;
  const whole = shape({ ...jsonSchema });
  for (const key of Object.keys(jsonSchema)) delete (jsonSchema as Record<string, unknown>)[key];
  Object.assign(jsonSchema, whole);
}

/** A text as one expression has it. The configuration is read as texts, so a number that looks so is one, too. */
export function matching(accepted: string, expression: RegExp): Kind<string> {
  const checked = kind(text(accepted), (given) => (expression.test(given) ? given : new Refusal(accepted)));
  return shaped(checked, () => ({ type: 'string', pattern: expression.source }));
}

/** Any names that an expression has, all values of one kind. */
export function named<T>(names: RegExp, value: Kind<T>, accepted: string): Kind<Readonly<Record<string, T>>> {
  const checked = kind(record(value, accepted), (given) =>
    Object.keys(given).every((name) => names.test(name)) ? given : new Refusal(accepted),
  );
  return shaped(checked, (form) => ({ ...form, propertyNames: { pattern: names.source } }));
}
