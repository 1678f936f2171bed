/** The fleet's configuration: the seed's document is read as it stands, and what is wrong is told at once. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { readSettings } from '../../src/fleet/settings/settings.ts';

const read = (document: unknown, environment: NodeJS.ProcessEnv = {}) =>
  readSettings(
    Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)),
    'config.json',
    environment,
  );

async function problemsOf(document: unknown, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const result = await read(document, environment);
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
  t.teardown(() => rmSync(home, { recursive: true }));
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

test("B44 the engine's socket is known wherever it is, and a colon makes no second volume", async (t) => {
  const volumes = (given: object, docker: object = {}, environment: NodeJS.ProcessEnv = {}) =>
    problemsOf(withServer({ volumes: given }, { allowedVolumes: ['/'], ...docker }), environment);
  t.match(
    await volumes({ '/opt/e': '/e' }, { dockerConfig: { socketPath: '/opt/e/s' } }),
    /engine's socket \(\/opt\/e\/s\)/,
  );
  t.match(await volumes({ '/opt/e': '/e' }, {}, { DOCKER_HOST: 'unix:///opt/e/s' }), /engine's socket \(\/opt\/e\/s\)/);
  t.equal(await volumes({ '/opt/e': '/e' }, {}, { DOCKER_HOST: 'tcp://e:1' }), '');
  t.match(await volumes({ '/opt/a:/opt/b': '/e' }), /volumes: a map is not accepted/);
  t.match(await volumes({ '/opt/a': '/e:rw:z' }), /volumes: a map is not accepted/);
  t.equal(await volumes({ '/opt/a': '/e:ro', '/opt/b/': '/f' }), '');
});

test("B44 the network is the fleet's own, whatever it is called", async (t) => {
  for (const networkName of ['host', 'none', 'bridge', 'default', 'container:x', 'a b', '-x']) {
    t.match(
      await problemsOf({ docker: { dockerConfig: { networkName } } }),
      /networkName: .* is not accepted/,
      networkName,
    );
  }
  t.equal(await problemsOf({ docker: { dockerConfig: { networkName: 'hosts', fleetName: 'mine' } } }), '');
});

test('B44 a secret that cannot be read is told before anything starts, and its text never', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'fleet-'));
  t.teardown(() => rmSync(home, { recursive: true }));
  writeFileSync(join(home, 'key'), 'hunter2');
  const secrets = (given: object, enabled = true) => problemsOf(withServer({ secrets: given }, { enabled }));
  t.equal(await secrets({ KEY: join(home, 'key') }), '');
  t.match(await secrets({ KEY: join(home, 'none') }), /one\.secrets\.KEY: ".*none" cannot be read/);
  t.equal(await secrets({ KEY: join(home, 'none') }, false), '', 'nothing is looked at unless it is enabled');
  t.match(await secrets({ 'A=B': join(home, 'key') }), /secrets: a map is not accepted/);
  const twice = withServer({ secrets: { KEY: join(home, 'key') }, environment: { KEY: 'x' } });
  t.match(await problemsOf(twice), /secrets\.KEY: is in environment, too/);
});

test('B40 where the engine is: what DOCKER_HOST may say', async (t) => {
  const problems = (DOCKER_HOST: string, others: NodeJS.ProcessEnv = {}, docker: object = { enabled: true }) =>
    problemsOf({ docker }, { DOCKER_HOST, ...others });
  for (const good of ['', 'unix:///run/x.sock', 'tcp://127.0.0.1:2375', 'tcp://engine', 'http://e:1/']) {
    t.equal(await problems(good), '', good);
  }
  for (const bad of [
    'ssh://u@h',
    'https://h:1',
    'npipe:////./pipe/x',
    '/run/x.sock',
    'unix://x',
    'tcp://',
    'tcp://a b',
    'tcp://h:1/x',
    'tcp://u:p@h',
  ]) {
    t.match(await problems(bad), /^DOCKER_HOST: ".*" is not accepted; accepted: unix:\/\/\//, bad);
  }
  t.match(
    await problems('tcp://h:2376', { DOCKER_TLS_VERIFY: '1' }),
    /^DOCKER_TLS_VERIFY: is set, and TLS is not spoken/,
  );
  t.equal(await problems('unix:///x', { DOCKER_TLS_VERIFY: '1' }), '');
  t.equal(await problems('ssh://h', {}, { enabled: false }), '');
  t.equal(await problems('ssh://h', {}, { enabled: true, dockerConfig: { socketPath: '/x' } }), '');
});

test('B40 the defaults of all servers are obeyed, and what a server says goes before them', async (t) => {
  const document = {
    docker: {
      strategy: 'pre-warmed',
      idleTimeout: '1m',
      startTimeout: 5,
      stopTimeout: '0',
      sessionTimeout: '1h',
      dockerConfig: {
        imagePrefix: 'registry.example:5000/mcp',
        networkName: 'net',
        fleetName: 'mine',
        cleanupOnShutdown: false,
      },
      serverConfigs: {
        plain: {},
        own: {
          image: 'a:1',
          strategy: 'on-demand',
          idleTimeout: '2m',
          startTimeout: '6s',
          stopTimeout: '7s',
          lightweight: true,
          resourceLimits: { pids: 9 },
          readOnly: false,
          user: 1000,
          command: 'run "a b"',
          transport: 'http',
          path: '/x',
          environment: ['A=1', 'B'],
        },
      },
    },
  };
  t.match(await read(document), {
    settings: {
      networkName: 'net',
      fleetName: 'mine',
      isCleanedUpOnShutdown: false,
      sessionTimeoutMs: 3_600_000,
      servers: [
        {
          image: 'registry.example:5000/mcp/plain',
          strategy: 'pre-warmed',
          idleTimeoutMs: 60_000,
          startTimeoutMs: 5_000,
          stopTimeoutMs: 0,
        },
        {
          image: 'a:1',
          strategy: 'on-demand',
          idleTimeoutMs: 120_000,
          startTimeoutMs: 6_000,
          stopTimeoutMs: 7_000,
          limits: { memoryBytes: 128 * 1024 ** 2, nanoCpus: 0.25e9, pids: 9 },
          isRootReadOnly: false,
          user: '1000',
          command: ['run', 'a b'],
          transport: { kind: 'http', port: 3_000, path: '/x' },
          environment: { A: '1', B: null },
        },
      ],
    },
  });
  t.match(
    await problemsOf({ docker: { serverConfigs: { GitHub: {} } } }),
    /needs "image": there are no capital letters/,
  );
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
  t.match(await problemsOf(''), /empty; accepted: a map with "docker"/);
  t.match(await problemsOf('[]'), /a map with "docker"/);
  t.match(await problemsOf('{}'), /"docker" is missing/);
  t.match(await problemsOf({ docker: { serverConfigs: { 'a/b': {} } } }), /is no name for a server/);
});
