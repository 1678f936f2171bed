/** Secrets by file: they reach the service, and nobody else ever sees them. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runMatrix, untilUp } from '../support/matrix.ts';

const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex');

t.test('B53 a secret by file reaches its service, and is in no log, report, check or command line', async (t) => {
  const secrets = [1, 2, 3, 4].map(() => randomBytes(12).toString('hex'));
  const [password = '', license = '', url = '', ofGateway = ''] = secrets;
  const databaseUrl = `sqlite:///${url}.db`;
  const matrix = await runMatrix(t, {
    env: {
      ...{ DB_PASSWORD_FILE: 'secrets-password', LICENSE_FILE: 'secrets-license', TANDEM_FILE_VARS: 'LICENSE' },
      ...{ DATABASE_URL_FILE: 'secrets-url', SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt' },
      GW_ENV_API_TOKEN_FILE: 'secrets-gateway',
    },
    prepare: (directory) => {
      const files = { password: `${password}\n`, license, url: `${databaseUrl}\n\n`, gateway: ofGateway };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `secrets-${name}`), text);
    },
  });
  if (!matrix) return;
  await untilUp(matrix);
  const seen = JSON.parse((await matrix.ask(matrix.hubPort, '/environment')).body) as Record<string, string>;
  t.match(seen, {
    DB_PASSWORD: fingerprint(password),
    LICENSE: fingerprint(license),
    DATABASE_URL: fingerprint(databaseUrl),
    SSL_CERT_FILE: fingerprint('/etc/ssl/certs/ca-certificates.crt'),
  });
  t.strictSame(
    Object.keys(seen).filter((name) => /_FILE$/.test(name)),
    ['SSL_CERT_FILE'],
  );
  t.notOk('API_TOKEN' in seen, "the gateway's is not the hub's");

  const shown = await Promise.all([
    matrix.tandem('check', '--preset', 'matrix'),
    matrix.tandem('check', '--preset', 'matrix', '--json'),
    matrix.tandem('health'),
  ]);
  for (const { code } of shown) t.equal(code, 0);
  t.match(shown[0]?.output, 'LICENSE=***');
  const cmdlines = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(commandLine);
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
  const everything = [matrix.stdout, matrix.stderr, ...shown.map(({ output }) => output), ...cmdlines].join('\n');
  for (const secret of secrets) t.notOk(everything.includes(secret));
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

t.test('B53 both forms, or a file that cannot be read: 78, all at once, nothing started', async (t) => {
  const matrix = await runMatrix(t, {
    env: { A_TOKEN: 's3cret', A_TOKEN_FILE: 'secrets', B_PASSWORD_FILE: '/nowhere', C_KEY_FILE: '.' },
    prepare: (directory) => writeFileSync(join(directory, 'secrets'), 's3cret'),
  });
  if (!matrix) return;
  t.equal((await matrix.exited).code, 78);
  t.match(matrix.stderr, /A_TOKEN, A_TOKEN_FILE: both are set/);
  t.match(matrix.stderr, /B_PASSWORD_FILE: "\/nowhere" cannot be read: ENOENT/);
  t.match(matrix.stderr, /C_KEY_FILE: "\." is no file/);
  t.notMatch(matrix.stderr, 's3cret');
});
