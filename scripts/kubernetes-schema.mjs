/**
 * `node scripts/kubernetes-schema.mjs DIRECTORY > test/deploy/kubernetes.schema.json`: writes the part of Kubernetes' own JSON
 * Schemas that the manifests in deploy/kubernetes are checked against, so that the check needs no network.
 *
 * DIRECTORY is one version of the strict schemas (`v1.37.0-local-strict`) in the PyPI package kubernetes-validate, which
 * makes them from Kubernetes' OpenAPI document. Kept are the kinds below with all that they refer to; descriptions and
 * `null` as a value of what is optional are left out. `kinds` in the result leads from "apps/v1 Deployment" to a schema.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const kinds = [
  ...['v1 ConfigMap', 'v1 Namespace', 'v1 PersistentVolumeClaim', 'v1 Secret', 'v1 Service', 'v1 ServiceAccount'],
  ...['apps/v1 Deployment', 'batch/v1 Job', 'policy/v1 PodDisruptionBudget', 'networking.k8s.io/v1 NetworkPolicy'],
  ...['autoscaling/v2 HorizontalPodAutoscaler'],
];

const directory = process.argv[2];
if (!directory) {
  console.error('usage: node scripts/kubernetes-schema.mjs DIRECTORY');
  process.exit(64);
}

const all = JSON.parse(readFileSync(join(directory, '_definitions.json'), 'utf8')).$defs;
const nameOfKind = Object.fromEntries(
  Object.entries(all).flatMap(([name, definition]) =>
    (definition['x-kubernetes-group-version-kind'] ?? []).map(({ group, version, kind }) => [
      `${group ? `${group}/` : ''}${version} ${kind}`,
      name,
    ]),
  ),
);

const missing = kinds.filter((kind) => !nameOfKind[kind]);
if (missing.length > 0) throw new Error(`cannot find ${missing.join(', ')} in ${directory}`);

/** Everything that these lead to, by way of `$ref`. */
function reachable(names, found = new Set()) {
  for (const name of names) {
    if (found.has(name)) continue;
    found.add(name);
    const refs = JSON.stringify(all[name]).matchAll(/"#\/\$defs\/([^"]+)"/g);
    reachable(
      [...refs].map(([, ref]) => ref),
      found,
    );
  }
  return found;
}

/** A schema without what says nothing about validity. In `properties` every key is a name, `description` as well. */
function bare(schema) {
  if (Array.isArray(schema)) return schema.map(bare);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).filter(([key]) => key !== 'description' && !key.startsWith('x-'));
  return Object.fromEntries(entries.map(([key, value]) => [key, bareMember(key, value)]));
}

function bareMember(key, value) {
  if (key === 'type' && Array.isArray(value)) return value.find((type) => type !== 'null');
  if (key !== 'properties') return bare(value);
  return Object.fromEntries(Object.entries(value).map(([name, property]) => [name, bare(property)]));
}

const names = [...reachable(kinds.map((kind) => nameOfKind[kind]))].sort();
const schema = {
  $comment: `Kubernetes ${basename(directory)}; Apache License 2.0; written by scripts/kubernetes-schema.mjs`,
  kinds: Object.fromEntries(kinds.map((kind) => [kind, `#/$defs/${nameOfKind[kind]}`])),
  $defs: Object.fromEntries(names.map((name) => [name, bare(all[name])])),
};
process.stdout.write(`${JSON.stringify(schema)}\n`);
