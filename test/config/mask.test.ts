import t from 'tap';
import { looksSecret, maskCommand, maskUrl, maskValue, secretHider } from '../../src/config/mask.ts';
import { variableNames } from '../../src/config/variables.ts';

t.test('B53 names that may hold a secret are known in every spelling', async (t) => {
  const secret = [
    ...[
      'API_KEY',
      'apiKey',
      'APIKEY',
      'JWT_SECRET_KEY',
      'AUTH_ENCRYPTION_SECRET',
      'PGPASSWORD',
      'MYSQL_PWD',
      'DB_PASS',
    ],
    ...['passphrase', 'GITHUB_TOKEN', 'access-token', 'CREDENTIALS', 'BASIC_AUTH', 'AUTHORIZATION', 'SESSION_COOKIE'],
    ...['--api-key', 'SENTRY_DSN', 'SLACK_WEBHOOK', 'CONNECTION_STRING', 'PASSWORD_SALT'],
  ];
  for (const name of secret) t.equal(looksSecret(name), true, name);
});

t.test('ordinary names stay readable, and none of our own variables is masked', async (t) => {
  const ordinary = [
    'PATH',
    'PWD',
    'OLDPWD',
    'HOME',
    'PORT',
    'GIT_AUTHOR_NAME',
    'KEEPALIVE',
    'SSH_AUTH_SOCK',
    'DB_PASSWORD_FILE',
  ];
  for (const name of [...ordinary, ...variableNames]) t.equal(looksSecret(name), false, name);
});

t.test('a secret is masked whatever it is, an empty one shows that it is empty', async (t) => {
  t.equal(maskValue('API_KEY', 'true'), '***');
  t.equal(maskValue('API_KEY', ''), '');
  t.equal(maskValue('PORT', '7300'), '7300');
  t.equal(
    maskValue('DATABASE_URL', 'postgresql+asyncpg://hub:s3cret@db:5432/hub'),
    'postgresql+asyncpg://***@db:5432/hub',
  );
});

t.test('B53 a secret inside an ordinary value is hidden', async (t) => {
  const cells = {
    "hub --token s3cret --port 1 --key='s3cret x' -v": 'hub --token *** --port 1 --key=*** -v',
    'Server=db;Password=s3cret;Port=1': 'Server=db;Password=***;Port=1',
    '{"apiKey":"s3\\"cret","url":"http://u:s3cret@h","n":{"token": 12}}':
      '{"apiKey":"***","url":"http://***@h","n":{"token": ***}}',
    'a=b --verbose x': 'a=b --verbose x',
  };
  for (const [value, masked] of Object.entries(cells)) t.equal(maskValue('ORDINARY', value), masked);
});

t.test('B53 the userinfo of every URL is hidden, and query parameters that look secret', async (t) => {
  const cells = {
    'http://h:1/p?q=1': 'http://h:1/p?q=1',
    'http://[::1]:1/p@q': 'http://[::1]:1/p@q',
    'http://h/p?mail=a@b.c': 'http://h/p?mail=a@b.c',
    'http://s3cret@h/': 'http://***@h/',
    'http://u:s3cret@h/ and redis://:s3cret@r': 'http://***@h/ and redis://***@r',
    'http://u:s3c@cret@h/': 'http://***@h/',
    'postgres://u:s3/cr?et#@h/d': 'postgres://***@h/d',
    '{"url":"http://u:s3cret@h"}': '{"url":"http://***@h"}',
    'http://h/?api_key=s3cret&x=1;token=s3cret#f': 'http://h/?api_key=***&x=1;token=***#f',
    'sqlite:////app/data/hub.db': 'sqlite:////app/data/hub.db',
  };
  for (const [text, masked] of Object.entries(cells)) t.equal(maskUrl(text), masked, text);
  for (const masked of Object.values(cells)) t.equal(maskUrl(masked), masked, 'masking twice changes nothing');
});

t.test('B53 secrets among the arguments of a command are hidden', async (t) => {
  const words = [
    'env',
    'API_KEY=s3cret',
    'x',
    '--token',
    's3cret',
    '--password=s3cret',
    '--auth',
    '-v',
    'http://u:s3cret@h',
    '--port',
    '1',
  ];
  const masked = [
    'env',
    'API_KEY=***',
    'x',
    '--token',
    '***',
    '--password=***',
    '--auth',
    '-v',
    'http://***@h',
    '--port',
    '1',
  ];
  t.strictSame(maskCommand(words), masked);
});

t.test('B53 what came from a file is hidden as a whole, wherever it stands', async (t) => {
  const hide = secretHider(['http://gw.example:4444/s3cret-path/?k=1', 'pa$$word', 'pa$$word-longer', 'abc', '']);
  const cells = {
    'GET http://gw.example:4444/s3cret-path/?k=1': 'GET ***',
    'no route /s3cret-path/?k=1': 'no route ***',
    'no route /s3cret-path/': 'no route ***',
    'connect to gw.example:80': 'connect to ***:80',
    'pa$$word-longer, pa$$word': '***, ***',
    'abc is too short to be looked for': 'abc is too short to be looked for',
  };
  for (const [text, hidden] of Object.entries(cells)) t.equal(hide(text), hidden);
  const local = secretHider(['http://127.0.0.1:4444/mcp/']);
  t.equal(
    local('http://127.0.0.1:7399/mcp and http://127.0.0.1:4444/mcp/health'),
    'http://127.0.0.1:7399/mcp and ***health',
  );
  t.equal(secretHider(['https://h.example/s3cret/'])('GET https://h.example/s3cret?x'), 'GET ***?x');
});
