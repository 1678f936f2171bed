import fc from 'fast-check';
import t from 'tap';
import { jsonProblem, yamlProblem } from '../../src/host/data-file.ts';

for (const [text, line, column, message] of [
  ['', 1, 1, 'a value is expected, and the file ends'],
  ['{\n  "a": 1,\n}', 3, 1, 'a key is expected'],
  ['{\n  "a" 1}', 2, 7, 'a colon is expected'],
  ['{"a": 1 "b": 2}', 1, 9, 'a comma or } is expected'],
  ['[1 2]', 1, 4, 'a comma or ] is expected'],
  ['[1,]', 1, 4, 'a value is expected'],
  ['[1}', 1, 3, 'a comma or ] is expected'],
  ['{"a": [', 1, 8, 'a value or ] is expected, and the file ends'],
  ['{} {}', 1, 4, 'the end is expected'],
  ["{'a': 1}", 1, 2, 'a key or } is expected; strings have double quotes'],
  ['{"a": 1, // note\n}', 1, 10, 'a key is expected; JSON has no comments'],
  ['{"a": "\t"}', 1, 7, 'a string that is not closed, or holds a control character or a wrong escape'],
  ['{"a": "x', 1, 7, 'a string that is not closed, or holds a control character or a wrong escape'],
  ['{"a": "\\x"}', 1, 7, 'a string that is not closed, or holds a control character or a wrong escape'],
  ['{"a": 01}', 1, 7, 'a value is expected'],
  ['{"a": nul}', 1, 7, 'a value is expected'],
  ['{"a": NaN}', 1, 7, 'a value is expected'],
  ['{1: 2}', 1, 2, 'a key or } is expected'],
  ['\uFEFF{}', 1, 1, 'a byte order mark'],
] as const) {
  t.test(`B20 JSON ${JSON.stringify(text)}: ${line}:${column} ${message}`, async (t) => {
    t.strictSame(jsonProblem(text), { line, column, message });
  });
}

t.test('B20 what is JSON has no problem', async (t) => {
  for (const text of ['{}', '[]', ' {"a":[1,-2.5e+3,{"b":"\\u00e9\\n\x7f"}],"c":null} \r\n', '"x"', '0', 'true']) {
    t.equal(jsonProblem(text), undefined, text);
  }
});

t.test('B20 wherever JSON is broken, the place is at the break or before, and the text is not quoted', async () => {
  const cut = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', '}', ']', ',', ':', '"', 'x', '\\', '\0'));
  fc.assert(
    fc.property(cut, ([json, where, insert]) => {
      const at = where % (json.length + 1);
      const text = json.slice(0, at) + insert + json.slice(insert === '' ? at + 1 : at);
      const problem = jsonProblem(text);
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      return isJson ? problem === undefined : problem !== undefined && problem.column <= text.length + 1;
    }),
    { numRuns: 2_000 },
  );
});

t.test('B20 a huge file, broken at its end, takes no time', async (t) => {
  const long = `["${'a\\n'.repeat(300_000)}", ${'[1,{"b":2}],'.repeat(50_000)} oops]`;
  const startedAt = performance.now();
  t.match(jsonProblem(long), { line: 1, column: long.length - 4 });
  t.match(jsonProblem('['.repeat(200_000)), { column: 200_001 });
  t.ok(performance.now() - startedAt < 2_000);
});

for (const [text, line, column, message] of [
  ['a: 1\nb: [1, 2\nc: 3\n', 3, 1, /./],
  ['a: 1\n  b: 2\n', 1, 4, /./],
  ['a: "x\n', 2, 1, 'missing char'],
  ['a: 1\na: 2\n', 2, 1, 'duplicate key'],
  ['a: *gone\n', 1, 4, 'an alias without its anchor'],
  ['a: 1\n---\nb: @x\n', 3, 4, /./],
  ['\ta: 1\n', 1, 1, /./],
] as const) {
  t.test(`B20 YAML ${JSON.stringify(text)}: ${line}:${column}`, async (t) => {
    const problem = await yamlProblem(text);
    t.match(problem, { line, column, message });
    t.notMatch(problem?.message, /gone|"x/);
  });
}

t.test('B20 what is YAML has no problem', async (t) => {
  for (const text of ['', 'a: &x 1\nb: *x\n', 'a: !Ref x\n', 'a: 1\n---\nb: 2\n', '{"a": 1}', '# only a comment\n']) {
    t.equal(await yamlProblem(text), undefined, text);
  }
});

t.test('B20 YAML that would take all memory or the whole stack is refused before it is parsed', async (t) => {
  const nested = Array.from({ length: 1_400 }, (_, depth) => `${' '.repeat(depth)}-`).join('\n');
  for (const text of ['['.repeat(100_000), '- '.repeat(100_000), '- &a ? '.repeat(50_000), '{['.repeat(1_000)]) {
    t.match(await yamlProblem(text), { line: 1, message: /nested too deeply; accepted: at most 100 levels/ });
  }
  t.match(await yamlProblem(nested), { line: 101, message: 'nested too deeply' });
  t.match(await yamlProblem(`# ${'x'.repeat(1024 * 1024)}`), { message: 'it is too long; accepted: at most 1048576' });
});

t.test('B20 what only looks deep is YAML: brackets and dashes in texts and comments, many lines', async (t) => {
  const brackets = '[ - '.repeat(200);
  const texts = [
    `a: "${brackets}"`,
    `a: |\n  ${brackets}\n  ${brackets}`,
    `# ${'- '.repeat(200)}\na: 1`,
    `a: x${brackets}`,
  ];
  const lists = [
    '- a: 1\n  b: [1, {c: 2}]\n'.repeat(500),
    `[${'[1, 2], '.repeat(500)}]`,
    'a: {b: 1, c: 2}\n---\n'.repeat(200),
  ];
  for (const text of [...texts, ...lists]) t.equal(await yamlProblem(text), undefined, text.slice(0, 20));
});

t.test('B20 many aliases of one anchor take no time', async (t) => {
  t.equal(await yamlProblem(`[&a x${',*a'.repeat(20_000)}]`), undefined);
  t.match(await yamlProblem('[*b, &b x]'), { line: 1, column: 2, message: 'an alias without its anchor' });
});
