/**
 * docs/security.md: a text of ill will makes a regular expression backtrack without end, and with it PID 1. Every one in
 * src/ is found in its text and judged by recheck, which proves it linear or finds a string that is not; what it cannot
 * prove is tried.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkSync } from 'recheck';
import t from 'tap';
import { printable } from '../../src/cli/printable.ts';
import { splitUrls } from '../../src/config/dependency-url.ts';
import { parseDurationMs } from '../../src/config/duration.ts';
import { maskCommand, maskUrl, maskValue, secretHider } from '../../src/config/mask.ts';
import { showWord, splitWords } from '../../src/config/words.ts';
import { hideUserinfo } from '../../src/core/userinfo.ts';
import { visible } from '../../src/core/visible.ts';
import { jsonProblem } from '../../src/host/data-file.ts';
import { colorOrControlSource, controlSource, prefixFormat } from '../../src/host/output-format.ts';
import { tidy } from '../../src/host/reason.ts';

const source = join(import.meta.dirname, '../../src');

/** Behind one of these, and nothing else, a slash begins a regular expression in formatted code. */
const literal =
  /(?:[(,=:[!&|?{};>]|^|\breturn)\s*\/(?![*/\s])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+)\/([dgimsuvy]*)/gm;

/** Each once, with the file that it was found in first. Of a string that looks like one, most are none. */
function expressions(): Map<string, { readonly place: string; readonly expression: RegExp }> {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const found = new Map<string, { readonly place: string; readonly expression: RegExp }>();
  for (const place of files.sort()) {
    const text = readFileSync(join(source, place), 'utf8').replace(/^\s*(\*|\/\*|\/\/).*$/gm, '');
    for (const [, pattern = '', flags = ''] of text.matchAll(literal)) {
      const expression = compiled(pattern, flags);
      if (expression && !found.has(String(expression))) found.set(String(expression), { place, expression });
    }
  }
  return found;
}

function compiled(pattern: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(pattern, flags);
  } catch {
    return undefined;
  }
}

/** What is not written as a literal. */
const made = [controlSource, colorOrControlSource];

const found = expressions();
const all = [
  ...found.values(),
  ...made.map((pattern) => ({ place: 'host/output-format.ts', expression: new RegExp(pattern) })),
];

t.test('every regular expression of src is found', async (t) => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  for (const name of files) {
    const text = readFileSync(join(source, name), 'utf8');
    // A call on a literal, and the constructor, can be seen otherwise, too.
    for (const [, pattern] of text.matchAll(/\/((?:\\.|[^/\n])+)\/[a-z]*\.(?:test|exec)\(/g)) {
      t.ok(
        [...found.values()].some(({ expression }) => expression.source.endsWith(pattern ?? '')),
        `${name}: ${pattern}`,
      );
    }
    if (/\bRegExp\(/.test(text)) t.equal(name, 'host/output-format.ts', 'to be named in this test');
  }
});

t.test('threat: a text makes a regular expression backtrack without end: each is linear', async (t) => {
  // Without a quantifier that has no end there is nothing to repeat.
  const repeating = all.filter(({ expression }) => /[*+]|\{\d+,\d*\}/.test(expression.source));
  for (const { place, expression } of repeating) {
    const { status, ...rest } = checkSync(expression.source, expression.flags.replace(/[dv]/g, ''), { timeout: 5_000 });
    // What is not settled in time is no finding; a machine at leisure settles all of them.
    t.not(status, 'vulnerable', `${place}: ${expression} ${'complexity' in rest ? rest.complexity?.summary : ''}`);
  }
});

const length = 100_000;
const texts = [
  '/',
  ':',
  '://',
  '://a@',
  ',',
  '://a,b://',
  '-',
  '"',
  "'",
  '\\',
  '-a ',
  '=',
  'a=',
  '?a',
  '\n',
  '\r',
  '\u001b[',
  '[',
  ' ',
  '.',
  '%',
];
const judges: Readonly<Record<string, (text: string) => unknown>> = {
  hideUserinfo,
  maskUrl,
  maskValue: (text) => maskValue('X', text),
  maskCommand: (text) => maskCommand([text, text]),
  secretHider: (text) => secretHider([text, `http://${text}`])(text),
  splitUrls,
  splitWords,
  tidy,
  printable,
  visible,
  showWord,
  parseDurationMs,
  jsonProblem,
  prefix: (text) => prefixFormat('a', ['a'], true)({ bytes: Buffer.from(text), partial: true }),
};

for (const [name, judge] of Object.entries(judges)) {
  t.test(`threat: a text of ${length} characters holds ${name} up: it does not`, async (t) => {
    for (const text of texts) {
      for (const long of [
        text.repeat(length / text.length),
        `x${text.repeat(length / text.length)}x`,
        `${text.repeat(length / text.length)}\0`,
      ]) {
        const before = process.cpuUsage();
        judge(long);
        const { user, system } = process.cpuUsage(before);
        // By the square it would be tens of seconds. The time of others on a busy machine is not counted.
        t.ok(user + system < 2_000_000, JSON.stringify(text));
      }
    }
  });
}
