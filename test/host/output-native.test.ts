/** What the addon writes of lines is what JavaScript writes, byte for byte; and it never writes beyond its room. */
import fc from 'fast-check';
import t from 'tap';
import { type LineWriter, native } from '../../src/host/native.ts';
import { jsonFormat, prefixFormat } from '../../src/host/output-format.ts';
import { giveBack, roomBytes, takeRoom } from '../../src/host/output-room.ts';

const { reaper } = native();
if (reaper === undefined) throw new Error('the addon is not built: npm run build');
const now = () => 1_700_000_000_000;

const word = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('listening on 7300', 'x'.repeat(90), 'xy', '\n', ' ', '\t') },
  { weight: 3, arbitrary: fc.constantFrom('"', '\\', '日本', 'é', '\u2028', '😀', '\u00a0') },
  { weight: 1, arbitrary: fc.nat(0x9f).map((code) => String.fromCharCode(code)) },
);
const text = fc.array(word, { maxLength: 40 }).map((words) => Buffer.from(words.join('')));
const plain = fc
  .array(fc.constantFrom('x'.repeat(15), 'x'.repeat(16), 'xyz', '\n'))
  .map((all) => Buffer.from(all.join('')));
const anyBytes = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
const long = fc.array(text, { minLength: 30, maxLength: 60 }).map((all) => Buffer.concat(all));
const block = fc
  .oneof({ weight: 3, arbitrary: plain }, { weight: 3, arbitrary: text }, { weight: 3, arbitrary: anyBytes }, long)
  .map((bytes) => Buffer.concat([bytes, Buffer.from('\n')]));

let written = 0;
const counted = (length: number) => {
  if (length >= 0) written += 1;
  return length;
};
const writer: LineWriter = {
  prefixLines: (...given) => counted(reaper.prefixLines(...given)),
  jsonLines: (...given) => counted(reaper.jsonLines(...given)),
};

const forms = {
  prefix: [prefixFormat('hub', ['hub', 'gateway'], true), prefixFormat('hub', ['hub', 'gateway'], true, writer)],
  json: [jsonFormat('hub', 'stdout', now), jsonFormat('hub', 'stdout', now, writer)],
} as const;

for (const [mode, [byScript, byAddon]] of Object.entries(forms)) {
  t.test(`B13 ${mode}: with and without the addon the output is the same, byte for byte`, async (t) => {
    written = 0;
    fc.assert(
      fc.property(block, fc.boolean(), (bytes, partial) => {
        const lines = { bytes, partial };
        const output = byAddon(lines);
        const isSame = output.equals(byScript(lines));
        giveBack(output);
        return isSame;
      }),
      { numRuns: 5_000 },
    );
    t.ok(written > 1_000, `${written} of 5000 were written by the addon`);
  });
}

t.test('B13 each byte alone and each escape of JSON is the same', async (t) => {
  for (let byte = 0; byte < 256; byte++) {
    for (const around of ['', 'x'.repeat(16)]) {
      const bytes = Buffer.concat([Buffer.from(around), Buffer.of(byte), Buffer.from(`${around}\n`)]);
      for (const [mode, [byScript, byAddon]] of Object.entries(forms)) {
        const [one, other] = [byScript({ bytes, partial: false }), byAddon({ bytes, partial: false })];
        t.ok(one.equals(other), `${mode} ${byte}`);
        giveBack(other);
      }
    }
  }
});

for (const [mode, write] of [
  ['prefix', reaper.prefixLines],
  ['json', reaper.jsonLines],
] as const) {
  t.test(`B13 ${mode}: what has no room is refused, and nothing beside the room is touched`, async () => {
    const head = Buffer.from('hub | ');
    fc.assert(
      fc.property(block, fc.nat(300), (bytes, size) => {
        const ample = Buffer.alloc(8 * bytes.length + 16 * head.length * (bytes.length + 1));
        const needed = write(bytes, head, ample);
        const guarded = Buffer.alloc(size + 64, 0xaa);
        const length = write(bytes, head, guarded.subarray(32, 32 + size));
        const isUntouched = [guarded.subarray(0, 32), guarded.subarray(32 + size)].every((one) =>
          one.every((byte) => byte === 0xaa),
        );
        const isRight = needed < 0 || needed > size ? length === -1 : length === needed;
        return isUntouched && isRight;
      }),
      { numRuns: 5_000 },
    );
  });
}

t.test('B13 what ends without a newline, and what is no buffer, is refused', async (t) => {
  const room = Buffer.alloc(1000);
  t.equal(reaper.prefixLines(Buffer.from('half'), Buffer.from('p'), room), -1);
  t.equal(reaper.jsonLines(Buffer.from('one\nhalf'), Buffer.from('p'), room), -1);
  t.ok(reaper.prefixLines('text' as never, Buffer.from('p'), room) < 0);
});

t.test('B13 room that was given back is taken again, and only once', async (t) => {
  const room = takeRoom();
  giveBack(room.subarray(0, 10));
  giveBack(room.subarray(0, 10));
  const [first, second] = [takeRoom(), takeRoom()];
  t.equal(first, room);
  t.not(second, room);
  giveBack(Buffer.alloc(10));
  t.not(takeRoom(), first);
});

t.test('B13 short lines that wait in a queue hold no room', async (t) => {
  const format = prefixFormat('hub', ['hub'], false, writer);
  const [short, other, large] = ['x\n', 'y\n', 'z\n'.repeat(10_000)].map((text) =>
    format({ bytes: Buffer.from(text), partial: false }),
  );
  // A pool of Node's own: 8 KiB, and 64 and a little in newer ones.
  t.ok((short?.buffer.byteLength ?? roomBytes) < roomBytes);
  t.equal(short?.toString(), 'hub | x\n', 'and are not written over');
  t.equal(other?.toString(), 'hub | y\n');
  t.equal(large?.toString(), 'hub | z\n'.repeat(10_000));
});
