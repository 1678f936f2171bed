/** What is asked of objects that the schemas have accepted: whose pods, which ports, which variables. */
import type { Manifest } from './manifests.ts';

export function ofKind(manifests: readonly Manifest[], kind: string): Manifest[] {
  return manifests.filter((manifest) => manifest.kind === kind);
}

export function named(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = ofKind(manifests, kind).find(({ metadata }) => metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

export function workloadsIn(manifests: readonly Manifest[]): Manifest[] {
  return [...ofKind(manifests, 'Deployment'), ...ofKind(manifests, 'Job')];
}

export function podOf({ spec }: Manifest) {
  return spec.template.spec;
}

export function containerOf(workload: Manifest) {
  return podOf(workload).containers[0];
}

/** The container's ports by name. */
export function portsOf(workload: Manifest): Readonly<Record<string, number>> {
  const ports: readonly { name: string; containerPort: number }[] = containerOf(workload).ports;
  return Object.fromEntries(ports.map(({ name, containerPort }) => [name, containerPort]));
}

interface Source {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  readonly isOptional: boolean;
}

export function sourcesOf(workload: Manifest): Source[] {
  // biome-ignore lint/suspicious/noExplicitAny: the schema has accepted it.
  return (containerOf(workload).envFrom ?? []).map(({ configMapRef, secretRef }: any) => {
    const { name, optional = false } = configMapRef ?? secretRef;
    return { kind: configMapRef ? 'ConfigMap' : 'Secret', name, isOptional: optional };
  });
}

/** The variables of a pod, as the kubelet makes them: `envFrom` in order, then `env`, with `$(NAME)` replaced. */
export function environmentOf(workload: Manifest, manifests: readonly Manifest[]): Record<string, string> {
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
