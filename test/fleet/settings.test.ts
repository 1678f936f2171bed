/** The fleet's configuration: the seed's document is read as it stands, and what is wrong is told at once. */
import { mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { readSettings } from '../../src/fleet/settings/settings.ts';

const read = (document: unknown) =>
  readSettings(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), 'config.json');

async function problemsOf(document: unknown): Promise<string> {
  const result = await read(document);
  return 'problems' in result ? result.problems.map(({ subject, message }) => `${subject}: ${message}`).join('\n') : '';
}

const withServer = (server: unknown, docker: object = {}) => ({
  docker: { ...docker, serverConfigs: { one: server } },
});

test("B40 the seed's configuration, with where volumes are allowed", async (t) => {
  const result = await read({
    docker: {
      enabled: true,
      strategy: 'on-demand',
      maxContainers: 20,
      allowedVolumes: ['/home/user'],
      dockerConfig: {
        socketPath: '/var/run/docker.sock',
        imagePrefix: 'mcp-servers',
        networkName: 'mcp-hub-network',
        cleanupOnShutdown: true,
      },
      serverConfigs: {
        filesystem: {
          image: 'mcp-servers/filesystem',
          strategy: 'on-demand',
          volumes: { '/home/user/workspace': '/data' },
          environment: { MCP_ALLOWED_PATHS: '/data' },
        },
        'mcp-memory': {
          image: 'mcp-servers/memory',
          strategy: 'always-on',
          resourceLimits: { memory: '256m', cpus: '0.25' },
        },
        github: { strategy: 'on-demand' },
        'mcp-time': { strategy: 'pre-warmed', lightweight: true },
      },
    },
    mcpServers: { anything: { command: 'x' } },
  });
  t.match(result, {
    settings: {
      isEnabled: true,
      maxContainers: 20,
      socketPath: '/var/run/docker.sock',
      networkName: 'mcp-hub-network',
      fleetName: 'mcp-hub-network',
      isCleanedUpOnShutdown: true,
      servers: [
        {
          name: 'filesystem',
          strategy: 'on-demand',
          mounts: [{ source: '/home/user/workspace', target: '/data', isReadOnly: false }],
          environment: { MCP_ALLOWED_PATHS: '/data' },
          limits: { memoryBytes: 512 * 1024 ** 2, nanoCpus: 1e9, pids: 256 },
          transport: { kind: 'stdio' },
          isRootReadOnly: true,
        },
        { name: 'mcp-memory', strategy: 'always-on', limits: { memoryBytes: 256 * 1024 ** 2, nanoCpus: 0.25e9 } },
        { name: 'github', image: 'mcp-servers/github' },
        { name: 'mcp-time', strategy: 'pre-warmed', limits: { memoryBytes: 128 * 1024 ** 2, pids: 64 } },
      ],
    },
  });
});

test('B40 nothing is done unless it is enabled', async (t) => {
  t.match(await read({ docker: {} }), { settings: { isEnabled: false, strategy: 'on-demand', servers: [] } });
});

test('B40 all that is wrong is told at once, with its place, and the nearest name of an unknown key', async (t) => {
  const text = await problemsOf(`{
  "docker": {
    "strategy": "on-demnd",
    "maxContainer": 3,
    "serverConfigs": {
      "one": { "resourceLimits": { "memory": "12", "cpus": "many" } }
    }
  },
  "dockr": {}
}`);
  t.match(text, /config\.json:3:5: docker\.strategy: "on-demnd" is not accepted; did you mean "on-demand"\?/);
  t.match(text, /config\.json:4:5: docker\.maxContainer: unknown key; did you mean "maxContainers"\?/);
  t.match(
    text,
    /config\.json:6:36: docker\.serverConfigs\.one\.resourceLimits\.memory: "12" is not accepted.*at least 6m/,
  );
  t.match(text, /resourceLimits\.cpus: "many" is not accepted/);
  t.match(text, /config\.json:9:3: dockr: unknown key; did you mean "docker"\?/);
});

test('B44 what would open the box is refused by its own word', async (t) => {
  const privileged = await problemsOf(withServer({ privileged: true, networkMode: 'host', capAdd: ['SYS_ADMIN'] }));
  t.match(privileged, /one\.privileged: a server is never privileged/);
  t.match(privileged, /one\.networkMode: servers are in the network of the fleet alone/);
  t.match(privileged, /one\.capAdd: servers have no capabilities/);
  t.equal(privileged.split('\n').length, 3);
});

test('B44 volumes are below what is allowed, also by way of links, and never hold the engine', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'fleet-'));
  t.teardown(() => import('node:fs').then(({ rmSync }) => rmSync(home, { recursive: true })));
  symlinkSync('/etc', join(home, 'link'));
  const problems = (source: string, allowed: readonly string[]) =>
    problemsOf(withServer({ volumes: { [source]: '/data' } }, { allowedVolumes: allowed }));
  t.equal(await problems(join(home, 'mine'), [home]), '');
  t.match(await problems(join(home, 'mine'), []), /is not below one of "allowedVolumes" \(none\)/);
  t.match(await problems(`${home}-other`, [home]), /is not below/);
  t.match(await problems(join(home, 'link'), [home]), /is not below/);
  t.match(await problems(join(home, '../../etc'), [home]), /is not below/);
  t.match(await problems('/var/run/docker.sock', ['/']), /gives the container the engine's socket/);
  t.match(await problems('/run', ['/']), /gives the container the engine's socket/);
  t.match(await problems('/', ['/']), /gives the container the engine's socket/);
});

test('B41 a schedule needs the strategy, and the strategy a schedule', async (t) => {
  const schedule = [{ cron: '0 8 * * 1-5', duration: '10h', timezone: 'Europe/Berlin' }];
  t.equal(await problemsOf(withServer({ strategy: 'scheduled', schedule })), '');
  t.match(await problemsOf(withServer({ strategy: 'scheduled' })), /needs "schedule"/);
  t.match(await problemsOf(withServer({ schedule })), /needs the strategy scheduled, it is on-demand/);
  t.match(
    await problemsOf(withServer({ strategy: 'scheduled', schedule: [{ cron: '0 25 * * *', duration: '1h' }] })),
    /one\.schedule: /,
  );
});

test('B41 servers that are kept running must fit', async (t) => {
  const two = { a: { strategy: 'always-on' }, b: { strategy: 'pre-warmed' } };
  t.match(
    await problemsOf({ docker: { maxContainers: 1, serverConfigs: two } }),
    /1 is not enough for 2 servers .*\(a, b\)/,
  );
});

test('B40 what is no configuration at all', async (t) => {
  t.match(await problemsOf(''), /empty/);
  t.match(await problemsOf('[]'), /a map with "docker"/);
  t.match(await problemsOf('{}'), /"docker" is missing/);
  t.match(await problemsOf({ docker: { serverConfigs: { 'a/b': {} } } }), /is no name for a server/);
});
