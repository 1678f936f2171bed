/** The port watch of systems without `/proc/net`: wait-port tells that somebody listens; who it is nobody can tell. */
import { aborted } from '../core/scope.ts';
import type { Address } from '../core/spec.ts';
import { systemClock } from './clock.ts';
import { doorOf } from './endpoints.ts';

/** wait-port cannot be aborted: it is run in slices this long, and an abandoned slice ends by itself. */
const sliceMs = 500;
const intervalMs = 25;

/** Resolves with true when somebody listens on the address, with false when aborted before. */
export async function waitWithoutProof({ host, port }: Address, signal: AbortSignal): Promise<boolean> {
  const { default: waitPort } = await import('wait-port');
  // wait-port tries both families only for a name.
  const door = ['', '*', '::'].includes(host) ? 'localhost' : doorOf(host);
  const slice = { host: door, port, timeout: sliceMs, interval: intervalMs, output: 'silent' } as const;
  while (!signal.aborted) {
    const scope = new AbortController();
    // It rejects for a host that cannot be found, which may still come up.
    const found = waitPort(slice).catch(() => systemClock.sleep(sliceMs, signal));
    const answer = await Promise.race([found, aborted(signal, scope.signal)]);
    scope.abort();
    if (answer?.open) return !signal.aborted;
  }
  return false;
}
