/**
 * The secrets of MCP-Gateway. It has defaults for them that everybody can read, and starts with those without a word; so
 * they are demanded before it is started. Looks at names and values only, and never shows a value.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config, Environment, Remark } from '../config/config.ts';
import type { Problem } from '../core/errors.ts';
import type { ServiceSpec } from '../core/spec.ts';
import { sitePackages } from './matrix-server.ts';

/** What signs its tokens, what its database is encrypted with, and what opens its API: in every version. */
const always = ['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD'];

/** The administrator that newer versions make in an empty database. */
const administrator = 'PLATFORM_ADMIN_PASSWORD';

/** In lower case: defaults of its versions and of its example files, and what it calls weak itself. */
const publicValues: ReadonlySet<string> = new Set([
  ...['my-test-key', 'my-test-key-but-now-longer-than-32-bytes', 'my-test-salt', 'changeme'],
  ...['secret', 'password', 'test-secret', 'my-secret', '12345678'],
]);

/** How newer example files begin what is to be replaced. */
const placeholder = '__replace_me__';

/** What stands against a start, or was allowed all the same. */
export interface SecretsVerdict {
  readonly problems: readonly Problem[];
  readonly remarks: readonly Remark[];
}

/**
 * Judges the secrets of the gateway that is about to be started. One that is skipped, that somebody else runs, or whose
 * command is not MCP-Gateway is not judged.
 * @param specs with what `--only` leaves out marked as skipped
 */
export function judgeGatewaySecrets(specs: readonly ServiceSpec[], { gateway }: Config): SecretsVerdict {
  const spec = specs.find(({ name }) => name === 'gateway');
  if (!spec || spec.skip !== undefined || !isMcpGateway(spec)) return { problems: [], remarks: [] };
  const names = [...always, ...(hasAdministrator(gateway.venv) ? [administrator] : [])];
  const faults = names.flatMap((name) => {
    const fault = faultOf(name, spec.process.environment);
    return fault === undefined ? [] : [{ name, fault }];
  });
  if (faults.length === 0) return { problems: [], remarks: [] };
  if (!gateway.mayHavePublicSecrets) {
    return { problems: faults.map(({ name, fault }) => problemOf(name, fault, gateway.envFile?.path)), remarks: [] };
  }
  const message = 'the gateway is started with secrets that everybody can know';
  return { problems: [], remarks: [{ level: 'warn', message, facts: { names: faults.map(({ name }) => name) } }] };
}

/** By a word of its command: its program, or its ASGI application as `mcpgateway.main:app`. */
function isMcpGateway({ process: { command } }: ServiceSpec): boolean {
  return command.some((word) => /(^|\/)mcpgateway(\.[\w.]+)?(:\w+)?$/.test(word));
}

/** Whether the installed version makes an administrator, read from its settings; one that cannot be read does not. */
function hasAdministrator(venv: string): boolean {
  return sitePackages(venv).some((place) => {
    try {
      return readFileSync(join(place, 'mcpgateway/config.py'), 'utf8').includes(administrator.toLowerCase());
    } catch {
      return false;
    }
  });
}

/** What is wrong with one. MCP-Gateway does not tell upper from lower case in names, so each spelling counts. */
function faultOf(name: string, environment: Environment): string | undefined {
  const values = Object.entries(environment)
    .filter(([key]) => key.toUpperCase() === name)
    .map(([, value]) => value.trim().toLowerCase());
  if (values.every((value) => value === '')) return "not set, and MCP-Gateway's own default is publicly known";
  return values.some(isPublic) ? 'its value is a publicly known default' : undefined;
}

function isPublic(value: string): boolean {
  return value === '' || publicValues.has(value) || value.startsWith(placeholder);
}

/** @param envFile where the gateway's own .env is, if there is one */
function problemOf(name: string, fault: string, envFile = "the gateway's .env"): Problem {
  const ways = `GW_ENV_${name}, by the file that GW_ENV_${name}_FILE names, or as ${name} in ${envFile}`;
  return {
    subject: name,
    message: `${fault}; accepted: a secret of your own, as ${ways}; for development, GW_ALLOW_INSECURE=1`,
  };
}
