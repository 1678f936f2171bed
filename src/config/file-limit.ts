/** The limit of open files as an operator writes it. A file of its own, because `tandem -- CMD` loads no table of variables. */

/** What the exec helper takes; it never goes above the hard limit. */
export const mostFiles = 4_294_967_295;

/** A whole number from 1 to `mostFiles`, or `undefined` for any other text. */
export function parseFileLimit(text: string): number | undefined {
  const limit = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= mostFiles ? limit : undefined;
}
