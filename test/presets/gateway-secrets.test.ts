/** A gateway whose secrets everybody can know is not started: a table of what is set x what is said. */
import t from 'tap';
import { servicesFor } from '../../src/presets/index.ts';
import { load, problemsOf, scratchDir } from '../config/fixture.ts';
import { gatewaySecrets } from '../support/gateway-secrets.ts';

const administrator = 'GW_ENV_PLATFORM_ADMIN_PASSWORD';
const { [administrator]: ofAdministrator = '', ...three } = gatewaySecrets;
const names = ['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD'];

interface Options {
  readonly files?: Readonly<Record<string, string>>;
  readonly holder?: { readonly pid: number };
  readonly only?: readonly string[];
}

async function servicesIn(root: string, environment: Record<string, string>, { holder, only }: Options = {}) {
  const config = await load({ APP_ROOT: root, ...environment }, 'matrix', { cwd: root });
  return servicesFor(config, { holderOf: async () => holder }, only);
}

const refused = (root: string, environment: Record<string, string>, options: Options = {}) =>
  problemsOf(servicesIn(root, environment, options));

t.test('unset ones are refused, all at once, with every way to set them', async (t) => {
  const root = scratchDir(t);
  const problems = await refused(root, {});
  t.strictSame(
    problems.map(({ subject }) => subject),
    names,
  );
  t.match(problems[0]?.message, /^not set, .*publicly known; accepted: .*GW_ENV_JWT_SECRET_KEY,/);
  t.match(
    problems[0]?.message,
    /GW_ENV_JWT_SECRET_KEY_FILE .*JWT_SECRET_KEY in the gateway's \.env.*GW_ALLOW_INSECURE=1/,
  );
  const inFile = await refused(scratchDir(t, { 'mcpgateway/.env': 'A=1' }), {});
  t.match(inFile[2]?.message, /BASIC_AUTH_PASSWORD in .*\/mcpgateway\/\.env/);
});

const publicValues = [
  ...['my-test-key', 'my-test-salt', 'changeme', 'my-test-key-but-now-longer-than-32-bytes', 'Changeme', ' changeme '],
  ...['secret', 'password', '12345678', '__REPLACE_ME__run_init-secrets_before_starting'],
];

for (const value of publicValues) {
  t.test(`publicly known "${value}": refused, and never shown`, async (t) => {
    const problems = await refused(scratchDir(t), { ...three, GW_ENV_JWT_SECRET_KEY: value });
    t.match(problems, [{ subject: 'JWT_SECRET_KEY', message: /^its value is a publicly known default;/ }]);
    t.equal(problems.length, 1);
    const shown = problems.map(({ message }) => message.replaceAll(/JWT_SECRET_KEY|a secret of/g, '')).join();
    t.notOk(shown.includes(value.trim()));
  });
}

t.test('every way of setting them is seen, and what wins in the gateway is what is judged', async (t) => {
  const lines = (value: string) => names.map((name) => `${name}=${value}\n`).join('');
  const plain = Object.fromEntries(names.map((name) => [name, 'of-my-own']));
  const byFile = Object.fromEntries(names.map((name) => [`GW_ENV_${name}_FILE`, 'secret-file']));
  const cells: readonly [
    what: string,
    environment: Record<string, string>,
    files: Record<string, string>,
    faults: number,
  ][] = [
    ['by GW_ENV_X', three, {}, 0],
    ['by X', plain, {}, 0],
    ['by X_FILE', byFile, { 'secret-file': 'of-my-own\n' }, 0],
    ['by X_FILE with a default in it', byFile, { 'secret-file': 'changeme\n' }, 3],
    ['by the .env', {}, { 'mcpgateway/.env': lines('of-my-own') }, 0],
    ['in lower case, as MCP-Gateway takes it', {}, { 'mcpgateway/.env': lines('of-my-own').toLowerCase() }, 0],
    ['by the example of the .env', {}, { '.env.gateway.local': lines('changeme') }, 3],
    ['a .env of defaults beats X', plain, { 'mcpgateway/.env': lines('changeme') }, 3],
    ['GW_ENV_X beats a .env of defaults', three, { 'mcpgateway/.env': lines('changeme') }, 0],
    ["by the hub's", Object.fromEntries(names.map((name) => [`HUB_ENV_${name}`, 'of-my-own'])), {}, 3],
    ['empty', { ...three, GW_ENV_JWT_SECRET_KEY: '' }, {}, 1],
    ['one known beside one that is not', { ...three, jwt_secret_key: 'changeme' }, {}, 1],
  ];
  for (const [what, environment, files, faults] of cells) {
    t.equal((await refused(scratchDir(t, files), environment)).length, faults, what);
  }
});

t.test('a version that makes an administrator is not started with that one known either', async (t) => {
  const settings = {
    'mcpgateway/.venv/lib/python3.12/site-packages/mcpgateway/config.py': 'platform_admin_password: str',
  };
  const root = scratchDir(t, settings);
  t.match(await refused(root, three), [{ subject: 'PLATFORM_ADMIN_PASSWORD' }]);
  t.strictSame(await refused(root, { ...three, [administrator]: ofAdministrator }), []);
  const older = { 'mcpgateway/.venv/lib/python3.11/site-packages/mcpgateway/config.py': 'jwt_secret_key: str' };
  t.strictSame(await refused(scratchDir(t, older), three), []);
  const unreadable = { 'mcpgateway/.venv/lib/python3.11/site-packages/mcpgateway/config.py/x': '' };
  t.strictSame(await refused(scratchDir(t, unreadable), three), []);
});

t.test('nobody is asked for the secrets of a gateway that is not started, or is not MCP-Gateway', async (t) => {
  const cells: readonly [what: string, environment: Record<string, string>, options: Options, faults: number][] = [
    ['skipped', { GATEWAY_SKIP_START: '1' }, {}, 0],
    ['reused', { GW_REUSE: '1' }, { holder: { pid: 12 } }, 0],
    ['not there to be reused', { GW_REUSE: '1' }, {}, 3],
    ['--only hub', {}, { only: ['hub'] }, 0],
    ['--only migrations', {}, { only: ['migrations'] }, 0],
    ['--only gateway', {}, { only: ['gateway'] }, 3],
    ['another command', { GW_COMMAND: 'node gateway.js' }, {}, 0],
    ['another application', { GW_APP_MODULE: 'my.gateway:app' }, {}, 0],
    ['a command that runs it', { GW_COMMAND: 'gunicorn mcpgateway.main:app' }, {}, 3],
    ['its own program', { GW_COMMAND: '/venv/bin/mcpgateway --port 4444' }, {}, 3],
  ];
  const root = scratchDir(t);
  for (const [what, environment, options, faults] of cells) {
    t.equal((await refused(root, environment, options)).length, faults, what);
  }
  t.strictSame(
    await problemsOf(load({ HUB_COMMAND: 'h', GW_COMMAND: 'mcpgateway' }).then((config) => servicesFor(config))),
    [],
    'the embedded pair has none',
  );
});

t.test('GW_ALLOW_INSECURE starts it all the same, and a warning names them', async (t) => {
  const root = scratchDir(t);
  const { remarks } = await servicesIn(root, { ...three, GW_ENV_JWT_SECRET_KEY: 'changeme', GW_ALLOW_INSECURE: '1' });
  const warnings = remarks.filter(({ level }) => level === 'warn');
  t.match(warnings, [{ message: /everybody can know/, facts: { names: ['JWT_SECRET_KEY'] } }]);
  const silent = await servicesIn(root, { ...three, GW_ALLOW_INSECURE: '1' });
  t.strictSame(
    silent.remarks.filter(({ level }) => level === 'warn'),
    [],
  );
  const inFile = scratchDir(t, { 'mcpgateway/.env': 'GW_ALLOW_INSECURE=true\n' });
  t.strictSame(await refused(inFile, {}), []);
});
