/** The workshop of a real engine: makes a server's container, speaks with what is in it, and takes it away. */
import { setTimeout as sleep } from 'node:timers/promises';
import { containerOf, labels, labelsOf, type Owner } from './container.ts';
import { type ContainerEngine, type ContainerSpec, EngineError, type Seen } from './engine.ts';
import type { ServerSettings } from './settings/settings.ts';
import { HttpUpstream } from './transport/http-upstream.ts';
import { StdioUpstream } from './transport/stdio-upstream.ts';
import type { McpUpstream } from './transport/upstream.ts';
import type { Workshop } from './workshop.ts';

/** Whose output has ended is given so long to end, and is looked at so often. */
const endingMs = 1_000;
const lookMs = 20;

export interface Shop {
  readonly engine: ContainerEngine;
  readonly owner: Owner;
  readonly version: string;
  /** The server's variables, its secrets read from their files. @throws Error if one cannot be read */
  environmentOf(settings: ServerSettings): Readonly<Record<string, string>>;
}

export class ContainerWorkshop implements Workshop<McpUpstream> {
  readonly #settings: ServerSettings;
  readonly #shop: Shop;

  constructor(settings: ServerSettings, shop: Shop) {
    this.#settings = settings;
    this.#shop = shop;
  }

  async look(signal: AbortSignal): Promise<Seen | undefined> {
    const { engine, owner } = this.#shop;
    const seen = await engine.inspect(this.#name, signal);
    // Somebody else's container of this name is in the way, and not ours to touch.
    return seen && seen.labels[labels.fleet] === owner.fleetName ? seen : undefined;
  }

  async open(seen: Seen | undefined, ended: () => void, signal: AbortSignal): Promise<McpUpstream> {
    const { owner } = this.#shop;
    const spec = containerOf(this.#settings, owner, this.#shop.environmentOf(this.#settings));
    const isSame = seen?.labels[labels.fingerprint] === spec.labels[labels.fingerprint];
    // A server on stdin has had its greeting from a fleet that is gone: it is started anew.
    const isKept = isSame && !(seen?.isRunning && spec.isAttached);
    if (seen && !isKept) await this.clear({ remove: true }, signal);
    if (!seen || !isKept) await this.#create(spec, signal);
    return spec.isAttached ? this.#openAttached(ended, signal) : this.#openHttp(signal);
  }

  async clear({ remove }: { readonly remove: boolean }, signal: AbortSignal): Promise<void> {
    const { engine } = this.#shop;
    const seen = await this.look(signal);
    if (!seen) return;
    if (seen.isRunning) await engine.stop(seen.id, this.#settings.stopTimeoutMs, signal);
    if (remove) await engine.remove(seen.id, signal);
  }

  get #name(): string {
    return containerOf(this.#settings, this.#shop.owner, {}).name;
  }

  async #create(spec: ContainerSpec, signal: AbortSignal): Promise<void> {
    const { engine, owner } = this.#shop;
    // It may have been taken away since the last one was made.
    await engine.network(owner.networkName, labelsOf(owner), signal);
    try {
      await engine.create(spec, signal);
    } catch (error) {
      if (!(error instanceof EngineError) || error.trouble !== 'no-such-image') throw error;
      const advice = 'pull it (POST /api/docker/images/pull) or build it';
      throw new EngineError(error.trouble, `no image "${spec.image}" here: ${advice}`, { cause: error });
    }
  }

  async #openAttached(ended: () => void, signal: AbortSignal): Promise<McpUpstream> {
    const { engine, version } = this.#shop;
    // Before it starts, so that its first words are heard.
    const attachment = await engine.attach(this.#name, signal);
    try {
      await engine.start(this.#name, signal);
      const clientInfo = { name: 'tandem fleet', version };
      return new StdioUpstream({ attachment, clientInfo, ended, why: () => this.#whySilent() });
    } catch (error) {
      attachment.close();
      throw error;
    }
  }

  async #openHttp(signal: AbortSignal): Promise<McpUpstream> {
    const { engine } = this.#shop;
    const { transport } = this.#settings;
    if (transport.kind !== 'http') throw new Error('not reached: it is attached');
    await engine.start(this.#name, signal);
    const { address } = await this.#running(signal);
    const endpoint = `http://${address}:${transport.port}${transport.path}`;
    return new HttpUpstream(endpoint, async (waiting) => void (await this.#running(waiting)));
  }

  /** The engine's word on a server whose output has ended, which is a moment later. @returns undefined if it runs on */
  async #whySilent(): Promise<string | undefined> {
    const limit = AbortSignal.timeout(endingMs);
    try {
      for (;;) {
        await this.#running(limit);
        await sleep(lookMs, undefined, { signal: limit });
      }
    } catch (error) {
      return limit.aborted ? undefined : (error as Error).message;
    }
  }

  /** @throws EngineError if it does not run */
  async #running(signal: AbortSignal): Promise<Seen> {
    const seen = await this.look(signal);
    if (seen?.isRunning) return seen;
    throw new EngineError('refused', `it ended with ${seen?.exitCode ?? 'nothing'} before it answered`);
  }
}
