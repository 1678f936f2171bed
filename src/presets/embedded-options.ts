/**
 * What the embedded preset wants to know: already validated, every path absolute, times in milliseconds. Which
 * variable stands for what is the configuration's business. One rule only: when a place is the pair's own.
 */

export type Command = readonly [string, ...string[]];
export type Environment = Readonly<Record<string, string>>;

export interface EmbeddedOptions {
  readonly directories: {
    /** Holds the pair's package.json; the packages are looked up from here. */
    readonly pair: string;
    /** Everything that the pair writes goes below this directory (TANDEM_DATA_DIR). */
    readonly data: string;
    /** The working directory of every command. */
    readonly working: string;
  };
  readonly migrations: MigrationOptions;
  readonly gateway: GatewayOptions;
  readonly hub: RiderOptions;
  /** From spawn to ready, for each of the two (GW_READY_TIMEOUT). */
  readonly readyTimeoutMs: number;
}

/** One of the two: the gateway or the hub. */
export interface RiderOptions {
  /** Where it listens: HOST and PORT are the hub's, GW_HOST and GW_PORT the gateway's. */
  readonly host: string;
  readonly port: number;
  /** Replaces the pair's own program (HUB_COMMAND, GW_COMMAND). It finds HOST and PORT in its environment. */
  readonly command?: Command | undefined;
  /** The path that is asked over HTTP; empty: the port alone. Default: the pair's own, `/health` for another command. */
  readonly healthPath?: string | undefined;
  /** Its whole environment, HOST and PORT included, before the preset adds what the pair's own program needs. */
  readonly environment: Environment;
  /** Variables of it that beat even those (HUB_ENV_X, GW_ENV_X). */
  readonly overrides?: Environment | undefined;
  /** Why it is not run at all. */
  readonly skip?: string | undefined;
}

export interface GatewayOptions extends RiderOptions {
  /** The MCP endpoint that the hub connects to, where that is not the gateway started here (MCP_GATEWAY_URL). */
  readonly url?: string | undefined;
}

export interface MigrationOptions {
  /** Absent: there is nothing to migrate (MIGRATE_COMMAND). */
  readonly command?: Command | undefined;
  readonly timeoutMs: number;
  /** Go on whatever came of it. Default false. */
  readonly mayFail?: boolean | undefined;
}

/** True if the pair's own program is run in this place. */
export function isOwn(rider: RiderOptions): boolean {
  return rider.command === undefined && rider.skip === undefined;
}
