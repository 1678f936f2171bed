/**
 * The manifests: valid by Kubernetes' own schemas, at one with themselves, and with what tandem does. The files are checked
 * everywhere; what kustomize makes of them where kubectl or kustomize is there, and always in CI.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseEnv } from 'dotenv';
import t from 'tap';
import { judgeReferences, judgeStack, ofApplications } from './judge-stack.ts';
import {
  filesOf,
  kubernetesDir,
  kustomizationOf,
  type Manifest,
  manifestsIn,
  problemsOf,
  problemsOfPatch,
  readManifests,
  render,
} from './manifests.ts';
import { containerOf, environmentOf, named, ofKind, workloadsIn } from './pods.ts';

const overlays = ['overlays/development', 'overlays/production'] as const;

for (const name of filesOf('base')) {
  t.test(`B35 base/${name} is valid`, async (t) => {
    const manifests = readManifests('base', name);
    t.not(manifests.length, 0);
    for (const manifest of manifests) t.same(problemsOf(manifest), []);
  });
}

for (const overlay of overlays) {
  t.test(`B35 ${overlay}: its objects and patches are valid`, async (t) => {
    const { resources, patches = [] } = kustomizationOf(overlay);
    const patchFiles = patches.map(({ path }) => path);
    for (const path of resources) t.ok(existsSync(join(kubernetesDir, overlay, path)), path);
    const known = [...resources.filter((path) => path.endsWith('.yaml')), ...patchFiles].sort();
    t.same(filesOf(overlay), known, 'each file is used, and each that is used is there');
    for (const name of filesOf(overlay)) {
      const judge = patchFiles.includes(name) ? problemsOfPatch : problemsOf;
      for (const manifest of readManifests(overlay, name)) t.same(judge(manifest), []);
    }
  });
}

/** Each makes one valid object invalid: a check that accepts it checks nothing. */
const breakages: readonly (readonly [file: string, from: string, to: string, complaint: RegExp])[] = [
  ['gateway.yaml', 'replicas: 1', 'replica: 1', /additional properties \(replica\)/],
  ['gateway.yaml', 'replicas: 1', 'replicas: "1"', /\/spec\/replicas: must be integer/],
  ['hub.yaml', 'containerPort: 7300', 'containerPort: http', /containerPort: must be integer/],
  [
    'hub.yaml',
    '  selector:\n    matchLabels',
    '  selectors:\n    matchLabels',
    /must have required property 'selector'/,
  ],
  ['hub.yaml', 'readOnlyRootFilesystem', 'readonlyRootFilesystem', /\(readonlyRootFilesystem\)/],
  ['hub.yaml', 'path: /readyz', 'paths: /readyz', /startupProbe\/httpGet.*\(paths\)/],
  ['hub.yaml', 'drop: [ALL]', 'drop: ALL', /drop: must be array/],
  ['migrations.yaml', 'args: [run, --only, migrations]', 'args:', /args: must be array/],
  ['migrations.yaml', 'apiVersion: batch/v1', 'apiVersion: batch/v2', /batch\/v2 Job: not a kind/],
  ['network-policies.yaml', 'policyTypes: [Ingress]', 'policyTypes: Ingress', /policyTypes: must be array/],
];

for (const [file, from, to, complaint] of breakages) {
  t.test(`B35 ${file} with ${JSON.stringify(to)} is refused`, async (t) => {
    const source = readFileSync(join(kubernetesDir, 'base', file), 'utf8');
    t.ok(source.includes(from), `${from} is there to be broken`);
    const broken = manifestsIn(source.replace(from, to));
    t.match(broken.flatMap(problemsOf).join('\n'), complaint);
  });
}

t.test('B35 a number for a variable is refused', async (t) => {
  const metadata = { name: 'x' };
  const data = { PORT: 7300 } as unknown as Record<string, string>;
  t.match(problemsOf({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }).join(), /must be string/);
});

/** Base as kustomize would make it, as far as it goes without kustomize: its files, and the ConfigMaps of its literals. */
function baseByHand(): Manifest[] {
  const { configMapGenerator = [], resources } = kustomizationOf('base');
  const configMaps = configMapGenerator.map(({ name, literals }) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: Object.fromEntries(literals.map((literal) => literal.split(/=(.*)/s).slice(0, 2))),
  }));
  return [...resources.flatMap((name) => readManifests('base', name)), ...configMaps];
}

t.test('B35 base, its files as they are', async (t) => judgeStack(t, baseByHand()));

for (const directory of ['base', ...overlays]) {
  t.test(`B35 ${directory}, rendered`, async (t) => {
    const manifests = await render(t, directory);
    if (!manifests) return;
    for (const manifest of manifests) t.same(problemsOf(manifest), []);
    await judgeStack(t, manifests);
  });
}

t.test('B35 development runs one pod each and needs no secret', async (t) => {
  const manifests = await render(t, 'overlays/development');
  if (!manifests) return;
  t.same(ofKind(manifests, 'Job'), [], 'the hub migrates as it starts');
  t.same(ofKind(manifests, 'Secret'), []);
  for (const { spec } of ofKind(manifests, 'Deployment')) {
    t.match(spec, { replicas: 1, strategy: { type: 'Recreate' } });
  }
});

t.test('B35 production: hubs that share database and volume, replaced one by one', async (t) => {
  const manifests = await render(t, 'overlays/production');
  if (!manifests) return;
  const hub = named(manifests, 'Deployment', 'matrix-hub');
  t.match(hub.spec, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } } });
  t.same(named(manifests, 'PersistentVolumeClaim', 'matrix-hub-data').spec.accessModes, ['ReadWriteMany']);
  for (const manifest of [hub, named(manifests, 'Job', 'matrix-migrations')]) {
    const env = environmentOf(manifest, manifests);
    t.equal(env['WAIT_FOR'], env['DATABASE_URL']);
    t.match(env['DATABASE_URL'], /^postgresql/);
  }
  const images = workloadsIn(manifests).map((manifest) => containerOf(manifest).image);
  t.equal(new Set(images).size, 1, 'one image');
  t.match(images[0], /^\S+\/matrix-hub:\d/, 'of a registry, at a version');
});

t.test('B35 production: what is applied before hub and gateway is all that the migrations need', async (t) => {
  const manifests = await render(t, 'overlays/production');
  if (!manifests) return;
  const component = ({ metadata }: Manifest) => metadata.labels?.['app.kubernetes.io/component'] ?? '';
  const early = manifests.filter((manifest) => !['hub', 'gateway'].includes(component(manifest)));
  t.same(ofKind(early, 'Deployment'), []);
  const job = named(early, 'Job', 'matrix-migrations');
  judgeReferences(t, job, early);
  t.same(environmentOf(job, early), environmentOf(job, manifests));
});

t.test('B35 the examples of secrets name every variable and hold no secret', async (t) => {
  const directory = join(kubernetesDir, 'overlays/production/secrets');
  const read = (name: string) => parseEnv(readFileSync(join(directory, `${name}.env.example`)));
  t.same(
    Object.entries(read('gateway')).filter(([, value]) => value !== ''),
    [],
  );
  t.same(
    Object.keys(read('gateway')).filter((name) => !ofApplications.has(name)),
    [],
  );
  t.same(Object.keys(read('hub')), ['DATABASE_URL']);
});
