/**
 * DESIGN's table of exit codes, told a second time, from what could be seen from outside. It imports nothing from
 * src/, so that a mistake there is not repeated here.
 */

/** What could be seen of a run. */
export interface Sight {
  /** Decided the end: the first stop request or the first loss of an essential service, whichever came first. */
  readonly decidedBy: 'stop' | 'loss' | 'nothing';
  /** Of the first essential service that was lost. */
  readonly loss?: Loss | undefined;
  /** The number of the second stop signal, if it came while something was still alive and there was grace to cut short. */
  readonly secondSignal?: number | undefined;
  /** SIGKILL was sent to a service that had been asked to stop. */
  readonly wasForced: boolean;
}

export type Loss =
  | { readonly how: 'exit-code'; readonly code: number }
  | { readonly how: 'signal'; readonly number: number }
  | { readonly how: 'not-found' | 'not-executable' }
  | { readonly how: 'never-ready' | 'port-taken' | 'liveness-lost' };

export function expectedCode({ decidedBy, loss, secondSignal, wasForced }: Sight): number {
  if (decidedBy === 'nothing') return 0;
  if (decidedBy === 'stop') {
    if (secondSignal !== undefined) return 128 + secondSignal;
    return wasForced ? 1 : 0;
  }
  switch (loss?.how) {
    case 'exit-code':
      return loss.code === 0 ? 1 : loss.code;
    case 'signal':
      return 128 + loss.number;
    case 'not-found':
      return 127;
    case 'not-executable':
      return 126;
    default:
      return 69;
  }
}
