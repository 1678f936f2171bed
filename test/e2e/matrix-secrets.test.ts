/**
 * Secrets: they reach their service, and nobody else ever sees them. What is looked through is everything that a run
 * says: all output of tandem and of what it runs, `check`, `health`, the report, the metrics, every command line.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { gatewaySecrets } from '../support/gateway-secrets.ts';
import { kill, type Matrix, type MatrixOptions, runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { postgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex');
t.setTimeout(200_000);

const newSecret = () => randomBytes(16).toString('hex');

/** What is said besides the log, by those who ask meanwhile. */
async function whatIsSaid(matrix: Matrix): Promise<readonly string[]> {
  const answers = await Promise.all([
    matrix.tandem('check', '--preset', 'matrix'),
    matrix.tandem('check', '--preset', 'matrix', '--json'),
    matrix.tandem('check', '--preset', 'matrix', '--yaml'),
    matrix.tandem('health', '--timeout', '2s'),
    matrix.tandem('status'),
    matrix.tandem('status', '--json'),
  ]);
  const report = JSON.stringify(await matrix.report());
  return [...answers.map(({ output }) => output), report, await matrix.metrics(), ...commandLines()];
}

function commandLines(): string[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  return pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  });
}

function seesNone(t: Test, matrix: Matrix, secrets: readonly string[], said: readonly string[]): void {
  const everything = [matrix.stdout, matrix.stderr, ...said].join('\n');
  for (const secret of secrets) {
    const at = everything.indexOf(secret);
    t.equal(at, -1, at < 0 ? 'not seen' : everything.slice(Math.max(0, at - 200), at));
  }
}

t.test('B53 secrets by file and in URLs reach their services, and nobody else, up to a crash', async (t) => {
  const secrets = {
    database: newSecret(),
    password: newSecret(),
    license: newSecret(),
    elsewhere: newSecret(),
    gatewayUrl: newSecret(),
    jwt: newSecret(),
  };
  const server = await postgres(t, { databases: ['hub', 'gateway'], password: secrets.database });
  if (!server) return;
  const matrix = await runMatrix(t, {
    gateway: 'real',
    env: {
      ...{ DB_PASSWORD_FILE: 'secrets-password', LICENSE_FILE: 'secrets-license', TANDEM_FILE_VARS: 'LICENSE' },
      ...{ DATABASE_URL_FILE: 'secrets-url', SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt' },
      ...{
        MCP_GATEWAY_URL: `http://u:${secrets.gatewayUrl}@127.0.0.1:1`,
        ELSEWHERE: `amqp://u:${secrets.elsewhere}@x`,
      },
      ...{ GW_ENV_JWT_SECRET_KEY: '', GW_ENV_JWT_SECRET_KEY_FILE: 'secrets-jwt' },
      ...{ GW_ENV_DATABASE_URL: server.url('gateway'), GW_ENV_MCPGATEWAY_ADMIN_API_ENABLED: 'true' },
      ...{ TANDEM_LOG_LEVEL: 'trace', HEALTHCHECK_DEBUG: '1' },
    },
    prepare: (directory) => {
      const { password, license, jwt } = secrets;
      const files = { password: `${password}\n`, license, jwt: `${jwt}\n`, url: `${server.url('hub')}\n\n` };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `secrets-${name}`), text);
    },
  });
  if (!matrix) return;
  await untilUp(matrix);
  const seen = JSON.parse((await matrix.ask(matrix.hubPort, '/environment')).body) as Record<string, string>;
  t.match(seen, {
    DB_PASSWORD: fingerprint(secrets.password),
    LICENSE: fingerprint(secrets.license),
    DATABASE_URL: fingerprint(server.url('hub')),
    SSL_CERT_FILE: fingerprint('/etc/ssl/certs/ca-certificates.crt'),
  });
  const paths = Object.keys(seen).filter((name) => /_FILE$/.test(name));
  t.strictSame(paths, ['SSL_CERT_FILE']);
  t.notOk('JWT_SECRET_KEY' in seen, "the gateway's is not the hub's");
  const enters = async (key: string) => {
    return (await matrix.ask(matrix.gatewayPort, '/tools', 'GET', { authorization: `Bearer ${tokenWith(key)}` }))
      .status;
  };
  t.equal(await enters(secrets.jwt), 200, 'the gateway has its key from the file');
  t.equal(await enters('my-test-key'), 401);

  const said = [...(await whatIsSaid(matrix))];
  t.match(said[0], 'LICENSE=***');
  t.match(said[0], 'ELSEWHERE');
  kill(await matrix.leader('hub'));
  await matrix.record({ service: 'hub', to: 'failed' });
  said.push(JSON.stringify(await matrix.report()));
  t.equal((await matrix.exited).code, 137);
  t.match(matrix.records().at(-1), { reason: '"hub" ended by itself: SIGKILL' });
  const { GW_ENV_JWT_SECRET_KEY: _, ...others } = gatewaySecrets;
  seesNone(t, matrix, [...Object.values(secrets), ...Object.values(others)], said);
  await untilNobodyIsLeft(matrix);
});

/** A token of MCP-Gateway's, signed with a key (RFC 7519, HS256). */
function tokenWith(key: string): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ username: 'admin', exp })}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

/** A way to fail, with a secret in it. */
interface Cell {
  readonly what: string;
  readonly env: (secret: string) => Record<string, string>;
  readonly prepare?: (directory: string, secret: string) => void;
  readonly code: number;
  readonly says: RegExp;
}

const hubAlone = { GATEWAY_SKIP_START: '1' };

const cells: readonly Cell[] = [
  {
    what: 'both forms are set, and files that cannot be read',
    env: (secret) => ({ A_TOKEN: secret, A_TOKEN_FILE: 'secret', B_PASSWORD_FILE: '/nowhere', C_KEY_FILE: '.' }),
    prepare: (directory, secret) => writeFileSync(join(directory, 'secret'), secret),
    code: 78,
    says: /A_TOKEN, A_TOKEN_FILE: both are set.*B_PASSWORD_FILE: "\/nowhere" cannot be read: ENOENT.*C_KEY_FILE: "\." is no file/s,
  },
  {
    what: 'a URL that is not accepted, from a file',
    env: () => ({ MCP_GATEWAY_URL_FILE: 'secret' }),
    prepare: (directory, secret) => writeFileSync(join(directory, 'secret'), `ftp://u:${secret}@x`),
    code: 78,
    says: /MCP_GATEWAY_URL: "\*\*\*" is not accepted/,
  },
  {
    what: 'a URL that is not accepted, from the .env',
    env: () => ({}),
    prepare: (directory, secret) => writeFileSync(join(directory, 'app/.env'), `MCP_GATEWAY_URL=ftp://u:${secret}@x\n`),
    code: 78,
    says: /MCP_GATEWAY_URL in .*\/app\/\.env: "ftp:\/\/\*\*\*@x" is not accepted/,
  },
  {
    what: 'a number that is a secret by its file',
    env: () => ({ TANDEM_FILE_VARS: 'HUB_TIMEOUT', HUB_TIMEOUT_FILE: 'secret' }),
    prepare: (directory, secret) => writeFileSync(join(directory, 'secret'), secret),
    code: 78,
    says: /HUB_TIMEOUT: "\*\*\*" is not accepted/,
  },
  {
    what: 'a command whose quotes do not end',
    env: (secret) => ({ HUB_COMMAND: `hub --token ${secret} 'and` }),
    code: 78,
    says: /HUB_COMMAND: "hub --token \*\*\* 'and" is not accepted/,
  },
  {
    what: "the gateway's secrets are publicly known",
    env: (secret) => ({ GW_ENV_JWT_SECRET_KEY: 'changeme', GW_ENV_BASIC_AUTH_PASSWORD: '', DB_PASSWORD: secret }),
    code: 78,
    says: /JWT_SECRET_KEY: its value is a publicly known default;.*BASIC_AUTH_PASSWORD: not set/s,
  },
  {
    what: 'a command that is not there',
    env: (secret) => ({ ...hubAlone, HUB_COMMAND: `/no/such --password ${secret} postgres://u:${secret}@x` }),
    code: 127,
    says: /cannot start "hub": command "\/no\/such" not found/,
  },
  {
    what: 'migrations that cannot reach their database',
    env: (secret) => ({ ...hubAlone, DATABASE_URL: `postgresql+psycopg2://hub:${secret}@127.0.0.1:1/hub` }),
    code: 1,
    says: /Connection refused.*"reason":"\\"migrations\\" ended by itself: exit 1"/s,
  },
  {
    what: 'a hub that cannot reach its database',
    env: (secret) => ({
      ...{ ...hubAlone, HUB_MIGRATE: 'off' },
      DATABASE_URL: `postgresql+psycopg2://hub:${secret}@127.0.0.1:1/hub`,
    }),
    code: 3,
    says: /Connection refused.*"reason":"\\"hub\\" ended by itself: exit 3"/s,
  },
  {
    what: 'a gateway whose own words give a password away',
    env: () => ({ HUB_MIGRATE: 'off', GW_COMMAND: 'python3 indiscreet.py', GW_READY_TIMEOUT: '5' }),
    prepare: (directory, secret) => {
      const body = JSON.stringify({ status: `cannot reach postgres://u:${secret}@db/hub` });
      const lines = [
        'import http.server, os',
        'class Gateway(http.server.BaseHTTPRequestHandler):',
        '    def do_GET(self):',
        '        self.send_response(200)',
        '        self.end_headers()',
        `        self.wfile.write(b'${body}')`,
        'http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Gateway).serve_forever()',
      ];
      writeFileSync(join(directory, 'app/mcpgateway/indiscreet.py'), `${lines.join('\n')}\n`);
    },
    code: 69,
    says: /"gateway\\" is not ready within 5 s: status is \\+"cannot reach postgres:\/\/\*\*\*@db/,
  },
];

for (const { what, env, prepare, code, says } of cells) {
  t.test(`B53 ${what}: ${code}, and no secret is seen`, async (t) => {
    const secret = newSecret();
    const options: MatrixOptions = {
      env: { HEALTHCHECK_DEBUG: '1', TANDEM_LOG_LEVEL: 'trace', ...env(secret) },
      ...(prepare && { prepare: (directory) => prepare(directory, secret) }),
    };
    const matrix = await runMatrix(t, options);
    if (!matrix) return;
    // The command line that the operator wrote himself is not looked at: a process that runs shows its own.
    const { output } = await matrix.tandem('check', '--preset', 'matrix');
    const said: string[] = [output];
    await until(
      'it has ended',
      async () => {
        said.push(JSON.stringify(await matrix.report()));
        return matrix.child.exitCode !== null;
      },
      { withinMs: 30_000, everyMs: 50 },
    );
    t.equal((await matrix.exited).code, code);
    t.match(matrix.stderr, says);
    seesNone(t, matrix, [secret], said);
    await untilNobodyIsLeft(matrix);
  });
}
