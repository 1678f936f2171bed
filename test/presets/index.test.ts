import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  choosePreset,
  prepareFor,
  type Site,
  selectServices,
  servicesFor,
  unknownServices,
} from '../../src/presets/index.ts';
import { load, problemsOf, scratchDir, surroundings } from '../config/fixture.ts';
import { gatewaySecrets } from '../support/gateway-secrets.ts';

const root = join(__dirname, '../..');

t.test('the flag beats TANDEM_PRESET, which beats what is found', async (t) => {
  const here = surroundings({ TANDEM_PRESET: 'matrix' });
  t.match(choosePreset(here, 'embedded'), { name: 'embedded', reason: '--preset is embedded' });
  t.match(choosePreset(here, undefined), { name: 'matrix', reason: 'TANDEM_PRESET is matrix' });
});

t.test('a Matrix Hub that is there is chosen before the pair, and the reason says where', async (t) => {
  for (const file of ['src/app.py', 'src/app/__init__.py', '.venv/bin/gunicorn', '.venv/bin/uvicorn']) {
    const APP_ROOT = scratchDir(t, { [file]: '' });
    t.match(choosePreset(surroundings({ APP_ROOT }, { installDir: root }), undefined), {
      name: 'matrix',
      reason: join(APP_ROOT, file),
    });
  }
});

t.test('without a Matrix Hub the embedded pair is chosen, where it is installed', async (t) => {
  const APP_ROOT = scratchDir(t, { 'package.json': '' });
  t.match(choosePreset(surroundings({ APP_ROOT }, { installDir: root }), undefined), {
    name: 'embedded',
    reason: APP_ROOT,
  });
  t.match(choosePreset(surroundings({ APP_ROOT }), undefined), {
    name: undefined,
    problem: { subject: 'TANDEM_PRESET' },
  });
});

t.test('without APP_ROOT the choice looks where the configuration does', async (t) => {
  const { problem } = choosePreset(surroundings({}), undefined);
  t.match(problem?.message, `no Matrix Hub at ${(await load({})).hub.root} (APP_ROOT)`);
});

t.test('a preset that does not exist is refused, once', async (t) => {
  t.match(choosePreset(surroundings({}), 'both'), {
    name: undefined,
    problem: { subject: '--preset', message: '"both"' },
  });
  // The table of variables refuses this one itself.
  t.equal(choosePreset(surroundings({ TANDEM_PRESET: 'both' }), undefined).problem, undefined);
});

t.test('B07 B09 the embedded hub waits for the gateways of others, too: by MCP', async (t) => {
  const own = { HUB_COMMAND: 'my hub', GW_COMMAND: 'my gateway' };
  const probeOf = async (environment: Record<string, string>, site: Site = {}) => {
    const { specs } = await servicesFor(await load({ ...own, ...environment }), site);
    const hub = specs.find(({ name }) => name === 'hub');
    t.match(hub?.dependsOn, { 'external-gateway': 'completed' });
    return specs.find(({ name }) => name === 'external-gateway')?.readiness?.probe;
  };
  const elsewhere = { GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', MCP_GATEWAY_URL: 'http://gw:1/mcp' };
  t.strictSame(await probeOf(elsewhere), { kind: 'mcp', url: 'http://gw:1/mcp' });
  const here = { holderOf: async () => ({ pid: 12 }) };
  t.strictSame(await probeOf({ GW_REUSE: '1' }, here), { kind: 'mcp', url: 'http://127.0.0.1:4444/mcp' });
});

t.test('B05 B06 the configuration reaches the embedded pair', async (t) => {
  const config = await load(
    {
      ...{ PORT: '8001', GW_PORT: '8002', GW_HEALTH_PATH: '', GW_READY_TIMEOUT: '5', HUB_READY_TIMEOUT: '7' },
      ...{ HUB_COMMAND: 'my hub', GW_COMMAND: 'gunicorn x', HUB_ENV_X: '1', GW_ENV_X: '2', MIGRATE_COMMAND: 'm' },
    },
    'embedded',
  );
  const { specs } = await servicesFor(config);
  t.match(specs, [
    { name: 'migrations', process: { command: ['m'] } },
    {
      name: 'gateway',
      process: { command: ['gunicorn', 'x'], environment: { PORT: '8002', X: '2' } },
      readiness: { startTimeoutMs: 5_000 },
    },
    {
      name: 'hub',
      process: { command: ['my', 'hub'], environment: { PORT: '8001', X: '1' } },
      readiness: { startTimeoutMs: 7_000 },
    },
  ]);
  t.equal(specs[1]?.readiness?.probe, undefined);
  t.strictSame(
    specs.map(({ forwardSignals }) => forwardSignals),
    [[], ['SIGHUP', 'SIGUSR1'], []],
  );
});

t.test('B10 the embedded pair has nothing to migrate, unless a command is given', async (t) => {
  const commands = { HUB_COMMAND: 'h', GW_COMMAND: 'g' };
  const skipOf = async (environment: Record<string, string>) =>
    (await servicesFor(await load({ ...commands, ...environment }))).specs[0]?.skip;
  t.match(await skipOf({}), 'nothing to migrate');
  t.equal(await skipOf({ MIGRATE_COMMAND: 'm' }), undefined);
  t.ok(await skipOf({ MIGRATE_COMMAND: 'm', HUB_MIGRATE: 'off' }));
  t.match(await problemsOf(skipOf({ HUB_MIGRATE: 'required' })), [{ subject: 'HUB_MIGRATE' }]);
});

t.test('B06 what a preset needs on the disk is made before the start, for the services that are run', async (t) => {
  const APP_ROOT = scratchDir(t, { '.env.example': 'A=1\n', '.env.gateway.local': 'B=1\n', 'mcpgateway/x': '' });
  const remarks = await prepareFor(await load({ APP_ROOT, GATEWAY_SKIP_START: '1' }, 'matrix'));
  t.match(remarks, [{ message: 'env file made from its example' }]);
  t.ok(existsSync(join(APP_ROOT, '.env')));
  t.notOk(existsSync(join(APP_ROOT, 'mcpgateway/.env')));
});

t.test('--only keeps the named services and skips the others; who depends on those does not wait', async (t) => {
  const { specs } = await servicesFor(await load({ APP_ROOT: scratchDir(t), ...gatewaySecrets }, 'matrix'));
  const only = selectServices(specs, ['hub']);
  t.strictSame(
    only.map(({ name, skip }) => [name, skip === 'not named by --only']),
    [
      ['migrations', false],
      ['gateway', true],
      ['hub', false],
    ],
  );
  t.match(only[0]?.skip, /alembic/, 'a reason of its own is kept');
  t.equal(selectServices(specs, []), specs);
  const refused = await problemsOf((async () => selectServices(specs, ['hubb', 'gateway', 'x']))());
  const accepted = 'accepted: migrations, gateway, hub';
  t.strictSame(refused, [
    { subject: '--only', message: `"hubb" is not accepted; ${accepted}` },
    { subject: '--only', message: `"x" is not accepted; ${accepted}` },
  ]);
});

t.test('--only accepts every service of the plan, and no other', async (t) => {
  const wait = { GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', MCP_GATEWAY_URL: 'http://gw:1' };
  const { specs } = await servicesFor(await load({ APP_ROOT: scratchDir(t), ...wait }, 'matrix'));
  const kept = (only: string) => selectServices(specs, [only]).filter(({ skip }) => skip !== 'not named by --only');
  for (const { name } of specs)
    t.ok(
      kept(name).some((spec) => spec.name === name),
      name,
    );
  t.equal(
    kept('external-gateway').find(({ name }) => name === 'hub'),
    undefined,
  );

  const { specs: withoutWait } = await servicesFor(
    await load({ APP_ROOT: scratchDir(t), ...gatewaySecrets }, 'matrix'),
  );
  const refused = (async () => selectServices(withoutWait, ['external-gateway']))();
  const message = '"external-gateway" is not accepted; accepted: migrations, gateway, hub';
  t.strictSame(await problemsOf(refused), [{ subject: '--only', message }]);
  t.strictSame(unknownServices(['external-gateway']), [], 'before there is a plan it may be right');
});
