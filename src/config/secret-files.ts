/**
 * Secrets by file: NAME_FILE is read into NAME, as the images of the Docker library do it. Only for names that look
 * secret, names that end with _URL, and those of TANDEM_FILE_VARS: SSL_CERT_FILE and its like are variables of their own.
 */
import { resolve } from 'node:path';
import type { Problem } from '../core/errors.ts';
import { trimEnd } from '../core/trim.ts';
import type { Environment, Remark } from './config.ts';
import { splitList } from './lists.ts';
import { looksSecret } from './mask.ts';
import { ownNameOf } from './scopes.ts';
import { readTrusted } from './trusted-file.ts';

const suffix = '_FILE';

/** Paths by their own right, read by the cloud providers' libraries or by TLS servers, though their names look secret. */
const paths =
  /^(AWS_(SHARED_CREDENTIALS|WEB_IDENTITY_TOKEN|CONTAINER_AUTHORIZATION_TOKEN)|AZURE_FEDERATED_TOKEN|(SSL|TLS)_?(\w+_)?KEY)$/;

/** What the kernel takes as one NAME=VALUE (MAX_ARG_STRLEN), with room for a name. */
const longestBytes = 128 * 1024 - 256;

/** One place where variables are set: the container's environment, or a .env file. */
export interface Layer {
  readonly values: Environment;
  /** How a message names the place: nothing for the environment, ` in /app/.env` for a file. */
  readonly where: string;
}

export interface FileRules {
  /** Relative paths start here. */
  readonly cwd: string;
  /** The text of TANDEM_FILE_VARS. */
  readonly listed: string | undefined;
}

export interface ReadSecrets {
  /** NAME in place of NAME_FILE. */
  readonly values: Environment;
  /** What was read from a file, by the names that the services see. */
  readonly names: readonly string[];
  /** The secrets themselves. */
  readonly secrets: readonly string[];
  readonly problems: readonly Problem[];
  /** What the operator should know of the files themselves. */
  readonly remarks: readonly Remark[];
}

/** Reads the files of one layer. What cannot be read is a problem, never an empty secret. */
export function readSecretFiles({ values, where }: Layer, rules: FileRules): ReadSecrets {
  const isWanted = wantedBy(rules.listed);
  const result: Record<string, string> = { ...values };
  const names: string[] = [];
  const secrets: string[] = [];
  const problems: Problem[] = [];
  const remarks: Remark[] = [];
  for (const [fileName, path] of Object.entries(values)) {
    const name = fileName.slice(0, -suffix.length);
    if (!fileName.endsWith(suffix) || path === '' || !isWanted(ownNameOf(name))) continue;
    delete result[fileName];
    if (values[name]) {
      problems.push({ subject: `${name}, ${fileName}${where}`, message: 'both are set; accepted: one of them' });
      continue;
    }
    const read = readSecret(resolve(rules.cwd, path));
    if ('problem' in read) problems.push({ subject: `${fileName}${where}`, message: `"${path}" ${read.problem}` });
    else {
      result[name] = read.secret;
      secrets.push(read.secret.trim());
      remarks.push(...read.remarks);
    }
    names.push(ownNameOf(name));
  }
  return { values: result, names, secrets, problems, remarks };
}

/** TANDEM_FILE_VARS adds names; with a `-` before it a name is left alone. */
function wantedBy(listed = ''): (name: string) => boolean {
  const words = new Set(splitList(listed));
  return (name) => {
    if (name === '' || words.has(`-${name}`)) return false;
    if (words.has(name)) return true;
    return (looksSecret(name) || name.endsWith('_URL')) && !paths.test(name);
  };
}

type Secret = { readonly secret: string; readonly remarks: readonly Remark[] } | { readonly problem: string };

function readSecret(path: string): Secret {
  const read = readTrusted(path, longestBytes);
  if ('bytes' in read) {
    const checked = checkSecret(read.bytes);
    return 'secret' in checked ? { ...checked, remarks: read.remarks } : checked;
  }
  const { problem, code } = read;
  if (code === 'EFBIG') return { problem: `is longer than a variable can be: over ${longestBytes} bytes` };
  return { problem: code === undefined ? problem : `cannot be read: ${code}` };
}

/** As `$(< file)` in a shell: newlines at the end are no part of it. What a variable cannot hold is refused, not bent. */
function checkSecret(bytes: Buffer): { readonly secret: string } | { readonly problem: string } {
  const text = bytes.toString('utf8');
  if (text.includes('\0')) return { problem: 'holds a NUL byte' };
  if (!Buffer.from(text).equals(bytes)) return { problem: 'is not UTF-8' };
  return { secret: trimEnd(text, '\n') };
}
