/**
 * The inspector that nobody asked for. Node opens it on SIGUSR1 until a handler stands, that is in the milliseconds
 * before the first line of a script runs.
 */

/** `--inspect`, `--inspect-brk`, `--inspect-wait`, but not those that only say where it would listen. */
const opensInspector = /--inspect(?![-_](?:port|publish))/;

/** The thread of Node that opens it may be late on a busy machine. */
const secondLookMs = 1_000;

/**
 * Closes it, unless Node was asked for it. Loading what can close it takes a millisecond, so this is called once the
 * first child is on its way. A Node that was told never to open it (`--disable-sigusr1`) has none to close; tandem's images do
 * not say that, because Node then leaves SIGUSR1 blocked.
 */
export function closeStrayInspector(): void {
  const wanted = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((option) => opensInspector.test(option));
  if (wanted || process.execArgv.includes('--disable-sigusr1')) return;
  close();
  setTimeout(close, secondLookMs).unref();
}

function close(): void {
  const inspector = process.getBuiltinModule?.('node:inspector');
  if (inspector?.url() !== undefined) inspector.close();
}
