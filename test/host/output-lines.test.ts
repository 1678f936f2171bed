import fc from 'fast-check';
import t from 'tap';
import { type LineBlock, makeLineSplitter, maxLineBytes } from '../../src/host/output-lines.ts';

/** What the blocks say, with `+` in place of the newline that a partial piece lacks. */
function show(blocks: readonly LineBlock[]): string[] {
  return blocks.map(({ bytes, partial }) => bytes.toString() + (partial ? '+' : ''));
}

function split(chunks: readonly Buffer[], limitBytes?: number): LineBlock[] {
  const splitter = makeLineSplitter(limitBytes);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

t.test('B13 hands out whole lines, those of one chunk together', async (t) => {
  t.strictSame(show(split([Buffer.from('a\nb\nc'), Buffer.from('d\n')])), ['a\nb\n', 'cd\n']);
});

t.test('B13 keeps the last line that has no newline, and gives it one', async (t) => {
  t.strictSame(show(split([Buffer.from('a\nend')])), ['a\n', 'end\n']);
});

t.test('B13 makes no line of nothing', async (t) => {
  t.strictSame(split([]), []);
  t.strictSame(show(split([Buffer.from('a\n')])), ['a\n']);
  const splitter = makeLineSplitter();
  splitter.push(Buffer.from('end'));
  t.equal(splitter.end().length, 1);
  t.strictSame(splitter.end(), [], 'the end comes once');
});

t.test('B13 keeps empty lines', async (t) => {
  t.strictSame(show(split([Buffer.from('\n\na\n\n')])), ['\n\na\n\n']);
});

t.test('B13 splits a line that is longer than 16 KiB, and no other', async (t) => {
  const fits = 'x'.repeat(maxLineBytes);
  t.strictSame(show(split([Buffer.from(`${fits}\n`)])), [`${fits}\n`]);
  t.strictSame(show(split([Buffer.from(`a\n${fits}y\nb\n`)])), ['a\n', `${fits}+`, 'y\nb\n']);
  t.strictSame(show(split([Buffer.from(fits + fits)])), [`${fits}+`, `${fits}\n`], 'never an empty last piece');
});

t.test('B13 does not wait for the newline of an over-long line', async (t) => {
  const splitter = makeLineSplitter(4);
  t.strictSame(show(splitter.push(Buffer.from('abcdef'))), ['abcd+']);
});

t.test('B13 never cuts a UTF-8 character in two', async (t) => {
  t.strictSame(show(split([Buffer.from('ab€€\n')], 4)), ['ab+', '€+', '€\n']);
  const euro = Buffer.from('€');
  t.strictSame(show(split([euro.subarray(0, 1), euro.subarray(1, 2), euro.subarray(2)])), ['€\n']);
});

t.test('B13 cuts at the limit what is not UTF-8', async (t) => {
  const continuations = Buffer.alloc(9, 0x80);
  t.strictSame(
    split([continuations], 4).map(({ bytes }) => bytes.length),
    [4, 4, 2],
  );
});

t.test('B13 loses, adds and reorders nothing, however the bytes are cut into chunks', async () => {
  const byte = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0x0a, 0x61, 0x80, 0xc3, 0xe2) }, fc.nat(255));
  const chunk = fc.array(byte, { maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 12 }), fc.integer({ min: 4, max: 20 }), (chunks, limitBytes) => {
      const blocks = split(chunks, limitBytes);
      const input = Buffer.concat(chunks);
      const isCut = input.length > 0 && input.at(-1) !== 0x0a;
      const expected = isCut ? Buffer.concat([input, Buffer.from('\n')]) : input;
      const lines = blocks.flatMap(({ bytes }) => bytes.toString('latin1').split('\n'));
      return (
        Buffer.concat(blocks.map(({ bytes }) => bytes)).equals(expected) &&
        lines.every((line) => line.length <= limitBytes) &&
        blocks.every(({ bytes, partial }) => partial !== (bytes.at(-1) === 0x0a))
      );
    }),
    { numRuns: 2_000 },
  );
});

t.test('B13 keeps nothing of a chunk whose bytes are used again', async (t) => {
  const splitter = makeLineSplitter();
  const chunk = Buffer.from('a\nrest');
  splitter.push(chunk);
  chunk.fill('x');
  t.strictSame(show(splitter.push(Buffer.from(' of it\n'))), ['rest of it\n']);
});
