/** The JSON Schema of the fleet's configuration accepts what the fleet accepts, and refuses what it refuses. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { test } from 'tap';
import { fleetSchema } from '../../src/fleet/settings/json-schema.ts';
import { readSettings } from '../../src/fleet/settings/settings.ts';

const root = join(import.meta.dirname, '../..');
const isValid = new Ajv({ strict: true, allowUnionTypes: true }).compile(fleetSchema());

async function isAccepted(document: unknown): Promise<boolean> {
  return 'settings' in (await readSettings(Buffer.from(JSON.stringify(document)), 'c.json'));
}

const docker = (keys: object) => ({ docker: keys });
const server = (keys: object) => docker({ allowedVolumes: ['/srv'], serverConfigs: { one: keys } });

const accepted: readonly object[] = [
  docker({}),
  { ...docker({}), mcpServers: { a: { command: 'x' } }, servers: [], inputs: null, $schema: 'x', 'x-any': 1 },
  docker({ enabled: true, strategy: 'always-on', maxContainers: 1000, 'x-note': [1] }),
  docker({ enabled: 'Yes', maxContainers: '7', idleTimeout: 1.5, stopTimeout: 0, startTimeout: '1m30s' }),
  docker({
    dockerConfig: { socketPath: '/x', imagePrefix: 'r.example:5000/a', networkName: 'n', cleanupOnShutdown: 'off' },
  }),
  server({ image: 'a@sha256:0', command: ['x', ''], environment: { A: 1, B: null, C: true }, user: 0 }),
  server({ command: 'x y', environment: ['A=1', 'B'], user: 'node:1000', readOnly: false, lightweight: true }),
  server({ volumes: { '/srv/x': '/data', '/srv/y/': '/y:ro' }, secrets: { KEY: '/nowhere' } }),
  server({ resourceLimits: { memory: '256m', cpus: '0.25', pids: 64 } }),
  server({ resourceLimits: { memory: 268_435_456, cpus: 2, pids: '64' } }),
  server({ transport: 'http', port: 8080, path: '/mcp' }),
  server({ strategy: 'scheduled', schedule: [{ cron: '0 8 * * *', duration: '1h', timezone: 'UTC' }] }),
];

const refused: readonly unknown[] = [
  {},
  [],
  { docker: null },
  { ...docker({}), dockr: 1 },
  docker({ enable: true }),
  docker({ enabled: 'perhaps' }),
  docker({ strategy: 'On-Demand' }),
  docker({ maxContainers: 0 }),
  docker({ maxContainers: 1001 }),
  docker({ maxContainers: 1.5 }),
  docker({ idleTimeout: 0 }),
  docker({ idleTimeout: '0s' }),
  docker({ stopTimeout: '1d' }),
  docker({ stopTimeout: -1 }),
  docker({ allowedVolumes: '/srv' }),
  docker({ allowedVolumes: ['srv'] }),
  docker({ dockerConfig: { socketPath: 'unix:///x' } }),
  docker({ dockerConfig: { networkName: 'host' } }),
  docker({ dockerConfig: { imagePrefix: 'a/' } }),
  docker({ serverConfigs: { 'a/b': {} } }),
  docker({ serverConfigs: { one: null } }),
  server({ image: '' }),
  server({ image: 'a b' }),
  server({ command: {} }),
  server({ environment: 'A=1' }),
  server({ environment: { A: [] } }),
  server({ volumes: { relative: '/data' } }),
  server({ volumes: { '/srv/x': 'data' } }),
  server({ volumes: { '/srv/x': '/data:rox' } }),
  server({ secrets: { KEY: 'nowhere' } }),
  server({ resourceLimits: { memory: 1 } }),
  server({ resourceLimits: { memory: '12q' } }),
  server({ resourceLimits: { cpus: 0 } }),
  server({ resourceLimits: { swap: '1g' } }),
  server({ transport: 'sse' }),
  server({ transport: 'http', port: 0 }),
  server({ transport: 'http', path: 'mcp' }),
  server({ user: '' }),
  server({ privileged: true }),
  server({ schedule: [{ cron: '0 8 * * *' }] }),
];

test('B40 what is accepted is valid, and what is refused is not', async (t) => {
  for (const document of accepted) {
    t.ok(await isAccepted(document), `the fleet: ${JSON.stringify(document)}`);
    t.ok(isValid(document), `the schema: ${JSON.stringify(document)} ${JSON.stringify(isValid.errors)}`);
  }
  for (const document of refused) {
    t.notOk(await isAccepted(document), `the fleet: ${JSON.stringify(document)}`);
    t.notOk(isValid(document), `the schema: ${JSON.stringify(document)}`);
  }
});

const good = {
  docker: {
    enabled: [true, 'no'],
    strategy: ['on-demand', 'always-on'],
    idleTimeout: ['1m', 5],
    startTimeout: ['1.5s'],
    stopTimeout: [0, '0'],
    sessionTimeout: ['1h'],
  },
  dockerConfig: {
    socketPath: ['/x.sock'],
    imagePrefix: ['a', 'r.example:5000/b'],
    networkName: ['net'],
    cleanupOnShutdown: [false],
    fleetName: ['mine'],
    'x-mine': [{}],
  },
  server: {
    image: ['a:1'],
    strategy: ['pre-warmed'],
    environment: [{ A: 1 }, ['A=1'], {}],
    lightweight: [true],
    command: ['x y', ['x']],
    startTimeout: [3],
    stopTimeout: ['3s'],
    readOnly: ['off'],
    user: [0, 'node'],
    volumes: [{ '/srv/x': '/y' }, {}],
    path: ['/mcp', '/'],
  },
  resourceLimits: { memory: ['1g', 1e7], cpus: [0.5, '2'], pids: [64, '64'] },
} as const;

/** What fits no key, or some. Texts beyond a bound (`1k` of memory) are refused by the fleet alone. */
const odd = fc.constantFrom<unknown>(
  ...[true, 'no', 'x', '', 0, 1, 64, 0.5, -1, '10m', '1.5s', '64', '0', '/opt/x', '/', 'a:1', 'a b', '../x'],
  ...[null, [], {}, ['x'], ['/srv'], { A: 'x' }, { A: null }, { '/srv/x': '/y' }, { memory: '1g' }, 'always-on'],
);

/** Some of the keys, with values that fit. */
const fitting = (table: Readonly<Record<string, readonly unknown[]>>) =>
  fc.record(Object.fromEntries(Object.entries(table).map(([key, values]) => [key, fc.constantFrom(...values)])), {
    requiredKeys: [],
  });

/** What depends on other keys (port and path, schedules, volumes with the engine in them) no schema says. */
const documents = fc
  .record({
    keys: fc.tuple(
      fitting(good.docker),
      fitting(good.dockerConfig),
      fitting(good.server),
      fitting(good.resourceLimits),
    ),
    name: fc.constantFrom('one', 'two.3', 'one', '-x'),
    wrong: fc.option(
      fc.record({
        where: fc.integer({ min: 0, max: 3 }),
        key: fc.constantFrom('other', ...Object.values(good).flatMap((table) => Object.keys(table))),
        value: odd,
      }),
    ),
  })
  .map(({ keys, name, wrong }) => {
    const changed = keys.map((one, index) => (index === wrong?.where ? { ...one, [wrong.key]: wrong.value } : one));
    const [docker, dockerConfig, server, resourceLimits] = changed;
    const one = { resourceLimits, ...server, transport: 'http' };
    return { docker: { allowedVolumes: ['/srv'], dockerConfig, ...docker, serverConfigs: { [name]: one } } };
  });

/** The fleet reads every value as it is written, `user: true` as "true"; an editor asks for quotes there. */
function asRead(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(asRead);
  if (typeof part !== 'object' || part === null) return part === null ? null : String(part);
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, asRead(value)]));
}

test('B40 the schema and the fleet agree about any document', async (t) => {
  const count = { valid: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(documents, async (document) => {
      const taken = await isAccepted(document);
      const valid = isValid(document);
      if (valid && !taken) throw new Error('only the fleet refuses it');
      if (isValid(asRead(document)) !== taken)
        throw new Error(`the schema says ${valid}: ${JSON.stringify(isValid.errors)}`);
      count[valid ? 'valid' : 'refused'] += 1;
    }),
    { numRuns: 500 },
  );
  t.ok(count.valid > 50 && count.refused > 50, `both are met: ${JSON.stringify(count)}`);
});

test('B40 every key has a description', (t) => {
  const check = (part: unknown, path: string): void => {
    if (typeof part !== 'object' || part === null) return;
    for (const [key, value] of Object.entries(part)) {
      check(value, `${path}/${key}`);
      if (key !== 'properties') continue;
      for (const [name, property] of Object.entries(value as Record<string, { description?: string }>)) {
        t.match(property.description, /^.{5}/, `${path}/${name}`);
      }
    }
  };
  check(fleetSchema(), '');
  t.end();
});

test('the committed schema and page are those of the tables, and a page without a marker is said to lack it', (t) => {
  const copy = mkdtempSync(join(tmpdir(), 'fleet-docs-'));
  t.teardown(() => rmSync(copy, { recursive: true }));
  for (const name of ['scripts/docs-parts.mjs', 'scripts/fleet-docs.mjs', 'docs/fleet.md', 'docs/fleet.schema.json']) {
    cpSync(join(root, name), join(copy, name));
  }
  for (const name of ['src', 'node_modules', 'package.json']) symlinkSync(join(root, name), join(copy, name));
  mkdirSync(join(copy, 'docs'), { recursive: true });
  const run = (...words: string[]) =>
    spawnSync(process.execPath, ['--import=tsx', 'scripts/fleet-docs.mjs', ...words], { cwd: copy, encoding: 'utf8' });
  const page = join(copy, 'docs/fleet.md');
  const text = readFileSync(page, 'utf8');

  t.match(run('--check'), { status: 0, stderr: '' });
  writeFileSync(page, text.replace('`UNAUTHORIZED` | 401', '`UNAUTHORIZED` | 402'));
  t.match(run('--check'), { status: 1, stderr: 'docs/fleet.md is out of date; run: npm run fleet-docs' });
  t.equal(run().status, 0);
  t.equal(readFileSync(page, 'utf8'), text);
  writeFileSync(page, text.replace('<!-- /keys: server -->', ''));
  t.match(run('--check').stderr, 'docs/fleet.md has no <!-- keys: server --> … <!-- /keys: server -->');
  t.end();
});
