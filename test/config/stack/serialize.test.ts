/** What is written reads back as the same. */
import { deepStrictEqual, doesNotMatch } from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Config } from '../../../src/config/config.ts';
import { type Serialized, serializeStack } from '../../../src/config/stack/serialize.ts';
import { defaultTiming, noRestart, type ProbeSpec, type ServiceSpec } from '../../../src/core/spec.ts';
import { servicesFor } from '../../../src/presets/index.ts';
import { gatewaySecrets } from '../../support/gateway-secrets.ts';
import { load, scratchDir } from '../fixture.ts';
import { parse } from './fixture.ts';

t.setTimeout(300_000);

const base = {
  PATH: '/usr/bin:/bin',
  HOME: '/root',
  API_KEY: 'inherited-key',
  TANDEM_OUTPUT: 'raw',
  ODD: ' $x "q" \n\t#',
};

const write = (specs: readonly ServiceSpec[], environment: Readonly<Record<string, string>> = base) =>
  serializeStack(specs, { environment, secretNames: new Set(), secrets: [] });

/** Reads a text with the variables that it refers to. */
async function read(
  directory: string,
  { text, references }: Serialized,
  environment: Readonly<Record<string, string>> = base,
) {
  const lines = Object.entries(references).map(([name, value]) => `${name}='${value}'`);
  writeFileSync(join(directory, '.env'), lines.join('\n'));
  return (await parse(text, { environment, directory })).specs;
}

const ms = fc.integer({ min: 1, max: 10_000_000 });
const count = fc.integer({ min: 1, max: 1_000 });
const port = fc.integer({ min: 1, max: 65_535 });
const host = fc.constantFrom('localhost', '127.0.0.1', '::1', '0.0.0.0', 'db.example');
const plainText = fc
  .oneof(
    fc.constantFrom(
      '',
      ' ',
      '~',
      'null',
      'true',
      '1.10',
      '010',
      '0x1F',
      '- a',
      'a: b',
      '# x',
      '$',
      '$$',
      '${A}',
      '*x',
      '&x',
      '<<',
      "'",
      '"',
      '\\',
      '\n',
      'a\nb\n',
      '\t',
      'x\r\ny',
      '\u0085',
      '\u2028',
      '\uFEFF',
      'é',
      '😀',
      '{',
      '[',
      '|',
      '>',
      '%',
      '@',
      '`',
      '!x',
      '? x',
      'key=value',
      '--token',
      's3cret',
    ),
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 6 }),
  )
  .filter((text) => !text.includes('\0') && !/[\p{Cs}]/u.test(text));
const word = plainText;
const program = plainText.filter((text) => text !== '');
const command = fc
  .tuple(program, fc.array(word, { maxLength: 3 }))
  .map(([first, rest]): [string, ...string[]] => [first, ...rest]);
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)));
const url = fc.constantFrom(
  'http://127.0.0.1:80/health',
  'https://h/x?a=b&c',
  'http://[::1]:9/$x',
  'http://u:pw1@h/',
  'http://h/?token=t1',
);
const optional = <T>(key: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((given) => (given === undefined ? {} : { [key]: given }));
const merged = (...parts: fc.Arbitrary<object>[]) => fc.tuple(...parts).map((objects) => Object.assign({}, ...objects));

const endpoint = fc.record({ host: fc.constantFrom('db', '127.0.0.1', '::1'), port });
const probe: fc.Arbitrary<ProbeSpec> = fc.oneof(
  merged(
    fc.record({ kind: fc.constant('http'), url }),
    optional('status', fc.integer({ min: 100, max: 599 })),
    optional('json', json),
  ),
  fc.record({ kind: fc.constant('tcp' as const), address: fc.record({ host, port }) }),
  fc.record({ kind: fc.constant('exec' as const), command }),
  fc.record({ kind: fc.constant('mcp' as const), url }),
  merged(
    fc.record({ kind: fc.constant('postgres'), endpoint }),
    optional('user', fc.constantFrom('u', 'a@b:/é')),
    optional('database', fc.constantFrom('d', 'x y%')),
  ),
  merged(
    fc.record({ kind: fc.constant('redis'), endpoint }),
    optional('tls', fc.constantFrom('verified', 'unverified')),
    optional('password', fc.constantFrom('pw2', 'p@:/3')),
    optional('username', fc.constant('me')),
  ),
);
const timing = merged(
  fc.record({ intervalMs: ms, timeoutMs: ms, failureThreshold: count, successThreshold: count }),
  optional('startIntervalMs', ms),
);
const anyTiming = fc.oneof(fc.constant(defaultTiming), timing);
const readiness = fc.oneof(
  merged(
    fc.record({ port: fc.record({ host, port }), timing: anyTiming, startTimeoutMs: ms }),
    optional('startProbe', probe),
    optional('probe', probe),
    optional('settleMs', ms),
  ),
  merged(fc.record({ probe, timing: anyTiming, startTimeoutMs: ms }), optional('startProbe', probe)),
);
const restart = fc.oneof(
  fc.constant(noRestart),
  fc.record({
    condition: fc.constantFrom('no', 'on-failure', 'always'),
    baseDelayMs: ms,
    maxDelayMs: ms,
    resetAfterMs: ms,
    maxRestarts: count,
    windowMs: ms,
  }),
);
const variableName = fc.oneof(
  fc.constantFrom('A', 'PATH', 'HOME', 'API_KEY', 'DB_PASSWORD', 'URL', 'TANDEM_X', 'ODD', 'a.b', 'x-y'),
  fc.string({ unit: fc.constantFrom('A', 'b', '_', '1'), minLength: 1, maxLength: 5 }).map((name) => `V${name}`),
);
const looksSecretValue = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const environment = fc.dictionary(variableName, plainText, { maxKeys: 6 }).chain((given) =>
  fc.record({ inherits: fc.boolean(), secret: looksSecretValue }).map(({ inherits, secret }) => {
    const own = Object.entries(given).map(([name, value]) => [
      name,
      /KEY|PASSWORD/.test(name) && value !== '' ? secret : value,
    ]);
    const { TANDEM_OUTPUT: _, ...inherited } = base;
    return { ...(inherits ? inherited : {}), ...Object.fromEntries(own) } as Record<string, string>;
  }),
);
const identity = fc
  .record({ uid: fc.nat(70_000), gid: fc.nat(70_000), others: fc.uniqueArray(fc.nat(70_000), { maxLength: 3 }) })
  .map(({ uid, gid, others }) => ({ uid, gid, groups: [...new Set([gid, ...others])] }));
const processSpec = merged(
  fc.record({
    command,
    cwd: fc.constantFrom('/', '/srv/app', '/with space/$x'),
    environment,
    attachment: fc.constant('service'),
  }),
  optional('user', identity),
  optional('hint', program),
  optional('noNewPrivileges', fc.constant(true)),
);
const common = {
  process: fc.oneof(
    processSpec,
    processSpec.map((spec) => ({ ...spec, command: ['/venv/bin/gunicorn', 'app:app'] })),
  ),
  dependsOn: fc.constant({}),
  restart,
  essential: fc.boolean(),
  stopSignal: fc.constantFrom('SIGTERM', 'SIGINT', 'SIGQUIT'),
  forwardSignals: fc.oneof(
    fc.constantFrom('all', ['SIGHUP', 'SIGUSR1']),
    fc.uniqueArray(fc.constantFrom('SIGHUP', 'SIGUSR1', 'SIGTERM')),
  ),
};
const others = [
  optional('stopGraceMs', ms),
  optional('output', fc.constantFrom('raw', 'prefix', 'json')),
  optional('skip', program),
  optional(
    'liveness',
    fc.record({ probe, timing: anyTiming.map(({ startIntervalMs: _, ...rest }: Record<string, unknown>) => rest) }),
  ),
];
const anySpec: fc.Arbitrary<ServiceSpec> = fc.oneof(
  merged(fc.record({ ...common, type: fc.constant('service') }), optional('readiness', readiness), ...others),
  merged(
    fc.record({ ...common, type: fc.constant('oneshot') }),
    optional('readiness', fc.oneof(readiness, fc.record({ timing: anyTiming, startTimeoutMs: ms }))),
    ...others,
  ),
  merged(
    fc.record({
      ...common,
      type: fc.constant('oneshot'),
      isExternal: fc.constant(true),
      readiness: fc.record({ probe, timing: anyTiming, startTimeoutMs: ms }),
    }),
    ...others,
  ),
);

/** Names, and dependencies on those before that can be there. */
const anyStack = fc
  .array(
    fc.tuple(
      anySpec,
      fc.array(fc.tuple(fc.nat(9), fc.constantFrom('started', 'ready', 'completed', 'ended')), { maxLength: 3 }),
      fc.boolean(),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((drafts) => {
    return drafts.map(([spec, needs, areOptional], index): ServiceSpec => {
      const possible = needs.flatMap(([number, condition]) => {
        const other = number < index ? drafts[number]?.[0] : undefined;
        if (!other || (condition === 'completed' && other.type !== 'oneshot')) return [];
        const saysReady = other.isExternal || (other.readiness && (other.type === 'service' || other.readiness));
        return condition === 'ready' && !saysReady ? [] : [[`s${number}`, condition] as const];
      });
      const dependsOn = Object.fromEntries(possible);
      const names = Object.keys(dependsOn);
      return {
        ...spec,
        name: `s${index}`,
        dependsOn,
        ...(areOptional && names.length > 0 && { optionalDependencies: names }),
      };
    });
  });

/** Without the null prototypes of fast-check. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

t.test('whatever is written reads back as the same, and no secret is in the text', { timeout: 300_000 }, async (t) => {
  const directory = scratchDir(t);
  await fc.assert(
    fc.asyncProperty(anyStack, async (specs) => {
      const written = await write(specs);
      // dotenv has no spelling for these
      if (Object.values(written.references).some((value) => /['\n\r]/.test(value))) return;
      deepStrictEqual(plain(await read(directory, written)), plain(specs));
      doesNotMatch(written.text, /pw1|pw2|inherited-key|token=t1/);
    }),
    { numRuns: Math.ceil(Number(process.env['TANDEM_FUZZ_RUNS'] ?? 1_000) / 10) },
  );
});

/** A start with nothing to settle is the same as one that says nothing of it. */
function normal(specs: readonly ServiceSpec[]): ServiceSpec[] {
  return specs.map((spec) => {
    if (spec.readiness?.settleMs !== 0) return spec;
    const { settleMs: _, ...readiness } = spec.readiness;
    return { ...spec, readiness };
  });
}

async function presetReadsBack(t: Test, config: Config): Promise<string> {
  const { specs } = await servicesFor(config);
  const written = await serializeStack(specs, config);
  t.same(await read(scratchDir(t), written, config.environment), normal(specs), written.text);
  t.notMatch(written.text, 'hunter2');
  return written.text;
}

const container = {
  PATH: '/bin',
  HOME: '/root',
  TANDEM_STOP_TIMEOUT: '20',
  DATABASE_URL: 'postgres://hub:hunter2@db/hub',
  HUB_ENV_API_TOKEN: 'hunter2',
  GW_ENV_API_TOKEN: 'hunter2too',
  PORT: '7301',
  MIGRATE_COMMAND: "sh -c 'echo $HOME'",
};

t.test('the matrix preset reads back as the same, its secrets as references', async (t) => {
  const root = scratchDir(t, {
    'alembic.ini': '',
    '.venv/bin/alembic': '',
    '.venv/bin/gunicorn': '#!x',
    'mcpgateway/.env': 'JWT_SECRET_KEY=hunter2three\nPLAIN=$$x',
  });
  const { GW_ENV_JWT_SECRET_KEY: _, ...otherSecrets } = gatewaySecrets;
  const text = await presetReadsBack(t, await load({ ...otherSecrets, ...container, APP_ROOT: root }, 'matrix'));
  t.match(text, 'API_TOKEN: ${HUB_ENV_API_TOKEN:?');
  t.match(text, 'API_TOKEN: ${GW_ENV_API_TOKEN:?');
  t.match(text, 'JWT_SECRET_KEY: ${JWT_SECRET_KEY:?');
  t.match(text, 'PLAIN: $$$$x');
});

t.test('the embedded preset reads back as the same, with and without its gateway', async (t) => {
  const installDir = join(import.meta.dirname, '../../..');
  for (const more of [{}, { GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', MCP_GATEWAY_URL: 'http://u:hunter2@gw/mcp' }]) {
    await presetReadsBack(t, await load({ ...container, ...more }, 'embedded', { installDir }));
  }
});

for (const path of ['/health', '']) {
  t.test(`B53 a URL from a file is a reference wherever it stands, asked at "${path}"`, async (t) => {
    const root = scratchDir(t, { url: 'https://gw.example/s3cret-path\n', '.venv/bin/gunicorn': '#!x' });
    const more = { GATEWAY_SKIP_START: '1', GATEWAY_WAIT: '1', GW_HEALTH_PATH: path };
    const said = { MCP_GATEWAY_URL_FILE: `${root}/url`, HUB_COMMAND: 'hub https://gw.example/s3cret-path/x' };
    const text = await presetReadsBack(t, await load({ ...container, ...more, ...said, APP_ROOT: root }, 'matrix'));
    t.notMatch(text, /s3cret|gw\.example/);
  });
}

t.test('what is not in tandem’s environment is hidden by name, TANDEM_ variables by themselves', async (t) => {
  const spec = (environment: Record<string, string>): ServiceSpec => ({
    ...{
      name: 'a',
      type: 'service',
      dependsOn: {},
      restart: noRestart,
      essential: true,
      stopSignal: 'SIGTERM',
      forwardSignals: [],
    },
    process: { command: ['x'], cwd: '/', environment, attachment: 'service' },
  });
  const container = { A: '1', B: '2', TANDEM_C: '3' };
  t.notMatch((await write([spec({ A: '1', B: '2' })], container)).text, 'environment');
  t.match((await write([spec({ A: '1' })], container)).text, /inherit_environment:\n\s+except:\n\s+- B\n/);
  t.match((await write([spec({})], container)).text, 'inherit_environment: false');
});
