/**
 * The MCP probe: an `initialize` over streamable HTTP, answered by a result (as JSON, or as an event of a stream), and
 * the session closed again. Protocol: modelcontextprotocol.io, "Transports", revision 2025-06-18.
 */
import type { IncomingMessage } from 'node:http';
import type { ProbeResult } from '../core/ports.ts';
import { exchange, readBody } from './http-exchange.ts';
import { tidy } from './reason.ts';

const protocolVersion = '2025-06-18';
const requestId = 1;
const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: requestId,
  method: 'initialize',
  params: { protocolVersion, capabilities: {}, clientInfo: { name: 'tandem-probe', version: '1' } },
});

/** @throws the connection's error, or an AbortError */
export async function probeMcp(url: string, signal: AbortSignal): Promise<ProbeResult> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const response = await exchange({ url, method: 'POST', headers, body: initialize }, signal);
  try {
    return await judge(response);
  } finally {
    response.destroy();
    await closeSession(url, response.headers['mcp-session-id'], signal);
  }
}

async function judge(response: IncomingMessage): Promise<ProbeResult> {
  const status = response.statusCode ?? 0;
  if (status < 200 || status >= 300) return { ok: false, reason: `HTTP ${status}` };
  const streamed = /event-stream/.test(response.headers['content-type'] ?? '');
  const answer = streamed ? await answerInStream(response) : answerIn((await readBody(response)) ?? '');
  if (answer === undefined) return { ok: false, reason: 'not an MCP answer' };
  if (answer.error === undefined) return { ok: true };
  return { ok: false, reason: tidy(`MCP error ${answer.error.code}: ${answer.error.message}`) };
}

/** The JSON-RPC response to our request: it has a result or an error. */
interface Answer {
  readonly error?: { readonly code?: unknown; readonly message?: unknown };
}

function answerIn(json: string): Answer | undefined {
  try {
    const message = JSON.parse(json);
    if (message?.id !== requestId) return undefined;
    if (typeof message.error === 'object' && message.error !== null) return { error: message.error };
    return typeof message.result === 'object' && message.result !== null ? {} : undefined;
  } catch {
    return undefined;
  }
}

/** A server may send other messages first, and keeps the stream open as long as it likes. */
async function answerInStream(response: IncomingMessage): Promise<Answer | undefined> {
  for await (const data of eventsOf(response)) {
    const answer = answerIn(data);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/** What comes before the answer, and it. A server may be made to stream for ever. */
const longestStream = 1024 * 1024;

/** The `data` of each event of a stream (WHATWG HTML, "Server-sent events"), as long as they are no more than 1 MiB. */
async function* eventsOf(response: IncomingMessage): AsyncGenerator<string> {
  let left = longestStream;
  let line = '';
  let carriageReturn = '';
  let data: string[] = [];
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    left -= chunk.length;
    if (left < 0) return;
    // A line may end with CR, LF or both: whether a LF follows is in the next chunk.
    const text = carriageReturn + chunk;
    carriageReturn = text.endsWith('\r') ? '\r' : '';
    const [first = '', ...others] = text.slice(0, text.length - carriageReturn.length).split(/\r\n|\r|\n/);
    line += first;
    for (const next of others) {
      if (line.startsWith('data:')) data.push(line.slice('data:'.length));
      if (line === '') {
        yield data.join('\n');
        data = [];
      }
      line = next;
    }
  }
}

/** A server that keeps sessions would keep one for every probe. What it answers does not matter: some refuse with 405. */
async function closeSession(url: string, session: string | string[] | undefined, signal: AbortSignal): Promise<void> {
  if (typeof session !== 'string') return;
  const headers = { 'mcp-session-id': session, 'mcp-protocol-version': protocolVersion };
  const response = await exchange({ url, method: 'DELETE', headers }, signal).catch(() => undefined);
  response?.destroy();
}
