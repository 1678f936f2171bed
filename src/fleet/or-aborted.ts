/** Waiting that ends with the wish for it: what is waited for goes on by itself. */

/** @throws the signal's reason when it is aborted first; what the promise rejects with */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  // A promise that outlives everybody's interest is no unhandled rejection.
  promise.catch(() => {});
  signal.throwIfAborted();
  let giveUp = () => {};
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(signal.reason);
  });
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** Of work that was given up, nobody wants to know how it ended: then there is no error, and no value. */
export async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!signal.aborted) throw error;
    return undefined;
  }
}
