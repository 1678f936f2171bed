import fc from 'fast-check';
import t from 'tap';
import { type Answer, maxBodyBytes, readAnswer } from '../../src/cli/http-answer.ts';

const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';

function read(text: string, isEnd = false): Answer | undefined {
  return readAnswer(Buffer.from(text), isEnd);
}

function bodyOf(answer: Answer | undefined): string | undefined {
  return answer !== undefined && 'response' in answer ? answer.response.body : undefined;
}

t.test('a body ends by its length, by its last chunk or with the connection', async (t) => {
  t.same(read(`${head}Content-Length: 2\r\n\r\n{}rest`), {
    response: { status: 200, contentType: 'application/json', body: '{}' },
  });
  t.equal(
    bodyOf(read(`${head}Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{"\r\nA \r\nabcdefghij\r\n0\r\n\r\n`)),
    '{"abcdefghij',
  );
  t.equal(read(`${head}\r\n{}`), undefined);
  t.equal(bodyOf(read(`${head}\r\n{}`, true)), '{}');
  t.equal(bodyOf(read('HTTP/1.1 204 No Content\r\n\r\n')), '');
  t.equal(bodyOf(read('HTTP/1.0 503\r\n\r\n', true)), '');
});

t.test('header names have no case, an interim answer is passed over', async (t) => {
  const answer = read(
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nCONTENT-LENGTH:2\r\ncontent-type:  text/plain \r\n\r\nno',
  );
  t.same(answer, { response: { status: 503, contentType: 'text/plain', body: 'no' } });
});

t.test('what is cut, too long or not HTTP is no answer', async (t) => {
  const noAnswers: readonly [string, Answer | undefined][] = [
    ['nothing', read('', true)],
    ['half a head', read('HTTP/1.1 200 OK\r\nContent-', true)],
    ['half a body', read(`${head}Content-Length: 3\r\n\r\n{}`, true)],
    ['half a chunk', read(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nabc`, true)],
    ['no last chunk', read(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`, true)],
    ['a bad chunk size', read(`${head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`)],
    ['a chunk that does not end where it says', read(`${head}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`)],
    ['a bad length', read(`${head}Content-Length: -1\r\n\r\n`)],
    ['another protocol', read('SSH-2.0-OpenSSH_9.2\r\n\r\n')],
    ['endless headers', read(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`)],
    ['a length beyond the bound', read(`${head}Content-Length: 999999999\r\n\r\n${'x'.repeat(maxBodyBytes + 1)}`)],
    ['a body beyond the bound', read(`${head}\r\n${'x'.repeat(maxBodyBytes + 1)}`)],
  ];
  for (const [name, answer] of noAnswers) t.ok(answer !== undefined && 'noAnswer' in answer, name);
});

t.test('a body of the largest size is read', async (t) => {
  const body = 'x'.repeat(maxBodyBytes);
  t.equal(bodyOf(read(`${head}Content-Length: ${maxBodyBytes}\r\n\r\n${body}`))?.length, maxBodyBytes);
  const half = maxBodyBytes / 2;
  const chunk = `${half.toString(16)}\r\n${'x'.repeat(half)}\r\n`;
  t.equal(bodyOf(read(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`))?.length, maxBodyBytes);
});

t.test('where the bytes are split does not matter: no prefix is read as an answer', async () => {
  const answers = fc.array(fc.string({ minLength: 1 }), { maxLength: 5 }).map((parts) => {
    const chunks = parts.map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`);
    return {
      body: parts.join(''),
      bytes: Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n`),
    };
  });
  fc.assert(
    fc.property(answers, ({ body, bytes }) => {
      for (let length = 0; length < bytes.length; length++) {
        if (readAnswer(bytes.subarray(0, length), false) !== undefined) return false;
      }
      return bodyOf(readAnswer(bytes, false)) === body;
    }),
  );
});

t.test('no bytes whatever make it throw', async () => {
  const pieces = fc.constantFrom(
    'HTTP/1.1 200 OK',
    '\r\n',
    '\r\n\r\n',
    'Transfer-Encoding: chunked',
    'Content-Length: 3',
    '0',
    'ff',
    ':',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string())), fc.boolean(), (parts, isEnd) => {
      const answer = read(parts.join(''), isEnd);
      return isEnd ? answer !== undefined : true;
    }),
    { numRuns: 2_000 },
  );
});
