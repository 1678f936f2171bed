/**
 * Reading an HTTP/1.x answer, by hand: `node:http` would cost the health command a tenth of its time. It reads one
 * answer, with a length, in chunks or up to the end of the connection, within bounds. It sends nothing.
 */

/** What the health command wants to know of an answer. */
export interface HttpResponse {
  readonly status: number;
  /** As sent, or empty. */
  readonly contentType: string;
  readonly body: string;
}

/** An answer, or in a few words why there is none. */
export type Answer = { readonly response: HttpResponse } | { readonly noAnswer: string };

/** The largest body that is read. */
export const maxBodyBytes = 1024 * 1024;
const maxHeadBytes = 16 * 1024;
/** Head, body and what chunks cost besides. */
const maxBytes = 4 * maxBodyBytes;

/**
 * Reads what has come so far.
 * @param isEnd the peer will send no more
 * @returns `undefined` while more is needed
 */
export function readAnswer(bytes: Buffer, isEnd: boolean): Answer | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) {
    if (bytes.length > maxHeadBytes) return { noAnswer: 'the headers are too long' };
    return isEnd ? cutShort(bytes) : undefined;
  }
  const head = parseHead(bytes.toString('latin1', 0, headEnd));
  if (head === undefined) return { noAnswer: 'the answer is not HTTP' };
  const rest = bytes.subarray(headEnd + 4);
  if (head.status < 200) return readAnswer(rest, isEnd);
  const body = readBody(head, rest, isEnd);
  if (body === 'incomplete') return isEnd ? cutShort(bytes) : tooLong(bytes.length, maxBytes);
  if (body === 'malformed') return { noAnswer: 'the answer is not HTTP' };
  const { status, headers } = head;
  return (
    tooLong(body.length, maxBodyBytes) ?? {
      response: { status, contentType: headers.get('content-type') ?? '', body: body.toString() },
    }
  );
}

interface Head {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
}

function parseHead(text: string): Head | undefined {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
}

type Body = Buffer | 'incomplete' | 'malformed';

function readBody({ status, headers }: Head, rest: Buffer, isEnd: boolean): Body {
  if (status === 204 || status === 304) return Buffer.alloc(0);
  if (/\bchunked\b/i.test(headers.get('transfer-encoding') ?? '')) return readChunks(rest);
  const length = headers.get('content-length');
  if (length === undefined) return isEnd || rest.length > maxBodyBytes ? rest : 'incomplete';
  if (!/^\d{1,15}$/.test(length)) return 'malformed';
  const wanted = Math.min(Number(length), maxBodyBytes + 1);
  return rest.length < wanted ? 'incomplete' : rest.subarray(0, wanted);
}

/** RFC 9112, 7.1: size in hexadecimal, line end, that many bytes, line end; size 0 ends it. Trailers are not waited for. */
function readChunks(bytes: Buffer): Body {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return 'incomplete';
    const digits = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i.exec(bytes.toString('latin1', at, lineEnd))?.[1];
    if (digits === undefined) return 'malformed';
    const size = Number.parseInt(digits, 16);
    if (size === 0) return Buffer.concat(parts);
    const start = lineEnd + 2;
    const end = start + size;
    if (bytes.length < end + 2) return 'incomplete';
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') return 'malformed';
    parts.push(bytes.subarray(start, end));
    at = end + 2;
  }
}

function cutShort(bytes: Buffer): Answer {
  return { noAnswer: bytes.length === 0 ? 'the connection was closed without an answer' : 'the answer was cut short' };
}

function tooLong(length: number, limit: number): Answer | undefined {
  return length > limit ? { noAnswer: `the answer is larger than ${maxBodyBytes} bytes` } : undefined;
}
