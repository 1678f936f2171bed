import { readdirSync } from 'node:fs';
import t from 'tap';
import { describePlan } from '../../src/cli/check.ts';
import { makePlan } from '../../src/core/plan.ts';
import { servicesFor } from '../../src/presets/index.ts';
import { load, scratchDir } from '../config/fixture.ts';
import { gatewaySecrets } from '../support/gateway-secrets.ts';

const secrets = {
  API_KEY: 's3cret',
  DATABASE_URL: 'postgres://hub:s3cret@db/hub',
  HUB_ENV_JWT_SECRET_KEY: 's3cret',
  HUB_COMMAND: 'hub --token s3cret --url http://u:s3cret@h --password=s3cret',
  MCP_GATEWAY_URL: 'http://u:s3cret@gw:4444',
};

async function checked(APP_ROOT: string, environment: Readonly<Record<string, string>>) {
  const config = await load({ APP_ROOT, PATH: '/usr/bin', ...environment }, 'matrix');
  const { specs, remarks } = await servicesFor(config);
  const input = { config, plan: makePlan(specs), remarks: [...config.remarks, ...remarks], lost: ['no reaper'] };
  return { text: describePlan(input, false), json: JSON.parse(describePlan(input, true)) };
}

t.test(
  'B57 the whole plan: preset and why, order, commands, directories, environment, endpoints, losses',
  async (t) => {
    const root = scratchDir(t, {
      '.venv/bin/gunicorn': '',
      '.venv/bin/alembic': '',
      'alembic.ini': '',
      '.env': 'MULTI="a\\nb"\n',
    });
    const { text, json } = await checked(root, {
      GW_COMMAND: "gw 'a b'",
      DATABASE_URL: 'sqlite:////x.db',
      TANDEM_DRAIN_DELAY: '1',
    });
    for (const line of [
      'preset     matrix (a test wants it)',
      'order      migrations, gateway, hub',
      'stop       within 9s, drain 1s',
      'health     http://127.0.0.1:7399/health',
      "  command    gw 'a b'",
      `  directory  ${root}/mcpgateway`,
      '  needs      migrations completed, gateway ready',
      '  ready      0.0.0.0:7300 is its own, then GET http://127.0.0.1:7300/health, within 1m',
      '  forwards   SIGHUP, SIGUSR1',
      '  sets       MCP_GATEWAY_URL=http://127.0.0.1:4444',
      '  sets       MULTI="a\\nb"',
      '  hides      DATABASE_URL, TANDEM_DRAIN_DELAY',
      '  no reaper',
    ]) {
      t.ok(text.split('\n').includes(line), line);
    }
    t.match(json, { preset: { name: 'matrix' }, stop: { timeout_ms: 9_000 }, lost: ['no reaper'] });
    t.strictSame(
      json.services.map(({ name }: { name: string }) => name),
      ['migrations', 'gateway', 'hub'],
    );
    t.match(json.services[2].process, { cwd: root, environment: { PORT: '7300', DATABASE_URL: 'sqlite:////x.db' } });
  },
);

t.test('B57 what is skipped is said with its reason', async (t) => {
  const { text } = await checked(scratchDir(t), { GATEWAY_SKIP_START: '1' });
  t.match(text, 'gateway (service, skipped: GATEWAY_SKIP_START is set)');
  t.match(text, /migrations \(oneshot, skipped: there is no .*alembic\)/);
});

t.test('B53 B57 no secret is printed, in neither form', async (t) => {
  const root = scratchDir(t, { '.env': 'SMTP_PASSWORD=s3cret\n', 'mcpgateway/.env': 'REDIS_URL=redis://:s3cret@r\n' });
  const { text, json } = await checked(root, { ...gatewaySecrets, ...secrets });
  t.notMatch(text, 's3cret');
  t.notMatch(JSON.stringify(json), 's3cret');
  t.match(json.services[2].process.environment, { API_KEY: '***', SMTP_PASSWORD: '***', JWT_SECRET_KEY: '***' });
  t.match(text, 'sets       JWT_SECRET_KEY=***');
});

for (const [health, path] of [
  ['an HTTP probe', '/health'],
  ['a port', ''],
] as const) {
  t.test(`B53 a URL from a file is secret as a whole, also where it is asked: ${health}`, async (t) => {
    const root = scratchDir(t, { url: 'https://gw.example/s3cret-path\n' });
    const { text, json } = await checked(root, {
      ...{ GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', GW_HEALTH_PATH: path, MCP_GATEWAY_URL_FILE: `${root}/url` },
      GW_ENV_X: 'see https://gw.example/s3cret-path',
      HUB_COMMAND: 'hub https://gw.example/s3cret-path/x',
    });
    t.match(text, 'external-gateway (waited for');
    for (const shown of [text, JSON.stringify(json)]) t.notMatch(shown, /s3cret|gw\.example/);
  });
}

t.test('B57 nothing is written', async (t) => {
  const root = scratchDir(t, { '.env.example': 'A=1\n' });
  const { text } = await checked(root, gatewaySecrets);
  t.strictSame(readdirSync(root), ['.env.example']);
  t.match(text, 'env file missing, the values of its example are used');
});

t.test('B57 without a health port the socket alone is named', async (t) => {
  const { json } = await checked(scratchDir(t), {
    ...gatewaySecrets,
    TANDEM_HEALTH_PORT: '',
    TANDEM_RUNTIME_DIR: '/run/x',
  });
  t.strictSame(json.health, ['/run/x/tandem.sock']);
});
