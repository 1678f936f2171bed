/** The life of a service, told a second time: DESIGN's table as `from event to`. It imports nothing. */
const legal: ReadonlySet<string> = new Set(
  `
  pending skip skipped
  pending dependencies-met starting
  pending dependency-failed stopped
  pending stop stopped
  starting not-launched failed
  starting probe-succeeded ready
  starting answered completed
  starting start-timeout stopping
  starting port-taken stopping
  starting exit-completed completed
  starting exit-restart backoff
  starting exit-failed failed
  starting stop stopping
  ready probe-failed unready
  ready liveness-lost stopping
  ready exit-completed completed
  ready exit-restart backoff
  ready exit-failed failed
  ready stop stopping
  unready probe-succeeded ready
  unready liveness-lost stopping
  unready exit-completed completed
  unready exit-restart backoff
  unready exit-failed failed
  unready stop stopping
  stopping grace-elapsed stopping
  stopping exit-restart backoff
  stopping exit-failed failed
  stopping exit-stopped stopped
  backoff delay-elapsed starting
  backoff stop stopped
  `
    .trim()
    .split(/\s*\n\s*/),
);

const terminal: ReadonlySet<string> = new Set(['stopped', 'failed', 'completed', 'skipped']);

export function isLegal(from: string, event: string, to: string): boolean {
  return legal.has(`${from} ${event} ${to}`);
}

export function isOver(state: string): boolean {
  return terminal.has(state);
}
