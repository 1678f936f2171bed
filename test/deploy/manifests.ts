/** The manifests in deploy/kubernetes: read from their files, rendered as `kubectl apply -k` does, checked against the schemas. */
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Test } from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import schema from './kubernetes.schema.json' with { type: 'json' };

const run = promisify(execFile);

export const kubernetesDir = join(import.meta.dirname, '../../deploy/kubernetes');

/** Any object of Kubernetes; what is in it is the schemas' to know. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Labels };
  readonly data?: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: it is read only where the schema has accepted it.
  readonly spec?: any;
}

export type Labels = Readonly<Record<string, string>>;

/** The objects in one text of YAML. @throws Error with all that is wrong with the YAML itself */
export function manifestsIn(text: string): Manifest[] {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return [];
  const problems = documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]);
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'));
  return documents.map((document) => document.toJS()).filter((manifest) => manifest !== null);
}

/** The files of one directory that hold objects or patches, by name. */
export function filesOf(directory: string): string[] {
  const names = readdirSync(join(kubernetesDir, directory)).filter((name) => name.endsWith('.yaml'));
  return names.filter((name) => name !== 'kustomization.yaml').sort();
}

export function readManifests(directory: string, name: string): Manifest[] {
  return manifestsIn(readFileSync(join(kubernetesDir, directory, name), 'utf8'));
}

/** What a kustomization.yaml is asked for here. */
interface Kustomization {
  readonly resources: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
  readonly configMapGenerator?: readonly { readonly name: string; readonly literals: readonly string[] }[];
}

export function kustomizationOf(directory: string): Kustomization {
  return parse(readFileSync(join(kubernetesDir, directory, 'kustomization.yaml'), 'utf8')) as Kustomization;
}

/** Secrets that tandem accepts, as the files beside the examples hold them. */
const secrets = {
  'hub.env': [
    'DATABASE_URL=postgresql+psycopg://matrix:s3cret@postgres.example:5432/matrix',
    'MCP_GATEWAY_TOKEN=t0ken',
  ],
  'gateway.env': ['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD', 'PLATFORM_ADMIN_PASSWORD'].map(
    (name) => `${name}=${'0123456789abcdef'.repeat(4)}`,
  ),
};

/**
 * What Kubernetes is given: base or an overlay, built by kubectl or kustomize, with secrets made up. Where neither is
 * there, the test is skipped and `undefined` returned; in CI nothing is skipped, there it fails.
 */
export async function render(t: Test, directory: string): Promise<Manifest[] | undefined> {
  const copy = t.testdir({});
  cpSync(kubernetesDir, copy, { recursive: true });
  for (const [name, lines] of Object.entries(secrets)) {
    writeFileSync(join(copy, 'overlays/production/secrets', name), `${lines.join('\n')}\n`);
  }
  for (const [program, verb] of [
    ['kubectl', 'kustomize'],
    ['kustomize', 'build'],
  ] as const) {
    try {
      const { stdout, stderr } = await run(program, [verb, join(copy, directory)]);
      t.equal(stderr, '', 'nothing is deprecated');
      return manifestsIn(stdout);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  const reason = 'neither kubectl nor kustomize is there to render with';
  if (process.env['CI'] === 'true') throw new Error(reason);
  t.pass('skipped', { skip: reason });
  return undefined;
}

const whole = compiler(schema);
// A patch says only what it changes.
const partial = compiler(withoutRequired(schema));

function compiler(root: object): Ajv2020 {
  const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: false });
  return ajv.addSchema(root, 'kubernetes');
}

function withoutRequired<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutRequired) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, member]) => !(key === 'required' && Array.isArray(member)));
  return Object.fromEntries(entries.map(([key, member]) => [key, withoutRequired(member)])) as T;
}

/** All that is wrong with an object, by the schemas; unknown fields as well. */
export function problemsOf(manifest: Manifest): string[] {
  return judge(whole, manifest);
}

/** The same for a strategic merge patch. */
export function problemsOfPatch({ $patch: _, ...patch }: Manifest & { readonly $patch?: string }): string[] {
  return judge(partial, patch);
}

function judge(ajv: Ajv2020, manifest: Manifest): string[] {
  const kind = `${manifest.apiVersion} ${manifest.kind}`;
  const reference = (schema.kinds as Readonly<Record<string, string>>)[kind];
  if (reference === undefined) return [`${kind}: not a kind of kubernetes.schema.json`];
  const validate = ajv.getSchema(`kubernetes${reference}`) as ValidateFunction;
  validate(manifest);
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const field = params['additionalProperty'] === undefined ? '' : ` (${params['additionalProperty']})`;
    return `${manifest.kind} ${manifest.metadata?.name} ${instancePath}: ${message}${field}`;
  });
}
