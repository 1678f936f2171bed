/**
 * Whether a text is JSON or YAML, and if not, where it stops being that. Node's own message for JSON has no place in
 * some versions and quotes the file in others; a file may hold secrets, so what is said here never quotes it.
 */

import { mostYamlBytes, mostYamlLevels, tooDeepAt } from '../core/yaml-bounds.ts';

/** The first thing that is wrong. Lines and columns count from 1. */
export interface SyntaxProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What is wrong with a text that should be JSON (RFC 8259). */
export function jsonProblem(text: string): SyntaxProblem | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    const { offset, message } = locate(text);
    return { ...placeOf(text, offset), message };
  }
}

/** The same for YAML 1.2, of one document or several. */
export async function yamlProblem(text: string): Promise<SyntaxProblem | undefined> {
  const { Lexer, parseAllDocuments, visit } = await import('yaml');
  if (text.length > mostYamlBytes) {
    return { line: 1, column: 1, message: `it is too long; accepted: at most ${mostYamlBytes} bytes (1 MiB)` };
  }
  const deep = tooDeepAt(new Lexer().lex(text));
  if (deep !== undefined) {
    return { line: deep, column: 1, message: `nested too deeply; accepted: at most ${mostYamlLevels} levels` };
  }
  const documents = parseAllDocuments(text, { prettyErrors: false });
  for (const document of documents) {
    const [error] = document.errors;
    if (error) return { ...placeOf(text, error.pos[0]), message: plainCode(error.code) };
    let dangling: number | undefined;
    const anchors = new Set<string>();
    // In the order of the text. An alias that looks its anchor up itself walks the whole document, each of them.
    visit(document, {
      Alias: (_key, alias) => {
        if (!anchors.has(alias.source)) dangling ??= alias.range?.[0] ?? 0;
      },
      Value: (_key, { anchor }) => {
        if (anchor !== undefined) anchors.add(anchor);
      },
    });
    if (dangling !== undefined) return { ...placeOf(text, dangling), message: 'an alias without its anchor' };
  }
  return undefined;
}

/** `BAD_INDENT` becomes `bad indent`: the library's messages quote the text. */
function plainCode(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

const blanks = /[ \t\n\r]*/y;
const token =
  /[{}[\],:]|"[^"\\\p{Cc}]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\p{Cc}]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?!\w)/uy;

/** What may come next. */
type Expected =
  | 'a value'
  | 'a value or ]'
  | 'a key or }'
  | 'a key'
  | 'a colon'
  | 'a comma or }'
  | 'a comma or ]'
  | 'the end';

/** Walks through the tokens up to the first that does not fit. */
function locate(text: string): { readonly offset: number; readonly message: string } {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'a value';
  let offset = 0;
  for (;;) {
    blanks.lastIndex = offset;
    blanks.test(text);
    offset = blanks.lastIndex;
    token.lastIndex = offset;
    const [word] = token.exec(text) ?? [];
    const next: Expected | undefined = word === undefined ? undefined : after(word, expected, open);
    if (word === undefined || next === undefined)
      return { offset, message: complaint(text.charAt(offset), word, expected) };
    expected = next;
    offset += word.length;
  }
}

/** What is expected after a token; `undefined` if it does not fit. Keeps the open brackets. */
function after(word: string, expected: Expected, open: ('{' | '[')[]): Expected | undefined {
  const isValue = expected === 'a value' || expected === 'a value or ]';
  const closes = expected.endsWith(word) && (word === '}' || word === ']');
  if (closes) open.pop();
  else if (word === '{' || word === '[') {
    if (!isValue) return undefined;
    open.push(word);
    return word === '{' ? 'a key or }' : 'a value or ]';
  } else if (word === ',') {
    if (!expected.startsWith('a comma')) return undefined;
    return open.at(-1) === '{' ? 'a key' : 'a value';
  } else if (word === ':') {
    return expected === 'a colon' ? 'a value' : undefined;
  } else if (expected === 'a key' || expected === 'a key or }') {
    return word.startsWith('"') ? 'a colon' : undefined;
  } else if (!isValue || /^[}\]]/.test(word)) return undefined;
  const around = open.at(-1);
  if (around === undefined) return 'the end';
  return around === '{' ? 'a comma or }' : 'a comma or ]';
}

function complaint(character: string, word: string | undefined, expected: Expected): string {
  if (character === '') return `${expected} is expected, and the file ends`;
  if (word !== undefined) return `${expected} is expected`;
  if (character === '"') return 'a string that is not closed, or holds a control character or a wrong escape';
  if (character === "'") return `${expected} is expected; strings have double quotes`;
  if (character === '/' || character === '#') return `${expected} is expected; JSON has no comments`;
  return character === '\uFEFF' ? 'a byte order mark' : `${expected} is expected`;
}
