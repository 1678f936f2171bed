/**
 * What must be there before anything starts, as data: variables, files, directories, commands. Configuration says it,
 * the host looks. Paths are absolute.
 */

/** Each `subject` names, in a message, where it was asked for: a variable, or a place in a file. */
export interface Requirements {
  /** Variables that must be set and not empty. */
  readonly env: readonly { readonly subject: string; readonly name: string }[];
  readonly files: readonly RequiredFile[];
  readonly directories: readonly RequiredDirectory[];
  /** Looked up as a command is; a path is taken as it is. */
  readonly commands: readonly { readonly subject: string; readonly command: string }[];
}

export interface RequiredFile {
  readonly subject: string;
  readonly path: string;
  /** Absent: by the end of its name, `.json`, `.yaml` or `.yml`; any other is only opened. */
  readonly format?: 'json' | 'yaml' | undefined;
}

/** A directory in which the services can write. */
export interface RequiredDirectory {
  readonly subject: string;
  readonly path: string;
  /** Made if it is missing, with all above it. Default true. */
  readonly create?: boolean | undefined;
  /** Whose it must be. Heeded only where tandem runs as root. Default: whoever can write there may. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Of the directory itself, for example 0o750. Default: what it has, or 0o777 without the umask. */
  readonly mode?: number | undefined;
}

export const noRequirements: Requirements = { env: [], files: [], directories: [], commands: [] };

/** All of several. */
export function joinRequirements(...all: readonly Requirements[]): Requirements {
  return {
    env: all.flatMap(({ env }) => env),
    files: all.flatMap(({ files }) => files),
    directories: all.flatMap(({ directories }) => directories),
    commands: all.flatMap(({ commands }) => commands),
  };
}
