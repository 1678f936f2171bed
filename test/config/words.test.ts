import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { joinWords, splitWords } from '../../src/config/words.ts';

t.test('B03 words are split as a shell splits them, and nothing is expanded', async (t) => {
  const cells: Record<string, readonly string[]> = {
    '': [],
    ' \t\n': [],
    'a  b\tc\nd': ['a', 'b', 'c', 'd'],
    '\'a b\' "c d" e\\ f': ['a b', 'c d', 'e f'],
    'a\'b\'"c"d': ['abcd'],
    '\'\' ""': ['', ''],
    "'a\\b'": ['a\\b'],
    '"a\\"b\\\\c\\$d\\`e\\nf"': ['a"b\\c$d`e\\nf'],
    'a\\\nb': ['ab'],
    '\\\n': [],
    '"a\\\nb"': ['ab'],
    '$HOME `id` $(id) *': ['$HOME', '`id`', '$(id)', '*'],
    'a;b | c & d # e': ['a;b', '|', 'c', '&', 'd', '#', 'e'],
    'é "ü x"': ['é', 'ü x'],
  };
  for (const [text, words] of Object.entries(cells)) t.strictSame(splitWords(text), { words }, JSON.stringify(text));
});

t.test('B03 an unbalanced quote is an error that says where', async (t) => {
  t.match(splitWords("ab 'c"), { problem: /single quote at character 4/ });
  t.match(splitWords('"c\\"'), { problem: /double quote at character 1/ });
  t.match(splitWords('a\\'), { problem: /backslash/ });
});

t.test('words that are quoted and joined split into the same words', async () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      const split = splitWords(joinWords(words));
      return 'words' in split && JSON.stringify(split.words) === JSON.stringify(words);
    }),
    { numRuns: 500 },
  );
});

t.test('joined words are what /bin/sh makes of them', async (t) => {
  const anyWord = fc.string({ unit: fc.constantFrom(...'ab \t\n\'"\\$`*?;|&#~!{}()<>=-') });
  fc.assert(
    fc.property(fc.array(anyWord, { minLength: 1, maxLength: 5 }), (words) => {
      const script = `printf '%s\\0' ${joinWords(words)}`;
      t.equal(execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }), words.map((word) => `${word}\0`).join(''));
    }),
    { numRuns: 30 },
  );
});
