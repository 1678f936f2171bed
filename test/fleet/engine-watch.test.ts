/** The fleet's ear at an engine that is gone, silent, or of another time. */
import { type Test, test } from 'tap';
import { type ContainerEngine, EngineError, type EngineEvent } from '../../src/fleet/engine.ts';
import { EngineWatch } from '../../src/fleet/engine-watch.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

/** An engine whose clock is hours away from ours. */
class Engine {
  isThere = true;
  /** It takes questions, and answers none. */
  isSilent = false;
  timeAtEngineMs = 1_000_000;
  readonly asked: number[] = [];
  #tell: ((event: EngineEvent | undefined) => void) | undefined;

  timeMs = async () => {
    this.#check();
    return this.timeAtEngineMs;
  };

  network = async () => this.#check();

  ping = async () => {
    this.#check();
    if (this.isSilent) throw new EngineError('unreachable', 'it did not answer');
  };

  events = async (_labels: unknown, sinceMs: number, signal: AbortSignal): Promise<AsyncIterable<EngineEvent>> => {
    this.#check();
    this.asked.push(sinceMs);
    return this.#events(signal);
  };

  tell(name: string, atMs: number): void {
    this.#tell?.({ name, atMs });
  }

  /** The stream of events ends. */
  break(): void {
    this.#tell?.(undefined);
  }

  async *#events(signal: AbortSignal): AsyncGenerator<EngineEvent> {
    for (;;) {
      const event = await new Promise<EngineEvent | undefined>((resolve) => {
        this.#tell = resolve;
        signal.addEventListener('abort', () => resolve(undefined), { once: true });
      });
      if (!event) return;
      yield event;
    }
  }

  #check(): void {
    if (!this.isThere) throw new EngineError('unreachable', 'nobody is there');
  }
}

function watching(t: Test) {
  const [engine, clock, scope] = [new Engine(), new FakeClock(), new AbortController()];
  const heard: string[] = [];
  const turns: boolean[] = [];
  const troubles: string[] = [];
  const tidied = { times: 0, fails: 0 };
  const watch: EngineWatch = new EngineWatch({
    engine: engine as unknown as ContainerEngine,
    clock,
    owner: { fleetName: 'one', networkName: 'one' },
    heard: (name) => heard.push(name),
    turned: () => turns.push(watch.isConnected),
    tidy: async () => {
      tidied.times += 1;
      if (tidied.times <= tidied.fails) throw new EngineError('unreachable', 'gone while it tidied');
    },
    troubled: (message) => troubles.push(message),
  });
  const running = watch.run(scope.signal);
  t.teardown(async () => {
    scope.abort();
    await running;
  });
  return { engine, clock, watch, heard, turns, troubles, tidied };
}

test('B45 the first question is for what happens since now by the clock of the engine', async (t) => {
  const { engine, watch, heard } = watching(t);
  await settle();
  t.same(engine.asked, [1_000_000]);
  t.ok(watch.isConnected);
  engine.tell('mcp-hub-a', 1_000_500);
  await settle();
  t.same(heard, ['mcp-hub-a']);
});

test('B45 when the stream breaks, it goes on from the last word', async (t) => {
  const { engine, clock, watch, turns } = watching(t);
  await settle();
  engine.tell('mcp-hub-a', 1_000_500);
  await settle();
  engine.break();
  await settle();
  t.notOk(watch.isConnected);
  await clock.advance(1_000);
  t.same(engine.asked, [1_000_000, 1_000_500]);
  t.same(turns, [true, false, true], 'and everybody looks, twice');
});

test('B45 an engine that hangs is noticed although its stream is open, and found again', async (t) => {
  const { engine, clock, watch, turns } = watching(t);
  await settle();
  engine.isSilent = true;
  await clock.advance(3_000);
  t.notOk(watch.isConnected);
  await clock.advance(60_000);
  engine.isSilent = false;
  await clock.advance(1_000);
  t.ok(watch.isConnected);
  t.same(turns, [true, false, true]);
});

test('B45 an engine that is not there yet is waited for, and its trouble told once', async (t) => {
  const { engine, clock, watch, troubles, tidied } = watching(t);
  engine.isThere = false;
  await clock.advance(60_000);
  t.notOk(watch.isConnected);
  t.equal(tidied.times, 0);
  engine.isThere = true;
  await clock.advance(1_000);
  t.ok(watch.isConnected);
  t.equal(tidied.times, 1);
  t.equal(troubles.length, 1, 'told once');
});

test('B45 what was not tidied is tidied the next time, and what was, never again', async (t) => {
  const { engine, clock, tidied } = watching(t);
  tidied.fails = 1;
  await settle();
  await clock.advance(1_000);
  t.equal(tidied.times, 2);
  engine.break();
  await clock.advance(5_000);
  t.equal(tidied.times, 2);
});
