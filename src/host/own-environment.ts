/**
 * Variables that Node and the loader have obeyed before tandem's first line. They are mostly meant for a service that runs
 * the same way, and cannot be taken back; the operator should know.
 */

/** Options of Node that load code, open the inspector or make it read HTTP less strictly. */
const actingOption =
  /(^|\s)(-r|--(require|import|loader|experimental-loader|inspect(-brk|-wait)?|insecure-http-parser))(=|\s|$)/;

const acts: Readonly<Record<string, (value: string) => boolean>> = {
  NODE_OPTIONS: (value) => actingOption.test(value),
  // Prints what tandem sends, authorization included.
  NODE_DEBUG: (value) => value !== '',
  // Probes over TLS would trust anybody.
  NODE_TLS_REJECT_UNAUTHORIZED: (value) => value === '0',
  LD_PRELOAD: (value) => value !== '',
  LD_AUDIT: (value) => value !== '',
};

/** The names of those that are set. */
export function variablesActingOnTandem(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(acts).flatMap(([name, isActing]) => (isActing(environment[name] ?? '') ? [name] : []));
}
