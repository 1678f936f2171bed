import fc from 'fast-check';
import t from 'tap';
import { formatDuration, longestDurationMs, parseDurationMs } from '../../src/config/duration.ts';

t.test('a plain number is seconds, and every unit is understood', async (t) => {
  const cells = {
    '9': 9_000,
    '0': 0,
    '1.5': 1_500,
    '500ms': 500,
    '30s': 30_000,
    '2m': 120_000,
    '1h': 3_600_000,
    '1m30s': 90_000,
    '1h1m1s1ms': 3_661_001,
    '1.5m30s': 120_000,
    ' 4s ': 4_000,
  };
  for (const [text, ms] of Object.entries(cells)) t.equal(parseDurationMs(text), ms, text);
});

t.test('what is no duration is refused', async (t) => {
  const cells = [
    '',
    ' ',
    's',
    '-1',
    '+1',
    '1e3',
    '1 s',
    '1d',
    '1S',
    '.5',
    '1.',
    '1m30',
    'm30s',
    '1m 30s',
    '1.m30s',
    'Infinity',
    '0x10',
    '597h',
    '9'.repeat(400),
  ];
  for (const text of cells) t.equal(parseDurationMs(text), undefined, text);
});

t.test('a formatted duration reads back as the same', async () => {
  const anyDuration = fc.integer({ min: 0, max: longestDurationMs });
  fc.assert(fc.property(anyDuration, (ms) => parseDurationMs(formatDuration(ms)) === ms));
});
