/**
 * What is wrong with a file, collected: each problem with file, line and column, the path of the key, the value as far as it may
 * be shown, and what is accepted.
 */
import * as z from 'zod/mini';
import type { Problem } from '../../core/errors.ts';
import type { Remark } from '../config.ts';
import { mask, maskValue } from '../mask.ts';
import { nearest } from '../nearest.ts';
import { type Kind, suggestion } from './kinds.ts';
import { type Located, type Path, type Position, partAt, plainOf, positionOf } from './located.ts';

/** The most of a value that is shown. */
const shownCharacters = 60;

export class Complaints {
  /** What is no problem, and yet to be told. */
  readonly remarks: Remark[] = [];
  readonly #file: string;
  readonly #root: Located;
  readonly #settled = new Set<string>();
  readonly #found = new Map<string, Problem & { readonly at: Position }>();

  /** @param file as the operator calls it */
  constructor(file: string, root: Located) {
    this.#file = file;
    this.#root = root;
  }

  /** In the order of the file. */
  get problems(): readonly Problem[] {
    const order = (a: { at: Position }, b: { at: Position }) => a.at.line - b.at.line || a.at.column - b.at.column;
    return [...this.#found.values()].sort(order).map(({ subject, message }) => ({ subject, message }));
  }

  /** Why there is no value at a path: what follows from that is not told. */
  missing(path: Path, message: string): void {
    this.at(path, message);
    this.#settled.add(placeText(this.#file, positionOf(this.#root, path)));
  }

  /** Whether it is told already that there is no value at a path. */
  isSettled(path: Path): boolean {
    return this.#settled.has(placeText(this.#file, positionOf(this.#root, path)));
  }

  /** What the key or the element at a path is called in a message: where it stands, and its path. */
  subjectOf(path: Path): string {
    return `${placeText(this.#file, positionOf(this.#root, path))}: ${pathText(path)}`;
  }

  /** Something about the key or the element at a path. A shared part is complained about once. */
  at(path: Path, message: string): void {
    const at = positionOf(this.#root, path);
    const problem = { at, subject: placeText(this.#file, at), message: `${pathText(path)}: ${message}` };
    const known = `${problem.subject} ${message}`;
    if (!this.#found.has(known) && !this.#settled.has(problem.subject)) this.#found.set(known, problem);
  }

  /** The value at a path, and what would be accepted. */
  value(path: Path, accepted: string): void {
    const part = partAt(this.#root, path);
    if (!part) this.at(path.slice(0, -1), `"${path.at(-1)}" is missing; accepted: ${accepted}`);
    else this.at(path, `${shown(part, path)} is not accepted; ${this.#meant(part, accepted)}accepted: ${accepted}`);
  }

  /** A key that nobody knows. */
  unknown(path: Path, known: readonly string[]): void {
    const name = String(path.at(-1));
    const meant = nearest(name, known);
    this.at(path, `unknown key; ${meant ? `did you mean "${meant}"?` : `accepted: ${known.join(', ')}, and x-…`}`);
  }

  #meant(part: Located, accepted: string): string {
    const meant = part.kind === 'scalar' && part.text && !part.isSecret ? suggestion(part.text, accepted) : undefined;
    return meant ? `did you mean "${meant}"? ` : '';
  }

  /** What a part of the file means, if it is acceptable. All that is wrong with it is told. */
  parse<T>(kind: Kind<T>, path: Path): T | undefined {
    const part = partAt(this.#root, path);
    if (!part) return undefined;
    const plain = plainOf(part, String(path.at(-1)));
    const first = z.safeParse(kind(), plain);
    if (first.success) return first.data;
    const issues = first.error.issues.flatMap(flatten);
    const [extensions, others] = [issues.filter(isExtension), issues.filter((issue) => !isExtension(issue))];
    if (extensions.length > 0) {
      withoutKeys(plain, extensions);
      const second = z.safeParse(kind(), plain);
      if (second.success) return second.data;
    }
    for (const issue of others) this.#tell(issue, path);
    return undefined;
  }

  #tell({ path, key, message }: Flat, above: Path): void {
    const whole = [...above, ...path];
    if (key === undefined) this.value(whole, message);
    else this.unknown([...whole, key], message.split(' '));
  }
}

/** `services.web.command[2]`, quotes around what is no word. */
function pathText(path: Path): string {
  const steps = path.map((step, index) => {
    if (typeof step === 'number') return `[${step}]`;
    const word = /^[\w-]+$/.test(step) ? step : JSON.stringify(step);
    return index === 0 ? word : `.${word}`;
  });
  return steps.join('') || 'the file';
}

export function placeText(file: string, { line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** A value for a message: masked if it may be secret, cut if it is long. */
function shown(part: Located, path: Path): string {
  if (part.kind === 'list') return 'a list';
  if (part.kind === 'map') return 'a map';
  if (part.text === null) return 'nothing';
  const isInEnvironment = path.includes('environment');
  const name = [...path].reverse().find((step) => typeof step === 'string') ?? '';
  const masked = part.isSecret || isInEnvironment ? mask : maskValue(String(name), part.text);
  return JSON.stringify(masked.length > shownCharacters ? `${masked.slice(0, shownCharacters)}…` : masked);
}

/** One thing that is wrong, without unions around it. */
interface Flat {
  readonly path: Path;
  /** A key that is not known at the path. */
  readonly key?: string;
  /** What is accepted; for an unknown key, the names of those that are known. */
  readonly message: string;
}

type Issue = z.core.$ZodIssue;

/**
 * Of a union, the form that was meant: the one that is wrong only further down. If that is not exactly one, all forms are
 * told of in the union's own words.
 */
function flatten(issue: Issue): Flat[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path, key, message: issue.message }));
  }
  if (issue.code !== 'invalid_union') return [{ path, message: issue.message }];
  const forms = issue.errors.map((errors) => errors.flatMap(flatten));
  const meant = forms.filter((form) => form.length > 0 && form.every(isDeeper));
  const [only] = meant.length === 1 ? meant : refined(forms, issue.errors);
  const own: Flat = { path, message: issue.message };
  return only ? only.map((flat) => ({ ...flat, path: [...path, ...flat.path] })) : [own];
}

function isDeeper({ path, key }: Flat): boolean {
  return path.length > 0 || key !== undefined;
}

/** A form that had the right shape, and a value that was refused, says more than the union does. */
function refined(forms: readonly Flat[][], errors: readonly Issue[][]): readonly Flat[][] {
  const custom = forms.filter((_form, index) => errors[index]?.every(({ code }) => code === 'custom'));
  return custom.length === 1 ? custom : [];
}

function isExtension({ key }: Flat): boolean {
  return key?.startsWith('x-') ?? false;
}

/** Takes the extensions out of the plain value. */
function withoutKeys(plain: unknown, extensions: readonly Flat[]): void {
  for (const { path, key } of extensions) {
    const parent = path.reduce((part, step) => (part as Record<string, unknown>)[step], plain);
    delete (parent as Record<string, unknown>)[key ?? ''];
  }
}
