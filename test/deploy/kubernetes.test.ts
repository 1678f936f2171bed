/**
 * The manifests: valid by Kubernetes' own schemas, at one with themselves, and with what tandem does. The files are checked
 * everywhere; what kustomize makes of them where kubectl or kustomize is there, and always in CI.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseEnv } from 'dotenv';
import t, { type Test } from 'tap';
import type { Config } from '../../src/config/config.ts';
import { variable, variableNames } from '../../src/config/variables.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { servicesFor } from '../../src/presets/index.ts';
import { load, scratchDir } from '../config/fixture.ts';
import {
  filesOf,
  kubernetesDir,
  kustomizationOf,
  type Labels,
  type Manifest,
  manifestsIn,
  problemsOf,
  problemsOfPatch,
  readManifests,
  render,
} from './manifests.ts';

const overlays = ['overlays/development', 'overlays/production'] as const;

/** Variables that are not tandem's but the applications', as Matrix Hub and MCP-Gateway name them. */
const ofApplications = new Set([
  ...['DATABASE_URL', 'MCP_GATEWAY_TOKEN'],
  ...['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD', 'PLATFORM_ADMIN_PASSWORD'],
]);

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

/** What holds for base and each overlay. */
async function judgeStack(t: Test, manifests: readonly Manifest[]): Promise<void> {
  for (const workload of workloadsIn(manifests)) {
    const name = workload.metadata.name;
    await t.test(`${name}: as little power as it can do with`, async (t) => judgeSecurity(t, workload));
    await t.test(`${name}: what it refers to is there`, async (t) => judgeReferences(t, workload, manifests));
    await t.test(`${name}: its variables are known`, async (t) => judgeVariables(t, workload, manifests));
    await t.test(`${name}: tandem accepts it, and the pod fits it`, async (t) => judgePlan(t, workload, manifests));
  }
  await t.test('services, budgets, policies and autoscalers lead somewhere', async (t) => judgeSelectors(t, manifests));
}

function judgeSecurity(t: Test, workload: Manifest): void {
  const pod = podOf(workload);
  const container = containerOf(workload);
  t.match(pod, {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  });
  t.same(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  for (const kind of ['requests', 'limits'] as const) {
    t.match(container.resources[kind], { cpu: String, memory: String }, `${kind} of CPU and memory`);
  }
  const writable = container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
  for (const path of ['/tmp', '/run']) t.ok(writable.includes(path), `${path} can be written`);
}

function judgeReferences(t: Test, workload: Manifest, manifests: readonly Manifest[]): void {
  const pod = podOf(workload);
  const container = containerOf(workload);
  const volumes: { name: string; persistentVolumeClaim?: { claimName: string } }[] = pod.volumes;
  const mounts: { name: string }[] = container.volumeMounts;
  t.same(mounts.map(({ name }) => name).sort(), volumes.map(({ name }) => name).sort(), 'volumes and their mounts');
  const wanted = [
    ['ServiceAccount', pod.serviceAccountName],
    ...volumes.flatMap(({ persistentVolumeClaim: claim }) =>
      claim ? [['PersistentVolumeClaim', claim.claimName]] : [],
    ),
    ...sourcesOf(workload).flatMap(({ kind, name, isOptional }) => (isOptional ? [] : [[kind, name]])),
  ];
  for (const [kind, name] of wanted) {
    t.ok(
      ofKind(manifests, String(kind)).some(({ metadata }) => metadata.name === name),
      `${kind} ${name}`,
    );
  }
}

function judgeVariables(t: Test, workload: Manifest, manifests: readonly Manifest[]): void {
  const tandems = new Set<string>(variableNames);
  for (const name of Object.keys(environmentOf(workload, manifests))) {
    const itself = name.replace(/^(HUB|GW)_ENV_/, '').replace(/_FILE$/, '');
    t.ok(
      [name, itself].some((known) => tandems.has(known) || ofApplications.has(known)),
      name,
    );
  }
}

/** The pod's environment, read by tandem's own code for a hub and a gateway that are installed. */
async function judgePlan(t: Test, workload: Manifest, manifests: readonly Manifest[]): Promise<void> {
  const environment = environmentOf(workload, manifests);
  const isBase = !ofKind(manifests, 'Namespace').length;
  const { config, specs } = await planOf(t, workload, {
    // Base has no secrets of its own; overlays bring them or say that none are wanted.
    ...(isBase && { GW_ALLOW_INSECURE: '1' }),
    ...environment,
  });
  const { spec } = workload;
  const run = specs.filter(({ skip, isExternal }) => skip === undefined && !isExternal).map(({ name }) => name);
  const component = workload.metadata.labels?.['app.kubernetes.io/component'] ?? '';
  const isMigratingItself = component === 'hub' && config.migrations.mode !== 'off';
  t.same(run.sort(), isMigratingItself ? ['hub', 'migrations'] : [component], 'what it runs');

  t.ok(config.stop.drainDelayMs > 0, 'B58 it drains');
  const graceMs = podOf(workload).terminationGracePeriodSeconds * 1000;
  t.ok(graceMs >= config.stop.timeoutMs + 2_000, `${graceMs} ms of grace, ${config.stop.timeoutMs} ms to stop`);

  if (workload.kind === 'Job') {
    t.equal(config.migrations.mode, 'required');
    t.equal(config.migrations.mayFail, false);
    t.ok(spec.activeDeadlineSeconds * 1000 > config.migrations.timeoutMs + waitForMs, 'one try fits the deadline');
    t.equal(spec.template.spec.restartPolicy, 'Never');
    return;
  }
  judgeServing(t, workload, config, isMigratingItself);
}

const waitForMs = Number(variable('WAIT_FOR_TIMEOUT').default) * 1000;

function judgeServing(t: Test, workload: Manifest, config: Config, isMigrating: boolean): void {
  const { startupProbe, readinessProbe, livenessProbe } = containerOf(workload);
  const { http, health } = portsOf(workload);
  const isHub = config.hub.skip === undefined;
  const rider = isHub ? config.hub : config.gateway;
  t.equal(rider.host, '0.0.0.0');
  t.equal(http, rider.port);
  t.equal(String(http), variable(isHub ? 'PORT' : 'GW_PORT').default);
  t.same(config.health, { host: '0.0.0.0', port: health });
  t.equal(String(health), variable('TANDEM_HEALTH_PORT').default);
  for (const [probe, path] of [
    [startupProbe, '/readyz'],
    [readinessProbe, '/readyz'],
    [livenessProbe, '/livez'],
  ]) {
    t.same(probe.httpGet, { path, port: 'health' });
  }
  // tandem's own limits end it with 69 and a reason; the probe must not be first.
  const awaitedMs = isHub && config.gateway.isAwaited ? config.gateway.readyTimeoutMs : 0;
  const longestMs = waitForMs + awaitedMs + (isMigrating ? config.migrations.timeoutMs : 0) + rider.readyTimeoutMs;
  const patienceMs = startupProbe.periodSeconds * startupProbe.failureThreshold * 1000;
  t.ok(patienceMs > longestMs, `${patienceMs} ms for a start that takes at most ${longestMs} ms`);
}

async function planOf(
  t: Test,
  workload: Manifest,
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly config: Config; readonly specs: readonly ServiceSpec[] }> {
  const root = scratchDir(t, {
    '.venv/bin/gunicorn': '',
    '.venv/bin/alembic': '',
    'alembic.ini': '',
    'mcpgateway/.venv/bin/gunicorn': '',
  });
  const args: readonly string[] = containerOf(workload).args ?? ['run'];
  t.equal(args[0], 'run');
  const only = args.flatMap((word, index) => (args[index - 1] === '--only' ? [word] : []));
  const config = await load({ APP_ROOT: root, PATH: '/usr/bin', ...environment }, 'matrix');
  return { config, specs: (await servicesFor(config, {}, only)).specs };
}

function judgeSelectors(t: Test, manifests: readonly Manifest[]): void {
  const deployments = ofKind(manifests, 'Deployment');
  const selected = (labels: Labels) =>
    workloadsIn(manifests).filter(({ spec }) =>
      Object.entries(labels).every(([key, value]) => spec.template.metadata.labels?.[key] === value),
    );
  for (const { metadata, spec } of deployments) {
    t.same(
      selected(spec.selector.matchLabels).map((workload) => workload.metadata.name),
      [metadata.name],
    );
  }
  for (const workload of deployments) {
    for (const { labelSelector } of podOf(workload).topologySpreadConstraints ?? []) {
      t.same(selected(labelSelector.matchLabels), [workload], 'its own pods are spread');
    }
  }
  for (const { metadata, spec } of ofKind(manifests, 'Service')) {
    const [workload, ...others] = selected(spec.selector);
    t.equal(workload?.metadata.name, metadata.name);
    t.same(others, []);
    for (const { port, targetPort } of spec.ports) t.equal(portsOf(workload as Manifest)[targetPort], port);
  }
  for (const { spec } of ofKind(manifests, 'PodDisruptionBudget')) {
    t.equal(selected(spec.selector.matchLabels).length, 1);
    t.equal(spec.maxUnavailable, 1, 'nodes can be drained');
  }
  for (const { metadata, spec } of ofKind(manifests, 'NetworkPolicy').filter(({ spec }) => spec.ingress)) {
    const [workload] = selected(spec.podSelector.matchLabels);
    t.equal(workload?.metadata.name, metadata.name);
    for (const { from = [], ports } of spec.ingress) {
      for (const { port } of ports) t.ok(portsOf(workload as Manifest)[port], `port ${port}`);
      for (const { podSelector } of from) t.equal(selected(podSelector.matchLabels).length, 1);
    }
  }
  for (const { spec } of ofKind(manifests, 'HorizontalPodAutoscaler')) {
    const target = named(manifests, spec.scaleTargetRef.kind, spec.scaleTargetRef.name);
    t.equal(target.spec.replicas, undefined, 'the number of pods is the autoscaler’s alone');
  }
  const hub = named(manifests, 'Deployment', 'matrix-hub');
  const gateway = named(manifests, 'Service', 'matrix-gateway');
  const url = `http://${gateway.metadata.name}:${gateway.spec.ports[0].port}`;
  t.equal(environmentOf(hub, manifests)['MCP_GATEWAY_URL'], url);
}

function ofKind(manifests: readonly Manifest[], kind: string): Manifest[] {
  return manifests.filter((manifest) => manifest.kind === kind);
}

function named(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = ofKind(manifests, kind).find(({ metadata }) => metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

function workloadsIn(manifests: readonly Manifest[]): Manifest[] {
  return [...ofKind(manifests, 'Deployment'), ...ofKind(manifests, 'Job')];
}

function podOf({ spec }: Manifest) {
  return spec.template.spec;
}

function containerOf(workload: Manifest) {
  return podOf(workload).containers[0];
}

/** The container's ports by name. */
function portsOf(workload: Manifest): Readonly<Record<string, number>> {
  const ports: readonly { name: string; containerPort: number }[] = containerOf(workload).ports;
  return Object.fromEntries(ports.map(({ name, containerPort }) => [name, containerPort]));
}

interface Source {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  readonly isOptional: boolean;
}

function sourcesOf(workload: Manifest): Source[] {
  // biome-ignore lint/suspicious/noExplicitAny: the schema has accepted it.
  return (containerOf(workload).envFrom ?? []).map(({ configMapRef, secretRef }: any) => {
    const { name, optional = false } = configMapRef ?? secretRef;
    return { kind: configMapRef ? 'ConfigMap' : 'Secret', name, isOptional: optional };
  });
}

/** The variables of a pod, as the kubelet makes them: `envFrom` in order, then `env`, with `$(NAME)` replaced. */
function environmentOf(workload: Manifest, manifests: readonly Manifest[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { kind, name } of sourcesOf(workload)) Object.assign(environment, dataOf(manifests, kind, name));
  const own: Record<string, string> = {};
  for (const { name, value = '', valueFrom } of containerOf(workload).env ?? []) {
    const reference = valueFrom?.secretKeyRef;
    const found = reference ? dataOf(manifests, 'Secret', reference.name)[reference.key] : value;
    if (found === undefined) throw new Error(`there is no ${reference.key} in the Secret ${reference.name}`);
    own[name] = reference ? found : found.replace(/\$\((\w+)\)/g, (text: string, other: string) => own[other] ?? text);
  }
  return { ...environment, ...own };
}

function dataOf(manifests: readonly Manifest[], kind: Source['kind'], name: string): Record<string, string> {
  const data: Record<string, string> =
    ofKind(manifests, kind).find(({ metadata }) => metadata.name === name)?.data ?? {};
  if (kind === 'ConfigMap') return data;
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]));
}
