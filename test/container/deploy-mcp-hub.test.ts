/** deploy/mcp-hub as its README runs it: real containers, the real hub, a real PostgreSQL and Redis. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../support/until.ts';
import { buildImages, Deployment, hubImage } from './deploy-hub.ts';
import { needsEngine, runToEnd } from './engine.ts';

t.setTimeout(600_000);

t.before(async () => {
  if (!needsEngine.skip) await buildImages();
});

/** Resolves once `tandem health` says this, and Docker agrees. */
async function says(deployment: Deployment, words: RegExp, status: string): Promise<void> {
  const patience = { withinMs: 30_000, everyMs: 250 };
  await until(`health says ${words}`, async () => words.test((await deployment.health()).stdout), patience);
  await until(`Docker calls it ${status}`, async () => (await deployment.status()) === status, patience);
}

t.test('B34 up is healthy, a client reaches the tools, down leaves nothing', needsEngine, async (t) => {
  const hub = new Deployment(t);
  await hub.up();
  t.equal(await hub.status(), 'healthy');

  const entity = { name: 'tandem', entityType: 'bicycle', observations: ['has two riders'] };
  await hub.callTool('memory__create_entities', { entities: [entity] });
  t.match(await hub.callTool('memory__read_graph'), /has two riders/);
  t.match(await hub.callTool('clock__now'), /^It is \d{4}-/);

  const answer = await fetch(`${await hub.urlOf(7399)}/health`);
  t.match(await answer.json(), { status: /^healthy$/, components: { hub: { status: /^healthy$/ } } });
  t.match(await hub.health('--env', 'HEALTHCHECK_DEBUG=1'), { code: 0, stderr: /^try 1, / }, 'B21 each try is shown');

  await hub.ask('exec', 'mcp-hub', 'sh', '-c', 'kill $(grep -l [s]ervers/clock /proc/[0-9]*/cmdline | cut -d / -f 3)');
  await says(hub, /^unhealthy: hub unhealthy: .*server clock has ended/, 'unhealthy');

  await hub.ask('down', '--volumes');
  t.same(await hub.leftovers(), []);
});

t.test('B30 B34 profiles start databases, and health names the one that is gone', needsEngine, async (t) => {
  const hub = new Deployment(t, {
    environment: { COMPOSE_PROFILES: 'postgres,redis', POSTGRES_PASSWORD: 'in-a-test' },
  });
  await hub.up();
  t.match(await hub.health(), { code: 0, stdout: /postgres healthy, redis healthy, hub healthy/ });

  await hub.ask('kill', 'postgres');
  await says(hub, /^unhealthy: postgres unhealthy/, 'unhealthy');
  await hub.ask('start', 'postgres');
  await says(hub, /^healthy/, 'healthy');

  await hub.ask('kill', 'redis');
  await says(hub, /^unhealthy: redis unhealthy/, 'unhealthy');

  await hub.ask('down', '--volumes');
  t.same(await hub.leftovers(), []);
});

t.test('B20 what is wrong is said at once, and nothing is started: 78', needsEngine, async (t) => {
  const hub = new Deployment(t, { environment: { REQUIRE_ENV: 'GITHUB_TOKEN' } });
  writeFileSync(join(hub.directory, 'config/mcp-servers.json'), '{\n  "mcpServers": {\n    "memory": [1,],\n  }\n}\n');
  const { code, stdout, stderr } = await hub.compose('run', '--rm', '--no-TTY', 'mcp-hub');
  t.equal(code, 78);
  t.match(stderr, /MCP_HUB_CONFIG: .*\/app\/config\/mcp-servers\.json:3:\d+/);
  t.match(stderr, /REQUIRE_ENV: .*GITHUB_TOKEN/);
  t.notMatch(stdout + stderr, /"service":|Initializing/, 'no service, no word of the hub');
});

t.test('B20 without a configuration the image says what it misses: 78', needsEngine, async (t) => {
  const { code, stderr } = await runToEnd(hubImage, ['check']);
  t.equal(code, 78);
  t.match(stderr, /MCP_HUB_CONFIG: .*\/app\/config\/mcp-servers\.json/);
});

t.test('B34 development: an edited server and an edited configuration are live', needsEngine, async (t) => {
  const hub = new Deployment(t, { file: 'compose.dev.yaml' });
  await hub.up();
  t.match(await hub.callTool('clock__now'), /^It is /);
  const edit = (name: string, change: (text: string) => string) => {
    const path = join(hub.directory, name);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  };
  const patience = { withinMs: 20_000, everyMs: 250 };
  const answer = (name: string) => hub.callTool(name).catch((error: Error) => error.message);

  edit('servers/clock.mjs', (text) => text.replace('It is', 'Now it is'));
  await until('the edited server answers', async () => /^Now it is /.test(await answer('clock__now')), patience);

  edit('config/mcp-servers.dev.json', (text) => text.replace('"clock": {', '"watch": {'));
  await until('the renamed server answers', async () => /^Now it is /.test(await answer('watch__now')), patience);
  await says(hub, /^healthy/, 'healthy');
});
