/** What a measure asks of a supervisor: how to install it, and how it is told to run these children. */

/** A child, always the bench's own program (`child.c`) or one of the system's. */
export interface Child {
  readonly name: string;
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The TCP port on 127.0.0.1 by which it is known to be ready. */
  readonly port?: number;
  /** Starts when the child of this name is ready. */
  readonly after?: string;
}

/** How a supervisor is started. Its environment is this and PATH. */
export interface Launch {
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What stops it with all its children. Default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
}

/**
 * A way of running children, with the configuration that the supervisor's manual recommends. Files go into `directory`,
 * which is fresh for every run. A way that a supervisor does not have is a sentence that says why.
 */
export type Way<Input> = ((input: Input, directory: string) => Launch) | string;

export interface Peer {
  readonly name: string;
  /** Where it comes from: `Debian`, `npm`, `PyPI`, `Go module proxy`, or this repository. */
  readonly origin: string;
  /**
   * Makes it ready to run, once; nothing if that is done already.
   * @param cache a directory that stays
   * @returns its version
   * @throws Error saying why it cannot be had on this machine
   */
  install(cache: string): Promise<string>;
  /** One command, its only child, whose end is the supervisor's end. */
  readonly command: Way<readonly string[]>;
  /** Children side by side; TERM stops them all. Order does not matter. */
  readonly together: Way<readonly Child[]>;
  /** The same, and `after` is obeyed. */
  readonly ordered: Way<readonly Child[]>;
  /** The same as together, and when one child ends the others are stopped and the supervisor ends. */
  readonly bound: Way<readonly Child[]>;
  /** Children whose output is shown on stdout, each line with the child's name if the supervisor can do that. */
  readonly prefixed: Way<readonly Child[]>;
  /** The same as together, and the command that its manual has for a health check. */
  readonly asked: ((children: readonly Child[], directory: string, port: number) => Asked) | string;
}

/** A supervisor that can be asked how its children are. */
export interface Asked {
  readonly launch: Launch;
  /** By what one types. Each ends with 0 if all is well. */
  readonly questions: Readonly<Record<string, Launch>>;
}
