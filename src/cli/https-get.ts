/** One HTTPS GET, for `tandem health --url https://…`. Node's own client is loaded only then. */
import { type Answer, maxBodyBytes } from './http-answer.ts';
import { describeNetworkError } from './http-get.ts';
import type { Question } from './http-question.ts';

/** Asks once; redirects are not followed, certificates are checked. Aborted: no answer. */
export async function httpsGet(
  url: URL,
  { target, host, authorization }: Question,
  signal: AbortSignal,
): Promise<Answer> {
  const { request } = await import('node:https');
  return new Promise((resolve) => {
    const headers = {
      Host: host,
      Connection: 'close',
      ...(authorization !== undefined && { Authorization: authorization }),
    };
    const fail = (error: Error) =>
      resolve({ noAnswer: signal.aborted ? 'no answer in time' : describeNetworkError(error) });
    const asked = request(
      {
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port || 443,
        path: target,
        headers,
        agent: false,
        signal,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size <= maxBodyBytes) return;
          resolve({ noAnswer: `the answer is larger than ${maxBodyBytes} bytes` });
          asked.destroy();
        });
        incoming.on('error', fail);
        incoming.on('end', () => {
          const body = Buffer.concat(chunks).toString();
          resolve({
            response: { status: incoming.statusCode ?? 0, contentType: incoming.headers['content-type'] ?? '', body },
          });
        });
      },
    );
    asked.on('error', fail);
    asked.end();
  });
}
