/**
 * Who sees which variable. The container's environment reaches both services, except what is tandem's own and what
 * belongs to one of them: a gateway that saw the hub's PORT would take it. Pure functions from environments to
 * environments.
 */
import type { Address } from '../core/spec.ts';
import type { EnvFile, Environment } from './config.ts';

export type Rider = 'hub' | 'gateway';

/** What stands before a variable that is for one service and beats everything. */
export const overridePrefix = { hub: 'HUB_ENV_', gateway: 'GW_ENV_' } as const satisfies Record<Rider, string>;

/** Looks like an override, and is the path of a file. */
const noOverride = 'HUB_ENV_FILE';

/** The name behind HUB_ENV_ or GW_ENV_, as the service sees it; any other name is its own. */
export function ownNameOf(name: string): string {
  const prefix = Object.values(overridePrefix).find((candidate) => name.startsWith(candidate));
  return prefix === undefined ? name : name.slice(prefix.length);
}

/** Tandem's own, or meant for one service and handed over to that one alone. */
const neverInherited = /^(TANDEM_.*|(HUB|GW)_ENV_.*|(GW_)?(HOST|PORT))$/;

/** What a variable without prefix means is the hub's. */
const hubsOwn: ReadonlySet<string> = new Set(['DATABASE_URL']);

/** The variables that HUB_ENV_X or GW_ENV_X sets, by their own names; HOST and PORT become the address instead. */
export function overridesOf(environment: Environment, rider: Rider): Environment {
  const prefix = overridePrefix[rider];
  const entries = Object.entries(environment).filter(
    ([name]) => name.startsWith(prefix) && name.length > prefix.length && name !== noOverride,
  );
  const overrides = Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
  return pick(overrides, (name) => !neverInherited.test(name));
}

/**
 * What one service has for itself: its .env file and, above it, its overrides. Explicit environment beats the hub's
 * file; the gateway's file beats the container's environment, which is the hub's in the first place.
 */
export function ownEnvironment(environment: Environment, rider: Rider, file: EnvFile | undefined): Environment {
  const isFree = (name: string) => rider === 'gateway' || !Object.hasOwn(environment, name);
  const own = { ...pick(file?.values ?? {}, isFree), ...overridesOf(environment, rider) };
  return pick(own, (name) => !neverInherited.test(name));
}

/** The container's variables that the gateway's file says otherwise. */
export function beatenByGatewayFile(environment: Environment, file: EnvFile | undefined): string[] {
  const reaching = inherited(environment, 'gateway');
  return Object.entries(file?.values ?? {})
    .filter(([name, value]) => Object.hasOwn(reaching, name) && reaching[name] !== value)
    .map(([name]) => name);
}

/**
 * The whole environment of one service, as far as no preset adds to it.
 * @param address where it listens in fact
 */
export function wholeEnvironment(
  environment: Environment,
  rider: Rider,
  own: Environment,
  { host, port }: Address,
): Environment {
  return { ...inherited(environment, rider), ...own, HOST: host, PORT: String(port) };
}

function inherited(environment: Environment, rider: Rider): Environment {
  return pick(environment, (name) => !neverInherited.test(name) && (rider === 'hub' || !hubsOwn.has(name)));
}

function pick(environment: Environment, isWanted: (name: string) => boolean): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isWanted(name)));
}
