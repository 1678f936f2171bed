/**
 * One HTTP GET over a plain connection, TCP or Unix socket. It follows nothing, keeps nothing and never throws: that
 * there is no answer is an answer to whoever asks for health.
 */
import { connect } from 'node:net';
import { type Answer, readAnswer } from './http-answer.ts';
import { type Question, requestOf } from './http-question.ts';

/** A path is a Unix socket's. */
export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** Asks the endpoints one after the other until one answers. The reason is the last one's. */
export async function httpGetAny(
  endpoints: readonly Endpoint[],
  question: Question,
  signal: AbortSignal,
): Promise<Answer> {
  let answer: Answer = { noAnswer: 'there is nobody to ask' };
  for (const endpoint of endpoints) {
    answer = await httpGet(endpoint, question, signal);
    if ('response' in answer) break;
  }
  return answer;
}

/** Asks once. Aborted: no answer. */
export function httpGet(endpoint: Endpoint, question: Question, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ noAnswer: 'no answer in time' });
    const socket = connect(endpoint);
    let bytes = Buffer.alloc(0);
    const settle = (answer: Answer | undefined) => {
      if (answer === undefined) return;
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = () => settle({ noAnswer: 'no answer in time' });
    signal.addEventListener('abort', onAbort);
    socket.on('connect', () => socket.write(requestOf(question)));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      settle(readAnswer(bytes, false));
    });
    socket.on('end', () => settle(readAnswer(bytes, true)));
    socket.on('error', (error) => settle({ noAnswer: describeNetworkError(error) }));
  });
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOENT: 'no such socket',
  EACCES: 'not permitted',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host not found',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
};

/** In a few words, without the address: whoever asked knows it. */
export function describeNetworkError(error: NodeJS.ErrnoException): string {
  return words[error.code ?? ''] ?? error.code ?? error.message;
}
