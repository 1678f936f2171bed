/** What holds for base and each overlay: the objects are at one with each other, and with what tandem makes of their pods. */
import type { Test } from 'tap';
import type { Config } from '../../src/config/config.ts';
import { variable, variableNames } from '../../src/config/variables.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { servicesFor } from '../../src/presets/index.ts';
import { load, scratchDir } from '../config/fixture.ts';
import type { Labels, Manifest } from './manifests.ts';
import { containerOf, environmentOf, named, ofKind, podOf, portsOf, sourcesOf, workloadsIn } from './pods.ts';

/** Variables that are not tandem's but the applications', as Matrix Hub and MCP-Gateway name them. */
export const ofApplications = new Set([
  ...['DATABASE_URL', 'MCP_GATEWAY_TOKEN'],
  ...['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD', 'PLATFORM_ADMIN_PASSWORD'],
]);

/** All of it, a subtest each. */
export async function judgeStack(t: Test, manifests: readonly Manifest[]): Promise<void> {
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

export function judgeReferences(t: Test, workload: Manifest, manifests: readonly Manifest[]): void {
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
    t.equal(target.spec.replicas, undefined, 'the autoscaler alone sets the number of pods');
  }
  const hub = named(manifests, 'Deployment', 'matrix-hub');
  const gateway = named(manifests, 'Service', 'matrix-gateway');
  const url = `http://${gateway.metadata.name}:${gateway.spec.ports[0].port}`;
  t.equal(environmentOf(hub, manifests)['MCP_GATEWAY_URL'], url);
}
