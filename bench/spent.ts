/** What a program takes, by way of `spent.c`, from which it inherits next to nothing. */
import { readFileSync } from 'node:fs';
import type { Bench } from './bench.ts';

export interface Spent {
  readonly wallMs: number;
  /** User and system. */
  readonly cpuMs: number;
  /** The largest RSS of the program, or of one child that it has waited for. */
  readonly peakMb: number;
}

/** The words that run this and leave a report at its end. */
export function spending(bench: Bench, report: string, words: readonly string[]): readonly string[] {
  return [bench.compile('spent'), report, ...words];
}

/** @throws Error if there is no report: the program has not ended */
export function readSpent(report: string): Spent {
  const [wallNs = 0, userUs = 0, systemUs = 0, peakKb = 0] = readFileSync(report, 'utf8').split(' ').map(Number);
  return { wallMs: wallNs / 1e6, cpuMs: (userUs + systemUs) / 1e3, peakMb: peakKb / 1024 };
}
