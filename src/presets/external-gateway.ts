/**
 * A gateway that somebody else runs: one that is elsewhere (GATEWAY_WAIT), or one that listens here already (GW_REUSE).
 * It is asked until it answers, and the hub waits for that; then it is left alone.
 */
import type { Config, Remark } from '../config/config.ts';
import { externalService } from '../core/external.ts';
import { describeHolder } from '../core/outcome.ts';
import type { ProbeSpec, ServiceSpec } from '../core/spec.ts';
import { trimEnd } from '../core/trim.ts';
import type { Site } from './site.ts';

/** What the wait for it is called, where there is one. */
export const externalGateway = 'external-gateway';

/** A look at an address takes milliseconds; its name may have to be looked up. */
const lookLimitMs = 1_000;

/** Where a gateway of this preset is found and how it is asked. */
export interface GatewayManners {
  /** The URL under which the hub finds the gateway that listens here. */
  readonly localUrl: string;
  /** The question, for the URL that the hub was given. */
  readonly probe: (url: string) => ProbeSpec;
}

/** A configuration, and what the operator should know about how it came to be. */
export interface Adapted {
  readonly config: Config;
  readonly remarks: readonly Remark[];
}

/** With GW_REUSE, a gateway that listens already takes the place of the one that would be started. */
export async function reuseGateway(config: Config, { localUrl }: GatewayManners, site: Site): Promise<Adapted> {
  const { hub, gateway } = config;
  const { host, port, mayBeReused, skip } = gateway;
  const holder =
    mayBeReused && skip === undefined
      ? await site.holderOf?.({ host, port }, AbortSignal.timeout(lookLimitMs))
      : undefined;
  if (!holder) return { config, remarks: [] };
  const reason = `port ${port} is held by ${describeHolder(holder)}, which is used in its place, unsupervised (GW_REUSE)`;
  return {
    config: {
      ...config,
      hub: { ...hub, gatewayUrl: hub.gatewayUrl ?? localUrl },
      gateway: { ...gateway, skip: reason, isAwaited: true },
    },
    remarks: [{ level: 'warn', message: 'a gateway that listens already is used, unsupervised', facts: { reason } }],
  };
}

/** Lets the hub wait for the external gateway, where that is wanted. */
export function awaitGateway(
  specs: readonly ServiceSpec[],
  { hub, gateway }: Config,
  { probe }: GatewayManners,
): readonly ServiceSpec[] {
  const { isAwaited, skip, readyTimeoutMs } = gateway;
  const url = hub.gatewayUrl;
  if (!isAwaited || skip === undefined || hub.skip !== undefined || url === undefined) return specs;
  return specs.flatMap((spec): ServiceSpec[] => {
    if (spec.name !== 'hub') return [spec];
    return [
      externalService({ name: externalGateway, probe: probe(url), timeoutMs: readyTimeoutMs }),
      { ...spec, dependsOn: { ...spec.dependsOn, [externalGateway]: 'completed' } },
    ];
  });
}

/** An HTTP server by its health path below the URL, or by its port alone where there is none. */
export function httpProbe(url: string, healthPath: string): ProbeSpec {
  const { protocol, hostname, port } = new URL(url);
  if (healthPath !== '') return { kind: 'http', url: `${trimEnd(url, '/')}${healthPath}` };
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return { kind: 'tcp', address: { host, port: Number(port) || (protocol === 'https:' ? 443 : 80) } };
}
