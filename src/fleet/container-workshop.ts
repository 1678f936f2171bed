/** The workshop of a real engine: makes a server's container, speaks with what is in it, and takes it away. */
import { setTimeout as sleep } from 'node:timers/promises';
import { containerName, containerOf, labels, labelsOf, type Owner } from './container.ts';
import { type ContainerEngine, type ContainerSpec, EngineError, type Seen } from './engine.ts';
import { orAborted } from './or-aborted.ts';
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
  /** Of this process, and of no other that is told to be the same fleet. */
  readonly instance: string;
  readonly version: string;
  /** The server's variables, its secrets read from their files. @throws Error if one cannot be read */
  environmentOf(settings: ServerSettings): Readonly<Record<string, string>>;
}

export class ContainerWorkshop implements Workshop<McpUpstream> {
  readonly #settings: ServerSettings;
  readonly #shop: Shop;
  /** What was there when the fleet came. */
  #inherited: string | undefined;
  #hasLooked = false;
  /** What the engine was asked to do last, until it is done or has failed. */
  #underWay: Promise<void> = Promise.resolve();

  constructor(settings: ServerSettings, shop: Shop) {
    this.#settings = settings;
    this.#shop = shop;
  }

  async look(signal: AbortSignal): Promise<Seen | undefined> {
    const seen = await this.#shop.engine.inspect(this.#name, signal);
    if (!this.#hasLooked) this.#inherited = seen?.id;
    this.#hasLooked = true;
    // Somebody else's container of this name is in the way, and not ours to touch.
    return seen && this.#isOurs(seen) ? seen : undefined;
  }

  async open(seen: Seen | undefined, ended: () => void, signal: AbortSignal): Promise<McpUpstream> {
    const { owner, instance } = this.#shop;
    const spec = containerOf(this.#settings, owner, this.#shop.environmentOf(this.#settings));
    const marked = { ...spec, labels: { ...spec.labels, [labels.instance]: instance } };
    const kept = seen && this.#isUsable(seen, spec) ? seen.id : undefined;
    if (seen && kept === undefined) await this.clear({ remove: true }, signal);
    const id = kept ?? (await this.#create(marked, signal));
    return spec.isAttached ? this.#openAttached(id, ended, signal) : this.#openHttp(id, signal);
  }

  async clear({ remove }: { readonly remove: boolean }, signal: AbortSignal): Promise<void> {
    const { engine } = this.#shop;
    await orAborted(this.#underWay, signal);
    const seen = await this.look(signal);
    if (!seen) return;
    if (seen.isRunning) await engine.stop(seen.id, this.#settings.stopTimeoutMs, signal);
    if (remove) await engine.remove(seen.id, signal);
  }

  #isUsable(seen: Seen, spec: ContainerSpec): boolean {
    const isSame = seen.labels[labels.fingerprint] === spec.labels[labels.fingerprint];
    // A server on stdin has had its greeting from a fleet that is gone: it is started anew.
    return isSame && this.#isMade(seen) && !(seen.isRunning && spec.isAttached);
  }

  /** Made by this process, or found by it when it came. */
  #isMade({ id, labels: its }: Seen): boolean {
    return its[labels.instance] === this.#shop.instance || id === this.#inherited;
  }

  /**
   * Of this fleet, and not of another process that is told to be this fleet, too. That one is alive: who was there before
   * left its containers where this one found them when it came, and what appeared since and runs, somebody has made.
   */
  #isOurs(seen: Seen): boolean {
    const isOfFleet = seen.labels[labels.fleet] === this.#shop.owner.fleetName;
    return isOfFleet && (!seen.isRunning || this.#isMade(seen));
  }

  /** Waits for what the engine does, and no longer than somebody wants it: it is done all the same, and `clear` knows. */
  async #wait<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    this.#underWay = work.then(
      () => {},
      () => {},
    );
    return orAborted(work, signal);
  }

  get #name(): string {
    return containerName(this.#settings.name);
  }

  /** @returns its id */
  async #create(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const { engine, owner } = this.#shop;
    // It may have been taken away since the last one was made.
    await engine.network(owner.networkName, labelsOf(owner), signal);
    try {
      return await this.#wait(engine.create(spec, toTheEnd()), signal);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const { trouble } = error;
      if (trouble === 'no-such-image') {
        const advice = 'pull it (POST /api/docker/images/pull) or build it';
        throw new EngineError(trouble, `no image "${spec.image}" here: ${advice}`, { cause: error });
      }
      const inTheWay = trouble === 'conflict' ? await engine.inspect(spec.name, signal) : undefined;
      if (!inTheWay) throw error;
      throw new EngineError(trouble, whoHas(inTheWay, owner), { cause: error });
    }
  }

  async #openAttached(id: string, ended: () => void, signal: AbortSignal): Promise<McpUpstream> {
    const { engine, version } = this.#shop;
    // Before it starts, so that its first words are heard.
    const attachment = await engine.attach(id, signal);
    try {
      await this.#wait(engine.start(id, toTheEnd()), signal);
      const clientInfo = { name: 'tandem fleet', version };
      return new StdioUpstream({ attachment, clientInfo, ended, why: () => this.#whySilent(id) });
    } catch (error) {
      attachment.close();
      throw error;
    }
  }

  async #openHttp(id: string, signal: AbortSignal): Promise<McpUpstream> {
    const { engine } = this.#shop;
    const { transport } = this.#settings;
    if (transport.kind !== 'http') throw new Error('not reached: it is attached');
    await this.#wait(engine.start(id, toTheEnd()), signal);
    const { address } = await this.#running(id, signal);
    const endpoint = `http://${address}:${transport.port}${transport.path}`;
    return new HttpUpstream(endpoint, async (waiting) => void (await this.#running(id, waiting)));
  }

  /** The engine's word on a server whose output has ended, which is a moment later. @returns undefined if it runs on */
  async #whySilent(id: string): Promise<string | undefined> {
    const limit = AbortSignal.timeout(endingMs);
    try {
      for (;;) {
        await this.#running(id, limit);
        await sleep(lookMs, undefined, { signal: limit });
      }
    } catch (error) {
      return limit.aborted ? undefined : (error as Error).message;
    }
  }

  /** @throws EngineError if it does not run */
  async #running(id: string, signal: AbortSignal): Promise<Seen> {
    const seen = await this.#shop.engine.inspect(id, signal);
    if (seen?.isRunning) return seen;
    throw new EngineError('refused', `it ended with ${seen?.exitCode ?? 'nothing'} before it answered`);
  }
}

/** Of what is not to be broken off in the middle; the engine's own limits bound it. */
const toTheEnd = (): AbortSignal => new AbortController().signal;

/** Who has the name that a server's container is to have, and what to do. */
function whoHas({ name, labels: its }: Seen, { fleetName }: Owner): string {
  const fleet = its[labels.fleet];
  if (fleet === undefined) {
    return `"${name}" is the name of a container that is not the fleet's: remove or rename it, or give the server another name`;
  }
  if (fleet !== fleetName) {
    return `"${name}" is a container of the fleet "${fleet}" on this engine: give the server another name in one of the two`;
  }
  return `"${name}" is a container of another process of the fleet "${fleet}" on this engine: end one of the two`;
}
