/**
 * The errors that end a run before it begins. Those for bad input carry all problems that were found, never the first
 * alone. Expected endings of services are no errors: they are outcomes.
 */

/** One thing that is wrong. */
export interface Problem {
  /** What it is about: a variable, a flag, a file, a service. */
  readonly subject: string;
  /** What is wrong and what is accepted; secrets are already masked. */
  readonly message: string;
  /** The exit code where it is the only problem: a command that is not found, or not executable. Default 78. */
  readonly code?: 126 | 127;
}

/** The environment, a file or a flag is not acceptable. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ subject, message }) => `${subject}: ${message}`).join('\n'));
    this.problems = problems;
  }
}

/** The services do not fit together. */
export class PlanError extends ConfigError {
  override readonly name = 'PlanError';
}

/** Something that tandem needs for itself, a port or a socket, cannot be had. Nothing was started. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
}
