import fc from 'fast-check';
import { pino } from 'pino';
import t from 'tap';
import { jsonFormat, prefixFormat } from '../../src/host/output-format.ts';

const now = 1_700_000_000_000;

function lines(text: string | Buffer) {
  return { bytes: Buffer.from(text), partial: false };
}

/** The record that pino itself writes. */
function pinoRecord(fields: object, message: string): string {
  let record = '';
  const logger = pino(
    { base: { service: 'hub', stream: 'stdout' }, timestamp: () => `,"time":${now}` },
    {
      write: (line: string) => {
        record = line;
      },
    },
  );
  logger.info(fields, message);
  return record;
}

t.test('B13 prefix: pads the name to the longest one', async (t) => {
  const format = prefixFormat('hub', ['hub', 'gateway'], false);
  t.equal(format(lines('one\n\ntwo\n')).toString(), 'hub     | one\nhub     | \nhub     | two\n');
});

t.test('B13 prefix: colours the name, not the line, each service in its own', async (t) => {
  const [hub, gateway] = ['hub', 'gateway'].map((name) =>
    prefixFormat(name, ['hub', 'gateway'], true)(lines('x\n')).toString(),
  );
  t.equal(hub, '\x1b[36mhub     |\x1b[0m x\n');
  t.not(hub?.slice(0, 5), gateway?.slice(0, 5));
});

t.test('B13 prefix: marks a piece that goes on', async (t) => {
  const format = prefixFormat('hub', ['hub'], false);
  t.equal(format({ bytes: Buffer.from('half'), partial: true }).toString(), 'hub | half [...]\n');
});

t.test('B13 prefix: leaves every byte of the line as it is, but control characters', async (t) => {
  const every = Buffer.from(
    Array.from({ length: 256 - 0x20 }, (_, index) => index + 0x20).filter((byte) => byte !== 0x7f),
  );
  const formatted = prefixFormat('hub', ['hub'], false)(lines(Buffer.concat([every, Buffer.from('\n')])));
  t.strictSame(formatted.subarray('hub | '.length, -1), every);
});

t.test('B13 json: writes byte for byte what pino writes', async (t) => {
  const format = jsonFormat('hub', 'stdout', () => now);
  const special = [
    '',
    'plain',
    '"quoted"',
    'back\\slash',
    '\0\u0001\t\r\x7f',
    '\u2028\u2029',
    '€ 😀',
    '{"level":60,"msg":"x"}',
  ];
  for (const [index, text] of special.entries())
    t.equal(format(lines(`${text}\n`)).toString(), pinoRecord({}, text), `special ${index}`);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (text) => {
      const line = text.replaceAll('\n', ' ');
      return format(lines(`${line}\n`)).toString() === pinoRecord({}, line);
    }),
  );
});

t.test('B13 json: marks a piece that goes on', async (t) => {
  const format = jsonFormat('hub', 'stdout', () => now);
  t.equal(format({ bytes: Buffer.from('half'), partial: true }).toString(), pinoRecord({ partial: true }, 'half'));
});

t.test('B13 json: one valid record a line for any bytes at all', async () => {
  const format = jsonFormat('hub', 'stderr');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const input = Buffer.concat([bytes, Buffer.from('\n')]);
      const records = format(lines(input)).toString().split('\n').slice(0, -1);
      const messages = records.map((record) => JSON.parse(record).msg);
      return messages.join('\n') === input.subarray(0, -1).toString();
    }),
  );
});

/** Mostly what logs are made of, now and then what they rarely are. */
const piece = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('listening on 7300', 'x'.repeat(90), '\n', ' ') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '"',
      '\\',
      '\t',
      '\r\n',
      'é',
      '\u00a0',
      '日本',
      '\u2028',
      '\x1b[32m',
      '\x1b[2J',
      '\x7f',
      '\x9b',
    ),
  },
);
const pieces = fc.array(piece, { maxLength: 60 }).map((all) => Buffer.from(all.join('')));
const anything = fc.array(
  fc.oneof({ weight: 4, arbitrary: pieces }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }) }),
);

/** Each with its newline. */
function linesOf(block: Buffer): Buffer[] {
  const end = block.indexOf('\n') + 1;
  return end === 0 ? [] : [block.subarray(0, end), ...linesOf(block.subarray(end))];
}

for (const [name, format] of [
  ['prefix', prefixFormat('hub', ['hub', 'gateway'], true)],
  ['json', jsonFormat('hub', 'stdout', () => now)],
] as const) {
  t.test(`B13 ${name}: a block is formatted as its lines are, one by one, whatever is in the others`, async () => {
    fc.assert(
      fc.property(anything, (parts) => {
        const block = Buffer.concat([...parts, Buffer.from('\n')]);
        const alone = linesOf(block).map((bytes) => format({ bytes, partial: false }));
        return format({ bytes: block, partial: false }).equals(Buffer.concat(alone));
      }),
      { numRuns: 1_000 },
    );
  });
}
