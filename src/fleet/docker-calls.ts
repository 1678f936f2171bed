/** How a call to Docker's API ends: with its answer, with one of the fleet's words for what went wrong, or at its limit. */
import { EngineError, type EngineTrouble } from './engine.ts';

/** One question to the engine, with a limit. @throws EngineError */
export async function call<T>(
  signal: AbortSignal,
  limitMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const giveUp = () => over.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  const lost = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => reject(tooLate(signal, limitMs)), { once: true });
  });
  const timer = setTimeout(giveUp, limitMs);
  if (signal.aborted) giveUp();
  try {
    return await Promise.race([ask(over.signal), lost]);
  } catch (error) {
    throw troubleOf(error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    lost.catch(() => {});
  }
}

function tooLate(signal: AbortSignal, limitMs: number): EngineError {
  if (signal.aborted) return new EngineError('timeout', 'nobody waits for the engine any more');
  return new EngineError('unreachable', `the engine did not answer within ${limitMs / 1_000} s`);
}

/** By the API's status codes; where there is none, nobody answered. */
export function troubleOf(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const { statusCode, message, json, code } = error as {
    statusCode?: number;
    message: string;
    json?: { message?: string };
    code?: string;
  };
  const said = json?.message ?? message;
  const options = { cause: error };
  if (statusCode === undefined)
    return new EngineError('unreachable', `the engine does not answer: ${code ?? message}`, options);
  return new EngineError(kindOf(statusCode, said), said, options);
}

function kindOf(status: number, said: string): EngineTrouble {
  if (status === 404)
    return /no such image|image not known|manifest|pull access/i.test(said) ? 'no-such-image' : 'no-such-container';
  if (status === 304) return 'already';
  return status === 409 ? 'conflict' : 'refused';
}

/** Of a question whose answer may be such a trouble, that there is none. */
export function unless(...troubles: readonly EngineTrouble[]) {
  return async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof EngineError && troubles.includes(error.trouble)) return undefined;
      throw error;
    }
  };
}

export const unlessMissing = unless('no-such-container');
