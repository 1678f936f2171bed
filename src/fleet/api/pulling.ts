/** Images pulled for servers, each image once, one after the other. */
import type { PullProgress } from '../engine.ts';
import type { Fleet } from '../fleet.ts';
import { apiErrorOf } from './errors.ts';

export interface PullAnswer {
  readonly success: boolean;
  readonly results: {
    readonly successful: readonly string[];
    readonly failed: readonly { readonly server: string; readonly error: string }[];
  };
}

/** Of what is under way: for which servers, and how far it is. */
export type Progress = { readonly servers: readonly string[]; readonly image: string } & PullProgress;

/** @throws what the signal was aborted with */
export async function pullFor(
  fleet: Fleet,
  servers: readonly string[],
  tell: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<PullAnswer> {
  const successful: string[] = [];
  const failed: { server: string; error: string }[] = [];
  for (const [image, names] of byImage(fleet, servers)) {
    try {
      await fleet.pull(image, (progress) => tell({ servers: names, image, ...progress }), signal);
      successful.push(...names);
    } catch (error) {
      signal.throwIfAborted();
      failed.push(...names.map((server) => ({ server, error: apiErrorOf(error).message })));
    }
  }
  return { success: failed.length === 0, results: { successful, failed } };
}

function byImage({ settings }: Fleet, servers: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const images = new Map(settings.servers.map(({ name, image }) => [name, image]));
  const found = new Map<string, string[]>();
  for (const name of new Set(servers)) {
    const image = images.get(name) ?? '';
    found.set(image, [...(found.get(image) ?? []), name]);
  }
  return found;
}
