import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readSecretFiles } from '../../src/config/secret-files.ts';
import { load, problemsOf, scratchDir } from './fixture.ts';

/** Reads one layer of the environment. */
function read(values: Record<string, string>, listed?: string, cwd = '/') {
  return readSecretFiles({ values, where: '' }, { cwd, listed });
}

t.test(
  'B53 X_FILE is read into X for names that look secret, for *_URL and for listed names, and dropped',
  async (t) => {
    const root = scratchDir(t, { secret: 's3cret\n' });
    const path = join(root, 'secret');
    const cells: Record<string, boolean> = {
      ...{ DB_PASSWORD: true, JWT_SECRET_KEY: true, API_TOKEN: true, DATABASE_URL: true, LISTED: true },
      ...{ HUB_ENV_DB_PASSWORD: true, GW_ENV_DATABASE_URL: true, HUB_ENV_LISTED: true },
      ...{ SSL_CERT: false, CONFIG: false, LOG: false, HUB_ENV: false, GATEWAY_ENV: false, HUB_ENV_CONFIG: false },
      // paths by their own right
      ...{ AWS_WEB_IDENTITY_TOKEN: false, AWS_SHARED_CREDENTIALS: false, SSL_KEY: false, HUB_ENV_TLS_KEY: false },
      // left alone on request
      SIGNING_KEY: false,
    };
    for (const [name, isRead] of Object.entries(cells)) {
      const { values, problems } = read({ [`${name}_FILE`]: path, OTHER: 'x' }, 'LISTED, -SIGNING_KEY');
      t.strictSame(values, { OTHER: 'x', ...(isRead ? { [name]: 's3cret' } : { [`${name}_FILE`]: path }) }, name);
      t.strictSame(problems, []);
    }
  },
);

t.test('B53 the newlines at the end are stripped as a shell does it, and nothing else', async (t) => {
  const cells = {
    'a\n': 'a',
    'a\n\n': 'a',
    'a\r\n': 'a\r',
    ' a b \n': ' a b ',
    'a\nb\n': 'a\nb',
    '': '',
    'ä$`"': 'ä$`"',
  };
  for (const [text, value] of Object.entries(cells)) {
    const root = scratchDir(t, { file: text });
    t.equal(read({ A_TOKEN_FILE: 'file' }, undefined, root).values['A_TOKEN'], value, JSON.stringify(text));
  }
});

t.test('B53 both forms set is refused; an empty form is as not set', async (t) => {
  const root = scratchDir(t, { file: 'of the file' });
  const path = join(root, 'file');
  const both = read({ A_TOKEN: 's3cret', A_TOKEN_FILE: path });
  t.match(both.problems, [{ subject: 'A_TOKEN, A_TOKEN_FILE', message: /both are set/ }]);
  t.notMatch(JSON.stringify(both.problems), 's3cret');
  t.equal(read({ A_TOKEN: '', A_TOKEN_FILE: path }).values['A_TOKEN'], 'of the file');
  t.match(read({ A_TOKEN: 'direct', A_TOKEN_FILE: '' }), { values: { A_TOKEN: 'direct' }, problems: [] });
});

t.test('B53 what cannot be a value is refused, and says nothing of what is in the file', async (t) => {
  const root = scratchDir(t, { nul: 's3cret\0', long: 's3cret'.repeat(40_000), closed: 's3cret' });
  mkdirSync(join(root, 'directory'));
  chmodSync(join(root, 'closed'), 0);
  const cells: Record<string, RegExp> = {
    missing: /"missing" cannot be read: ENOENT/,
    directory: /is no file/,
    nul: /holds a NUL byte/,
    long: /longer than a variable can be/,
    ...(process.getuid?.() === 0 ? {} : { closed: /EACCES/ }),
  };
  for (const [file, message] of Object.entries(cells)) {
    const { problems, values } = read({ A_TOKEN_FILE: file }, undefined, root);
    t.match(problems, [{ subject: 'A_TOKEN_FILE', message }], file);
    t.notMatch(JSON.stringify([problems, values]), 's3cret');
  }
});

t.test('B53 secrets by file keep the scopes and the precedence of variables', async (t) => {
  const root = scratchDir(t, {
    ...{ a: 'of the environment', b: "of the hub's file", c: "of the gateway's file", d: 'override' },
    '.env': 'SHARED_TOKEN_FILE=b\nHUB_TOKEN_FILE=b\nMCP_GATEWAY_URL_FILE=url\n',
    'mcpgateway/.env': 'SHARED_TOKEN_FILE=c\n',
    url: 'http://gw:1\n',
  });
  const environment = { APP_ROOT: root, SHARED_TOKEN_FILE: 'a', GW_ENV_EXTRA_KEY_FILE: 'd', DATABASE_URL_FILE: 'a' };
  const { hub, gateway, secretNames, remarks } = await load(environment, 'matrix', { cwd: root });
  t.match(hub.environment, { SHARED_TOKEN: 'of the environment', HUB_TOKEN: "of the hub's file", DATABASE_URL: /./ });
  t.match(gateway.environment, { SHARED_TOKEN: "of the gateway's file", EXTRA_KEY: 'override' });
  t.equal(gateway.environment['DATABASE_URL'], undefined, "the hub's database is not the gateway's");
  t.notOk(Object.keys({ ...hub.environment, ...gateway.environment }).some((name) => name.endsWith('_FILE')));
  t.equal(hub.gatewayUrl, 'http://gw:1', "tandem's own variables can come from files, too");
  t.ok(['SHARED_TOKEN', 'HUB_TOKEN', 'EXTRA_KEY', 'DATABASE_URL'].every((name) => secretNames.has(name)));
  t.match(remarks, [{ facts: { names: ['SHARED_TOKEN'] } }]);
});

t.test('B53 all that is wrong is refused at once, and a secret that is not accepted is not shown', async (t) => {
  const root = scratchDir(t, { url: 's3cret', '.env': 'X_TOKEN_FILE=nowhere\n' });
  const environment = { APP_ROOT: root, MCP_GATEWAY_URL_FILE: 'url', TANDEM_FILE_VARS: 'no-name!', PORT: 'x' };
  const problems = await problemsOf(load(environment, 'matrix', { cwd: root }));
  t.strictSame(
    problems.map(({ subject }) => subject).sort(),
    ['MCP_GATEWAY_URL', 'PORT', 'TANDEM_FILE_VARS', `X_TOKEN_FILE in ${root}/.env`].sort(),
  );
  t.notMatch(JSON.stringify(problems), 's3cret');
});

t.test('B07 GATEWAY_WAIT without anything to wait for is refused', async (t) => {
  const problems = await problemsOf(load({ GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1' }, 'matrix'));
  t.match(problems, [{ subject: 'GATEWAY_WAIT', message: /MCP_GATEWAY_URL/ }]);
  t.strictSame(await problemsOf(load({ GATEWAY_WAIT: '1' }, 'matrix')), []);
});
