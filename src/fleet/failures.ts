/** What went wrong with a server since it served last, whom that answers, and when it is tried again. */
import type { Clock } from '../core/ports.ts';
import { nextDelayMs } from '../core/restart.ts';
import type { RestartPolicy } from '../core/spec.ts';
import type { Strategy } from './strategy.ts';

export interface RetryRules {
  /** How long is waited before a server that nobody asks for is tried again. */
  readonly retry: RestartPolicy;
}

export class Failures {
  readonly #rules: RetryRules;
  readonly #means: { readonly clock: Clock; random(): number };
  #answered = 0;
  #attempts = 0;
  #answersSinceMs: number | undefined;
  /** In all. */
  count = 0;
  error: Error | undefined;
  retryAtMs: number | undefined;

  constructor(rules: RetryRules, means: { readonly clock: Clock; random(): number }) {
    this.#rules = rules;
    this.#means = means;
  }

  /** @param asks how often the server was asked for so far: all of them are answered with this */
  record(error: Error, asks: number): void {
    const { clock } = this.#means;
    const servedMs = clock.now() - (this.#answersSinceMs ?? clock.now());
    // Who answers and ends again and again is not well, however often it answers.
    if (servedMs >= this.#rules.retry.resetAfterMs) this.#attempts = 0;
    this.#answersSinceMs = undefined;
    this.count += 1;
    this.#attempts += 1;
    this.#answered = asks;
    this.error = error;
    this.retryAtMs = clock.now() + nextDelayMs(this.#rules.retry, this.#attempts, this.#means.random());
  }

  /** It answers. How long is waited after the next failure depends on how long it does. */
  forget(): void {
    this.#answersSinceMs = this.#means.clock.now();
    this.error = undefined;
    this.retryAtMs = undefined;
  }

  /** Whether the ask of this number has failed. */
  answers(ask: number): boolean {
    return this.error !== undefined && ask <= this.#answered;
  }

  /** Whether it may be tried now: somebody has asked since, or the wait is over for a server that is kept. */
  isDue(asks: number, strategy: Strategy): boolean {
    const isNew = asks > this.#answered;
    return isNew || (strategy !== 'on-demand' && this.isTime);
  }

  /** The wait after the last failure is over. */
  get isTime(): boolean {
    return this.#means.clock.now() >= (this.retryAtMs ?? 0);
  }
}
