/** One HTTP request of a probe: no connection kept, no redirect followed, no more of the body read than is of use. */
import type { IncomingMessage, RequestOptions } from 'node:http';
import { sharedLookup } from './endpoints.ts';

/** Health bodies are short; what is longer is not judged. */
const longestBody = 1024 * 1024;

export interface HttpQuestion {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * Sends a request and resolves with the response's head. The caller reads the body or destroys the response.
 * `localhost` is asked on both loopback addresses, whatever the resolver says.
 * @throws the connection's error, or an AbortError
 */
export async function exchange(question: HttpQuestion, signal: AbortSignal): Promise<IncomingMessage> {
  const url = new URL(question.url);
  if (url.hostname !== 'localhost') return send(url, unbracketed(url.hostname), question, signal);
  try {
    return await send(url, '127.0.0.1', question, signal);
  } catch (error) {
    if (signal.aborted || (error as NodeJS.ErrnoException).syscall !== 'connect') throw error;
    // Where IPv6 has nobody either, the first answer is the one that explains.
    return send(url, '::1', question, signal).catch(() => Promise.reject(error));
  }
}

const unbracketed = (hostname: string) => hostname.replace(/^\[|\]$/g, '');

async function send(url: URL, address: string, question: HttpQuestion, signal: AbortSignal): Promise<IncomingMessage> {
  const secure = url.protocol === 'https:';
  const { request } = secure ? await import('node:https') : await import('node:http');
  const { method, headers, body } = question;
  const options: RequestOptions & { servername?: string } = {
    host: address,
    port: url.port || (secure ? 443 : 80),
    path: url.pathname + url.search,
    method,
    headers: { host: url.host, ...headers, ...(body && { 'content-length': String(Buffer.byteLength(body)) }) },
    // An agent of its own, so that no connection is kept for a service that may be restarted at any time.
    agent: false,
    lookup: sharedLookup,
    signal,
  };
  if (url.username) options.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  if (secure && address !== url.hostname) options.servername = url.hostname;
  return new Promise((resolve, reject) => {
    request(options).on('response', resolve).on('error', reject).end(body);
  });
}

/**
 * The body, if it is at most 1 MiB; a longer one is abandoned.
 * @throws the connection's error, also when the request's signal is aborted
 */
export async function readBody(response: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    // Leaving the loop destroys the response.
    if (length > longestBody) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
