/**
 * What happens, as tandem's own log tells it: one record a transition, one report when everything is up, one last line.
 * Constant messages, facts as fields. For a single command there is nothing to tell, except why it could not be started.
 */
import { describeOutcome, type Outcome } from '../core/outcome.ts';
import type { Observer, Transition, Wait } from '../core/service.ts';
import type { ServiceSpec } from '../core/spec.ts';
import { isTerminal, type State } from '../core/state.ts';
import { systemClock } from './clock.ts';
import type { Log } from './log.ts';
import { say } from './own-words.ts';
import { giveBackSoon } from './spare-memory.ts';

/** The states in which a service has done its part of the start. */
const arrived = new Set<State>(['ready', 'completed', 'skipped']);

/** States that somebody should look at. */
const worrying = new Set<State>(['unready', 'backoff', 'failed']);

/** An observer that also hears of the beginning and the end. */
export interface Narrator extends Observer {
  /** The first child is on its way: what took too long to load before it may be loaded now. */
  begin(): void;
  /** Resolves when the last line is out, at the latest after `limitMs`. */
  end(outcome: Outcome, code: number, limitMs: number): Promise<void>;
}

/** Says only why a command could not be started, as a shell does. */
export const terseNarrator: Narrator = {
  begin() {
    giveBackSoon();
  },
  transition({ event, reason }) {
    if (event === 'not-launched') say(reason);
  },
  warn() {},
  waiting() {},
  async end() {},
};

/** Writes the log. */
export class Chronicle implements Narrator {
  readonly #log: Log;
  readonly #waitingFor: Set<string>;
  readonly #specs: readonly ServiceSpec[];
  readonly #startupMs: Record<string, number> = {};
  readonly #startedAt = systemClock.now();

  constructor(log: Log, specs: readonly ServiceSpec[]) {
    this.#log = log;
    this.#specs = specs;
    this.#waitingFor = new Set(specs.map(({ name }) => name));
  }

  transition({ service, from, to, reason, pid, elapsedMs }: Transition): void {
    const fields = { service, from, to, reason, ...(pid && { pid }), elapsed_ms: Math.round(elapsedMs) };
    const isForced = from === 'stopping' && to === 'stopping';
    if (isForced || worrying.has(to)) this.#log.warn(fields, 'service state');
    else this.#log.info(fields, 'service state');
    if (this.#hasArrived(service, to)) {
      if (this.#waitingFor.delete(service)) this.#arrive(service, from, elapsedMs);
    } else if (isTerminal(to)) this.#waitingFor.add(service);
  }

  /** What is not essential has done its part also by failing: the others go on without it. */
  #hasArrived(service: string, state: State): boolean {
    if (state !== 'failed') return arrived.has(state);
    return this.#specs.some(({ name, essential }) => name === service && !essential);
  }

  warn(service: string, message: string): void {
    this.#log.warn({ service }, message);
  }

  waiting({ service, elapsedMs, limitMs, reason }: Wait): void {
    const limit = limitMs !== undefined && { limit_ms: limitMs };
    this.#log.info({ service, elapsed_ms: Math.round(elapsedMs), ...limit, reason }, 'still waiting');
  }

  begin(): void {
    void this.#log.load();
  }

  async end(outcome: Outcome, code: number, limitMs: number): Promise<void> {
    const fields = { code, reason: describeOutcome(outcome) };
    if (code === 0) this.#log.info(fields, 'tandem ends');
    else this.#log.error(fields, 'tandem ends');
    await this.#log.flush(limitMs);
  }

  #arrive(service: string, from: State, elapsedMs: number): void {
    if (from === 'starting') this.#startupMs[service] = Math.round(elapsedMs);
    if (this.#waitingFor.size > 0) return;
    const total = Math.round(systemClock.now() - this.#startedAt);
    this.#log.info({ startup_ms: { ...this.#startupMs, total }, ...this.#addresses() }, 'everything is up');
    giveBackSoon();
  }

  #addresses(): { listening?: Record<string, string> } {
    const entries = this.#specs.flatMap(({ name, readiness, skip }) =>
      readiness?.port && skip === undefined ? [[name, urlOf(readiness.port)]] : [],
    );
    return entries.length > 0 ? { listening: Object.fromEntries(entries) } : {};
  }
}

function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
