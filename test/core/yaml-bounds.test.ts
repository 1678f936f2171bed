import t from 'tap';
import { Lexer } from 'yaml';
import { mostYamlBytes, mostYamlLevels, tooDeepAt } from '../../src/core/yaml-bounds.ts';

const lex = (text: string) => [...new Lexer().lex(text)];

/** How many levels are open at the end of the text: what is missing to the most, in brackets. */
function levelsAfter(tokens: readonly string[]): number {
  let brackets = 0;
  const isTooDeep = () => tooDeepAt([...tokens, ...Array<string>(brackets).fill('[')]) !== undefined;
  while (brackets <= mostYamlLevels && !isTooDeep()) brackets += 1;
  return mostYamlLevels + 1 - brackets;
}

const cells: readonly (readonly [text: string, levels: number])[] = [
  // A line, and each indicator in it, opens one where it begins.
  ['a: ', 2],
  ['a:\n  b: ', 4],
  ['a:\n  b:\n    c: ', 6],
  // A line closes all that began at its column or behind it.
  ['aaaa:\n  b: ', 3],
  ['a: 1\nb: ', 2],
  ['a:\n  b:\n    c: 1\n  d: ', 4],
  ['a:\n  b:\n    c: 1\nd: ', 2],
  ['- - ', 2],
  ['- - - ', 3],
  ['- - 1\n- ', 1],
  ['- - 1\n  - ', 2],
  ['- ? ', 2],
  ['? a\n: ', 1],
  // What is indented as a whole is no deeper for it.
  ['  - ', 1],
  ['  a: ', 2],
  ['  - \n   - ', 2],
  // Brackets; inside of them lines and indicators count for nothing.
  ['a: [', 3],
  ['a: {', 3],
  ['a: [{', 4],
  ['a: []', 2],
  ['a: {}', 2],
  ['a: [{}', 3],
  ['a: [[]]\nb: [', 3],
  ['a: [\n  1, -', 3],
  ['a: [b: c, d: ', 3],
  ['a: ]]]', 2],
  ['a: }}}', 2],
  ['a: ]]][', 3],
  // What is empty closes nothing.
  ['a:\n\n  b: ', 4],
  ['a:\n   \n  b: ', 4],
  ['a:\n \t\n  b: ', 4],
  ['a:\r\n\r\n  b: ', 4],
  ['a:\n# - c: [\n  b: ', 4],
  ['a: # [[[\n  b: ', 4],
  // Anchors and tags end as they like.
  ['a: &b- ', 2],
  ['a: !b? ', 2],
  // Text is text.
  ['a: "[[[ - : {"', 2],
  ['a: "[\n  - [ - :"\nb: ', 2],
  ["a: '[{'", 2],
  ['a: x [{ -', 2],
  ['a: |\n  [\n  - - - -\n  {', 2],
  ['- # ', 1],
  // A line is where it is, whatever stands above it.
  ['"aaaaaaaa\nb" : \n  - ', 2],
  ['"a\n  b": - ', 3],
  ['"a\n  b" : - "1"\n      - ', 3],
  ['? "aaaaaaaa\n  b"\n: - ', 2],
  ['? - "aaaaaaaa\n b" : \n   - ', 3],
];

for (const [text, levels] of cells) t.equal(levelsAfter(lex(text)), levels, `${JSON.stringify(text)}: ${levels}`);

t.test('text that is nothing but an indicator is text all the same', async (t) => {
  const textMark = '\x1f';
  for (const text of ['[', '{', ']', '}', '-', '?', ':', '# x', ' ', '\x02']) {
    const levels = levelsAfter(['-', ' ', textMark, text]);
    t.equal(levels, 1, JSON.stringify(text));
  }
});

t.test('marks of the lexer take no room in a line', async (t) => {
  for (const mark of ['\x02', '\x18', '\x1f']) t.equal(levelsAfter(['-', mark, 'x', '-', '\n', '   ', '-']), 3);
});

t.test('B20 the bound is a hundred levels: one more is too deep, in the line where it is', async (t) => {
  t.equal(mostYamlLevels, 100);
  t.equal(mostYamlBytes, 1_048_576);
  for (const open of ['[', '{', '- ', '? ']) {
    const own = open.length === 1 ? 1 : 0;
    t.equal(tooDeepAt(lex(open.repeat(100 - own))), undefined, `${open} fits`);
    t.equal(tooDeepAt(lex(open.repeat(101 - own))), 1, `${open} does not`);
  }
  const staircase = Array.from({ length: 101 }, (_, depth) => `${' '.repeat(depth)}-`);
  t.equal(tooDeepAt(lex(staircase.slice(0, 100).join('\n'))), undefined);
  t.equal(tooDeepAt(lex(staircase.join('\n'))), 101);
});

t.test('B20 lines are counted through comments, empty lines, text of several lines and CRLF', async (t) => {
  const deep = `a: ${'['.repeat(100)}`;
  t.equal(tooDeepAt(lex(`# c\n\n${deep}`)), 3);
  t.equal(tooDeepAt(lex(`b: "1\n  2\n  3"\n${deep}`)), 4);
  t.equal(tooDeepAt(lex(`b: |\n  1\n  2\nc: 1\n${deep}`)), 5);
  t.equal(tooDeepAt(lex(`b: 1\r\nc: 2\r\n${deep}`)), 3);
});

t.test('B20 a file may be long as long as it is not deep', async (t) => {
  t.equal(tooDeepAt(lex('- a: [[1], {b: 2}]\n  c: |\n    [\n'.repeat(2_000))), undefined);
});
