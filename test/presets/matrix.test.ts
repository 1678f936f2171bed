import { join } from 'node:path';
import t from 'tap';
import type { Remark } from '../../src/config/config.ts';
import { makePlan } from '../../src/core/plan.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { type Site, servicesFor } from '../../src/presets/index.ts';
import { autoWorkers } from '../../src/presets/workers.ts';
import { load, problemsOf, scratchDir } from '../config/fixture.ts';
import { gatewaySecrets } from '../support/gateway-secrets.ts';

const gib = 2 ** 30;

const gunicornEverywhere = { '.venv/bin/gunicorn': '', 'mcpgateway/.venv/bin/gunicorn': '' };
const uvicornEverywhere = { '.venv/bin/uvicorn': '', 'mcpgateway/.venv/bin/uvicorn': '' };
const alembic = { '.venv/bin/alembic': '', 'alembic.ini': '' };

/** The services of a Matrix Hub with these files. */
async function servicesIn(root: string, environment: Record<string, string> = {}, site: Site = {}) {
  const config = await load({ APP_ROOT: root, PATH: '/usr/bin', ...gatewaySecrets, ...environment }, 'matrix');
  const { specs, remarks } = await servicesFor(config, site);
  const named = (name: string): ServiceSpec => {
    const spec = specs.find((candidate) => candidate.name === name);
    if (!spec) throw new Error(`no ${name}`);
    return spec;
  };
  return { specs, remarks, migrations: named('migrations'), gateway: named('gateway'), hub: named('hub') };
}

/** The knobs that a remark names. */
const knobsOf = (remark: Remark | undefined) => (remark?.facts['knobs'] ?? []) as string[];

t.test('B01 migrations, then the gateway, then the hub; port first, then HTTP', async (t) => {
  const root = scratchDir(t, { ...gunicornEverywhere, ...alembic });
  const { specs, migrations, gateway, hub } = await servicesIn(root);
  t.strictSame(
    makePlan(specs).services.map(({ name }) => name),
    ['migrations', 'gateway', 'hub'],
  );
  t.strictSame(gateway.dependsOn, { migrations: 'completed' });
  t.strictSame(hub.dependsOn, { migrations: 'completed', gateway: 'ready' });
  t.match(migrations.process, { command: [join(root, '.venv/bin/alembic'), 'upgrade', 'head'], cwd: root });
  t.match(gateway, { process: { cwd: join(root, 'mcpgateway') }, essential: true, stopSignal: 'SIGTERM' });
  t.match(gateway.readiness, {
    port: { host: '0.0.0.0', port: 4444 },
    probe: { kind: 'http', url: 'http://127.0.0.1:4444/health' },
    startTimeoutMs: 60_000,
  });
  t.match(hub, { process: { cwd: root, environment: { MCP_GATEWAY_URL: 'http://127.0.0.1:4444', PORT: '7300' } } });
  t.match(hub.process.environment, { VIRTUAL_ENV: join(root, '.venv'), PATH: `${root}/.venv/bin:/usr/bin` });
  t.equal(migrations.skip ?? gateway.skip ?? hub.skip, undefined);
});

t.test('B01 an empty health path leaves the port alone; IPv6 is asked on its own loopback', async (t) => {
  const root = scratchDir(t, gunicornEverywhere);
  const { gateway, hub } = await servicesIn(root, { GW_HEALTH_PATH: '', HOST: '::' });
  t.equal(gateway.readiness?.probe, undefined);
  t.match(hub.readiness?.probe, { url: 'http://[::1]:7300/health' });
  t.ok(hub.process.command.includes('[::]:7300'));
});

t.test('B02 B03 the command line of gunicorn has every knob', async (t) => {
  const root = scratchDir(t, gunicornEverywhere);
  const { hub, gateway, remarks } = await servicesIn(root, { HUB_WORKERS: '2', GW_WORKERS: '1' });
  t.equal(
    hub.process.command.join(' '),
    `${root}/.venv/bin/gunicorn src.app:app -k uvicorn.workers.UvicornWorker --bind 0.0.0.0:7300 --workers 2 --timeout 60` +
      ' --graceful-timeout 3 --keep-alive 5 --max-requests 1000 --max-requests-jitter 100 --access-logfile -' +
      ' --error-logfile - --log-level info --capture-output',
  );
  t.strictSame(hub.forwardSignals, ['SIGHUP', 'SIGUSR1']);
  t.equal(gateway.process.command[1], 'mcpgateway.main:app');
  t.strictSame(remarks, []);
  const tuned = await servicesIn(root, {
    ...{ GW_WORKERS: '7', GW_TIMEOUT: '500ms', GW_GRACEFUL_TIMEOUT: '2m', GW_KEEPALIVE: '9', GW_MAX_REQUESTS: '0' },
    ...{
      GW_MAX_REQUESTS_JITTER: '0',
      GW_PRELOAD: 'true',
      GW_LOG_LEVEL: 'DEBUG',
      GW_ACCESS_LOGFILE: '/a',
      GW_ERROR_LOGFILE: '/e',
    },
    GW_APP_MODULE: 'my.gateway:app',
  });
  t.equal(
    tuned.gateway.process.command.join(' '),
    `${root}/mcpgateway/.venv/bin/gunicorn my.gateway:app -k uvicorn.workers.UvicornWorker --bind 0.0.0.0:4444 --workers 7` +
      ' --timeout 1 --graceful-timeout 120 --keep-alive 9 --max-requests 0 --max-requests-jitter 0 --access-logfile /a' +
      ' --error-logfile /e --log-level debug --capture-output --preload',
  );
  t.equal(tuned.gateway.stopGraceMs, 121_000);
});

t.test('B02 gunicorn gets what the installed packages need: worker class, no control socket', async (t) => {
  const packages = '.venv/lib/python3.12/site-packages';
  const [workers, moved, control] = ['uvicorn/workers.py', 'uvicorn_worker/__init__.py', 'gunicorn/ctl/__init__.py'];
  const cells: readonly [files: readonly string[], module: string, hasNoSocket: boolean][] = [
    [[], 'uvicorn.workers', false],
    [[workers], 'uvicorn.workers', false],
    [[workers, moved], 'uvicorn.workers', false],
    [[moved], 'uvicorn_worker', false],
    [[workers, control], 'uvicorn.workers', true],
  ];
  for (const [files, module, hasNoSocket] of cells) {
    const inPackages = Object.fromEntries(files.map((file) => [`${packages}/${file}`, '']));
    const { hub, gateway } = await servicesIn(scratchDir(t, { ...gunicornEverywhere, ...inPackages }));
    t.equal(hub.process.command[3], `${module}.UvicornWorker`, files.join(' '));
    t.equal(hub.process.command.includes('--no-control-socket'), hasNoSocket, files.join(' '));
    t.notOk(gateway.process.command.includes('--no-control-socket'), 'its packages are its own');
  }
});

t.test('B02 without gunicorn uvicorn is run, and one warning names the knobs that are lost', async (t) => {
  const root = scratchDir(t, uvicornEverywhere);
  const { hub, remarks } = await servicesIn(root, { HUB_WORKERS: '2', GW_WORKERS: '1', HUB_MAX_REQUESTS: '0' });
  t.equal(
    hub.process.command.join(' '),
    `${root}/.venv/bin/uvicorn src.app:app --host 0.0.0.0 --port 7300 --workers 2 --timeout-keep-alive 5` +
      ' --timeout-graceful-shutdown 3 --log-level info --proxy-headers',
  );
  t.strictSame(hub.forwardSignals, []);
  t.equal(remarks.length, 2);
  t.match(remarks[1], { level: 'warn', facts: { knobs: ['HUB_TIMEOUT', 'HUB_MAX_REQUESTS_JITTER', 'HUB_PRELOAD'] } });
});

t.test('B02 uvicorn gets only the flags that the installed one knows, and what is lost is named', async (t) => {
  const root = scratchDir(t, uvicornEverywhere);
  const asked: string[] = [];
  const flagsOf = async (program: string) => {
    asked.push(program);
    return new Set(['--host', '--port', '--workers', '--log-level']);
  };
  const { hub, remarks } = await servicesIn(root, { HUB_WORKERS: '2', GW_WORKERS: '2' }, { flagsOf });
  t.equal(
    hub.process.command.join(' '),
    `${root}/.venv/bin/uvicorn src.app:app --host 0.0.0.0 --port 7300 --workers 2 --log-level info`,
  );
  const lost = ['HUB_KEEPALIVE', 'HUB_GRACEFUL_TIMEOUT', 'HUB_MAX_REQUESTS'];
  t.strictSame(knobsOf(remarks[1]).slice(-3), lost);
  t.strictSame(asked.sort(), [join(root, '.venv/bin/uvicorn'), join(root, 'mcpgateway/.venv/bin/uvicorn')]);
  const unknown = await servicesIn(root, { HUB_WORKERS: '2', GW_WORKERS: '2' }, { flagsOf: async () => undefined });
  t.ok(unknown.hub.process.command.includes('--proxy-headers'), 'no help to read: all are taken for known');
  asked.length = 0;
  await servicesIn(scratchDir(t, gunicornEverywhere), {}, { flagsOf });
  await servicesIn(root, { HUB_SKIP_START: '1', GW_COMMAND: 'x' }, { flagsOf });
  t.strictSame(asked, [], 'not asked where it is not run');
});

t.test(
  'B02 a single uvicorn is not ended by its number of requests: that would be the end of the container',
  async (t) => {
    const { hub, remarks } = await servicesIn(scratchDir(t, uvicornEverywhere), { HUB_WORKERS: '1', GW_WORKERS: '2' });
    t.notOk(hub.process.command.includes('--limit-max-requests'));
    t.ok(knobsOf(remarks[1]).includes('HUB_MAX_REQUESTS'));
    t.notOk(knobsOf(remarks[0]).includes('GW_MAX_REQUESTS'));
  },
);

t.test(
  'B02 with neither, the launch looks for gunicorn, and the message will say that there is no uvicorn',
  async (t) => {
    const root = scratchDir(t, { '.venv/bin/python': '' });
    const { hub } = await servicesIn(root);
    t.equal(hub.process.command[0], join(root, '.venv/bin/gunicorn'));
    t.match(hub.process.hint, `neither gunicorn nor uvicorn is in the virtual environment "${root}/.venv"`);
    t.equal((await servicesIn(root, { HUB_COMMAND: 'x' })).hub.process.hint, undefined);
  },
);

t.test('a gunicorn with several workers settles before it counts as ready; what has one server does not', async (t) => {
  const settling = async (files: Record<string, string>, environment: Record<string, string>) => {
    const { hub } = await servicesIn(scratchDir(t, files), { GW_WORKERS: '1', ...environment });
    return hub.readiness?.settleMs ?? 0;
  };
  t.equal(await settling(gunicornEverywhere, { HUB_WORKERS: '2' }), 500);
  t.equal(await settling(gunicornEverywhere, { HUB_WORKERS: '1' }), 0);
  t.equal(await settling(gunicornEverywhere, { HUB_WORKERS: '2', HUB_HEALTH_PATH: '' }), 0);
  t.equal(await settling({}, { HUB_COMMAND: 'gunicorn x' }), 500);
  t.equal(await settling(uvicornEverywhere, { HUB_WORKERS: '2' }), 0);
});

t.test('B03 a whole command replaces the line, and gunicorn is recognised in it', async (t) => {
  const root = scratchDir(t, gunicornEverywhere);
  const { hub, gateway, remarks } = await servicesIn(root, {
    HUB_COMMAND: "python -m gunicorn 'a b'",
    GW_COMMAND: 'node gunicorn',
  });
  t.strictSame(hub.process.command, ['python', '-m', 'gunicorn', 'a b']);
  t.strictSame(hub.forwardSignals, ['SIGHUP', 'SIGUSR1']);
  t.strictSame(gateway.forwardSignals, []);
  t.strictSame(remarks, []);
});

t.test('B04 workers from CPU and memory, cell by cell', async (t) => {
  const cells: readonly [cpus: number, memoryLimitBytes: number | undefined, services: number, count: number][] = [
    [2, undefined, 2, 5],
    [0.5, undefined, 2, 2],
    [80, undefined, 1, 161],
    [2, 0.5 * gib, 2, 1],
    [2, 0.5 * gib, 1, 1],
    [2, 2 * gib, 2, 3],
    [2, 8 * gib, 2, 5],
    [8, 32 * 2 ** 20, 2, 1],
  ];
  for (const [cpus, memoryLimitBytes, autoSizedServices, count] of cells) {
    const wishes = { resources: { cpus, memoryLimitBytes }, workerMemoryBytes: gib / 4, autoSizedServices };
    t.equal(autoWorkers(wishes).count, count, JSON.stringify(wishes));
  }
});

t.test(
  'B04 the number of workers and its reason are said; only services without a number share the memory',
  async (t) => {
    const root = scratchDir(t, gunicornEverywhere);
    const resources = { cpus: 4, memoryLimitBytes: 2 * gib };
    const both = await servicesIn(root, {}, { resources });
    t.match(both.remarks, [
      { facts: { service: 'gateway', workers: 3, reason: /memory/ } },
      { facts: { service: 'hub', workers: 3 } },
    ]);
    const one = await servicesIn(root, { GW_WORKERS: '1' }, { resources });
    t.match(one.remarks, [{ facts: { service: 'hub', workers: 7 } }]);
  },
);

t.test('B07 a skipped gateway is in the plan, and nobody is sent to it', async (t) => {
  const root = scratchDir(t, { ...gunicornEverywhere, ...alembic });
  const { gateway, hub } = await servicesIn(root, { GATEWAY_SKIP_START: 'true' });
  t.match(gateway.skip, 'GATEWAY_SKIP_START');
  t.notOk('MCP_GATEWAY_URL' in hub.process.environment);
  const external = await servicesIn(root, { GATEWAY_SKIP_START: '1', MCP_GATEWAY_URL: 'http://gw:4444' });
  t.equal(external.hub.process.environment['MCP_GATEWAY_URL'], 'http://gw:4444');
});

t.test('B07 a pod of the gateway alone migrates nothing, unless that is required', async (t) => {
  const root = scratchDir(t, { ...gunicornEverywhere, ...alembic });
  t.match((await servicesIn(root, { HUB_SKIP_START: '1' })).migrations.skip, 'the hub is skipped');
  t.equal((await servicesIn(root, { HUB_SKIP_START: '1', HUB_MIGRATE: 'required' })).migrations.skip, undefined);
});

t.test('B10 migrations run where alembic and alembic.ini are, and else say why not', async (t) => {
  const { '.venv/bin/alembic': program, 'alembic.ini': ini } = alembic;
  const cells: readonly [Record<string, string>, Record<string, string>, string | undefined][] = [
    [alembic, {}, undefined],
    [{ '.venv/bin/alembic': program }, {}, 'alembic.ini'],
    [{ 'alembic.ini': ini }, {}, 'bin/alembic'],
    [alembic, { HUB_MIGRATE: 'off' }, 'HUB_MIGRATE is off'],
    [alembic, { HUB_MIGRATE: 'off', MIGRATE_COMMAND: 'x' }, 'HUB_MIGRATE is off'],
    [{}, { MIGRATE_COMMAND: 'migrate --now' }, undefined],
  ];
  for (const [files, environment, skip] of cells) {
    const { migrations } = await servicesIn(scratchDir(t, files), environment);
    t.match(migrations.skip, skip, JSON.stringify([Object.keys(files), environment]));
  }
  const { migrations } = await servicesIn(scratchDir(t), { MIGRATE_COMMAND: 'migrate --now', MIGRATE_TIMEOUT: '2m' });
  t.match(migrations, {
    type: 'oneshot',
    process: { command: ['migrate', '--now'] },
    readiness: { startTimeoutMs: 120_000 },
  });
});

t.test('B10 required migrations that are not there are refused', async (t) => {
  const root = scratchDir(t);
  t.match(await problemsOf(servicesIn(root, { HUB_MIGRATE: 'required' })), [
    { subject: 'HUB_MIGRATE', message: /bin\/alembic/ },
  ]);
});

t.test('B10 MIGRATE_ON_FAILURE=warn: nothing ends for them, and the others wait only for their end', async (t) => {
  const { migrations, gateway, hub } = await servicesIn(scratchDir(t, alembic), { MIGRATE_ON_FAILURE: 'warn' });
  t.equal(migrations.essential, false);
  t.strictSame(
    [gateway.dependsOn, hub.dependsOn],
    [{ migrations: 'ended' }, { migrations: 'ended', gateway: 'ready' }],
  );
});

t.test('B06 an override beats even what the preset itself would set', async (t) => {
  const root = scratchDir(t, { 'mcpgateway/.env': 'PYTHONUNBUFFERED=\n' });
  const { hub, gateway } = await servicesIn(root, { HUB_ENV_PATH: '/only', HUB_ENV_MCP_GATEWAY_URL: 'http://other:1' });
  const of = ({ process: { environment } }: ServiceSpec) => [environment['PATH'], environment['PYTHONUNBUFFERED']];
  t.strictSame(of(hub), ['/only', '1']);
  t.equal(hub.process.environment['MCP_GATEWAY_URL'], 'http://other:1');
  t.strictSame(of(gateway), [`${root}/mcpgateway/.venv/bin:/usr/bin`, '']);
});

const external = (specs: readonly ServiceSpec[]) => specs.find(({ name }) => name === 'external-gateway');

t.test('B07 GATEWAY_WAIT: the hub waits for the external gateway, which is asked and not run', async (t) => {
  const root = scratchDir(t, gunicornEverywhere);
  const cells: readonly [url: string, path: string | undefined, probe: object][] = [
    ['http://gw:4444', undefined, { kind: 'http', url: 'http://gw:4444/health' }],
    ['http://gw:4444/mcp/', '/ready', { kind: 'http', url: 'http://gw:4444/mcp/ready' }],
    ['https://gw', '', { kind: 'tcp', address: { host: 'gw', port: 443 } }],
    ['http://[::1]:81', '', { kind: 'tcp', address: { host: '::1', port: 81 } }],
  ];
  for (const [url, path, probe] of cells) {
    const { specs, hub, gateway } = await servicesIn(root, {
      ...{ GATEWAY_SKIP_START: '1', GATEWAY_WAIT: 'yes', MCP_GATEWAY_URL: url, GW_READY_TIMEOUT: '5' },
      ...(path !== undefined && { GW_HEALTH_PATH: path }),
    });
    const readiness = { probe, startTimeoutMs: 5_000 };
    t.match(external(specs), { type: 'oneshot', isExternal: true, essential: true, dependsOn: {}, readiness });
    t.match(hub.dependsOn, { 'external-gateway': 'completed', gateway: 'ready' });
    t.match(gateway.skip, 'GATEWAY_SKIP_START');
    makePlan(specs);
  }
});

t.test('B07 nothing is waited for unasked, nor where the gateway is started or the hub is not', async (t) => {
  const root = scratchDir(t, gunicornEverywhere);
  const MCP_GATEWAY_URL = 'http://gw:4444';
  for (const environment of [
    { GATEWAY_SKIP_START: '1', MCP_GATEWAY_URL },
    { GATEWAY_WAIT: '1', MCP_GATEWAY_URL },
    { GATEWAY_WAIT: '1', HUB_SKIP_START: '1', MCP_GATEWAY_URL },
  ]) {
    const { specs } = await servicesIn(root, environment as Record<string, string>);
    t.equal(external(specs), undefined, JSON.stringify(environment));
  }
});

t.test('B09 GW_REUSE: a gateway that listens already is used, unsupervised, and that is said', async (t) => {
  const root = scratchDir(t, gunicornEverywhere);
  const holderOf = async ({ port }: { port: number }) => (port === 4444 ? { pid: 12, command: 'python' } : undefined);
  const { specs, hub, gateway, remarks } = await servicesIn(root, { GW_REUSE: '1', HUB_WORKERS: '1' }, { holderOf });
  t.match(gateway.skip, 'port 4444 is held by pid 12 (python), which is used in its place, unsupervised');
  t.match(external(specs)?.readiness?.probe, { kind: 'http', url: 'http://127.0.0.1:4444/health' });
  t.match(hub.dependsOn, { 'external-gateway': 'completed' });
  t.equal(hub.process.environment['MCP_GATEWAY_URL'], 'http://127.0.0.1:4444');
  t.match(remarks, [{ level: 'warn', facts: { reason: /pid 12/ } }]);
  t.equal(remarks.length, 1);
});

t.test('B09 without GW_REUSE, or with nobody there, the gateway is started', async (t) => {
  const root = scratchDir(t, gunicornEverywhere);
  const somebody = { holderOf: async () => ({ pid: 12 }) };
  for (const [environment, site] of [
    [{}, somebody],
    [{ GW_REUSE: '1' }, { holderOf: async () => undefined }],
  ] as const) {
    const { specs, gateway } = await servicesIn(root, environment, site);
    t.equal(gateway.skip, undefined);
    t.equal(external(specs), undefined);
  }
});
