/**
 * From bytes to a located tree: encoding, YAML's own rules, aliases and merge keys. JSON is read the same way, because it is
 * YAML. Bounds are kept on everything that a file could blow up: its size, its depth, what its aliases unfold to.
 */
import type { LineCounter, Node, Pair, YAMLError, YAMLMap } from 'yaml';
import { mostYamlBytes, mostYamlLevels, tooDeepAt } from '../../core/yaml-bounds.ts';
import type { Entry, Located, Position, Scalar } from './located.ts';

/** Values once every alias is replaced by what it stands for. */
const mostValues = 200_000;

/** One mistake can make a parser stumble over all that follows. */
const mostSyntaxProblems = 10;

/** Something that is wrong with the text. */
export interface TextProblem {
  readonly at: Position;
  readonly message: string;
}

/** No root: the problems say why. */
export interface ReadYaml {
  readonly root?: Located;
  readonly problems: readonly TextProblem[];
}

const start: Position = { line: 1, column: 1 };

/** Reads one document. Whatever is in the bytes, it throws nothing. @param accepted what stands in it, where there is nothing */
export async function readYaml(bytes: Uint8Array, accepted = 'a map with "services"'): Promise<ReadYaml> {
  const fail = (message: string, at = start): ReadYaml => ({ problems: [{ at, message }] });
  if (bytes.length > mostYamlBytes)
    return fail(`${bytes.length} bytes are too many; accepted: at most ${mostYamlBytes} (1 MiB)`);
  const text = decode(bytes);
  if (text === undefined) return fail('the file is not UTF-8; accepted: text in UTF-8');
  const { Lexer, LineCounter, parseDocument, isAlias, isMap, isScalar, isSeq } = await import('yaml');
  const line = tooDeepAt(new Lexer().lex(text));
  if (line !== undefined) {
    return fail(`it is nested too deeply; accepted: at most ${mostYamlLevels} levels`, { line, column: 1 });
  }
  const lines = new LineCounter();
  const options = { version: '1.2', schema: 'core', merge: true, uniqueKeys: false, prettyErrors: false } as const;
  const document = parseDocument(text, { ...options, lineCounter: lines });
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    return { problems: syntax.slice(0, mostSyntaxProblems).map((error) => syntaxProblem(error, lines)) };
  }
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    return fail(`the file is empty; accepted: ${accepted}`);
  }
  const converter = new Converter(lines, { isAlias, isMap, isScalar, isSeq });
  const root = converter.convert(document.contents, 0);
  return converter.problems.length > 0 ? { problems: converter.problems } : { root: root.part, problems: [] };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const syntaxMessages: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab is used as indentation; accepted: spaces',
  MULTIPLE_DOCS: 'a second document begins here; accepted: one document a file',
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " on the line; accepted: quotes around a value that has one',
  BAD_ALIAS: 'an alias that is not valid; accepted: *NAME after its &NAME',
  TAG_RESOLVE_FAILED: 'a tag that nothing is known of; accepted: values without tags',
};

function syntaxProblem({ code, message, pos }: YAMLError, lines: LineCounter): TextProblem {
  // What is quoted behind a colon is the file's text, and may be a secret.
  const words = message.replace(/: .*$/s, '').replace(/ ?%\S+.*$/s, '');
  return { at: positionAt(lines, pos[0]), message: syntaxMessages[code] ?? `not valid YAML: ${words}` };
}

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** A part, and how many values it unfolds to. */
interface Converted {
  readonly part: Located;
  readonly size: number;
}

/** The parser's guards, which come with the library when it is loaded. */
type Guards = Pick<typeof import('yaml'), 'isAlias' | 'isMap' | 'isScalar' | 'isSeq'>;

/** Unfolds a document: anchors become shared parts, merge keys become entries. */
class Converter {
  readonly problems: TextProblem[] = [];
  readonly #lines: LineCounter;
  readonly #guards: Guards;
  readonly #done = new Map<Node, Converted>();
  /** What is being converted: an alias into it would have no end. */
  readonly #open = new Set<Node>();
  /** Those before, in the order of the text. An alias that looks its own up walks the whole document, each of them. */
  readonly #anchors = new Map<string, Node>();
  #isTooLarge = false;

  constructor(lines: LineCounter, guards: Guards) {
    this.#lines = lines;
    this.#guards = guards;
  }

  convert(node: unknown, depth: number, at = start): Converted {
    if (node === null || node === undefined) return this.#nothing(at);
    const known = this.#done.get(node as Node);
    if (known) return known;
    const here = this.#positionOf(node as Node, at);
    if (this.#open.has(node as Node))
      return this.#refuse(at, 'an alias inside what it stands for; accepted: no cycles');
    if (depth > mostYamlLevels)
      return this.#refuse(here, `nested too deeply; accepted: at most ${mostYamlLevels} levels`);
    this.#open.add(node as Node);
    this.#note(node as Node);
    const converted = this.#convertNew(node as Node, depth, here);
    this.#open.delete(node as Node);
    this.#done.set(node as Node, converted);
    if (converted.size > mostValues && !this.#isTooLarge) {
      this.#isTooLarge = true;
      return this.#refuse(here, `more than ${mostValues} values once aliases are unfolded; accepted: fewer`);
    }
    return converted;
  }

  #note(node: Node): void {
    if ('anchor' in node && node.anchor) this.#anchors.set(node.anchor, node);
  }

  #convertNew(node: Node, depth: number, at: Position): Converted {
    const { isAlias, isMap, isScalar, isSeq } = this.#guards;
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      return target
        ? this.convert(target, depth + 1, at)
        : this.#refuse(at, `*${node.source}: there is no anchor &${node.source} before it`);
    }
    if (isScalar(node)) return this.#scalar(node.value, node.source, at);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.convert(item, depth + 1, at));
      return { part: { kind: 'list', at, items: items.map(({ part }) => part) }, size: sum(items) };
    }
    return isMap(node) ? this.#map(node, depth, at) : this.#nothing(at);
  }

  #scalar(value: unknown, source: string | undefined, at: Position): Converted {
    const text = typeof value === 'string' ? value : (source ?? String(value));
    if (text.includes('\0')) return this.#refuse(at, 'a NUL character; accepted: text without it');
    return { part: { kind: 'scalar', at, value: value as Scalar, text: value === null ? null : text }, size: 1 };
  }

  #map({ items }: YAMLMap, depth: number, at: Position): Converted {
    const entries = new Map<string, Entry>();
    const merged: Entry[] = [];
    let size = 1;
    for (const pair of items) {
      const key = this.#keyOf(pair, at);
      if (!key) continue;
      const { part, size: its } = this.convert(pair.value, depth + 1, key.at);
      size += its;
      if (key.isMerge) merged.push({ at: key.at, value: part });
      else if (entries.has(key.name)) this.#duplicate(key.name, key.at, entries);
      else entries.set(key.name, { at: key.at, value: part });
    }
    for (const source of merged) this.#merge(source, entries);
    return { part: { kind: 'map', at, entries }, size };
  }

  #duplicate(name: string, at: Position, entries: ReadonlyMap<string, Entry>): void {
    const first = entries.get(name)?.at.line;
    this.problems.push({ at, message: `"${name}" is there twice, first in line ${first}; accepted: each key once` });
  }

  /** Explicit keys win over merged ones, earlier sources over later ones. */
  #merge({ at, value }: Entry, entries: Map<string, Entry>): void {
    const sources = value.kind === 'list' ? value.items : [value];
    for (const source of sources) {
      if (source.kind === 'map') {
        for (const [name, entry] of source.entries) if (!entries.has(name)) entries.set(name, entry);
      } else {
        this.problems.push({ at, message: '<< merges maps; accepted: *NAME of a map, or a list of such' });
      }
    }
  }

  #keyOf(
    { key }: Pair,
    at: Position,
  ): { readonly name: string; readonly at: Position; readonly isMerge: boolean } | undefined {
    const { isScalar } = this.#guards;
    const here = this.#positionOf(key as Node, at);
    const name = isScalar(key) && (typeof key.value === 'string' ? key.value : key.source || undefined);
    if (!isScalar(key) || typeof name !== 'string') {
      this.problems.push({ at: here, message: 'a key that is no text; accepted: a word before the colon' });
      return undefined;
    }
    this.#note(key);
    // A quoted "<<" is a key like any other; the merge tag makes a symbol of the plain one.
    return { name, at: here, isMerge: key.source === '<<' && key.type === 'PLAIN' };
  }

  #nothing(at: Position): Converted {
    return { part: { kind: 'scalar', at, value: null, text: null }, size: 1 };
  }

  #refuse(at: Position, message: string): Converted {
    this.problems.push({ at, message });
    return this.#nothing(at);
  }

  #positionOf(node: Node | null | undefined, otherwise: Position): Position {
    const offset = node?.range?.[0];
    return offset === undefined ? otherwise : positionAt(this.#lines, offset);
  }
}

function sum(converted: readonly Converted[]): number {
  return converted.reduce((total, { size }) => total + size, 1);
}
