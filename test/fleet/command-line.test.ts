/** The words and variables of `tandem fleet`: all that is wrong at once, and no way to be open to others without a token. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { test } from 'tap';
import { generalHelp } from '../../src/cli/usage.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { askedFor, help, readCommandLine, UsageError, usage } from '../../src/fleet/command-line.ts';
import { configure } from '../../src/fleet/configuration.ts';

const directory = mkdtempSync(join(tmpdir(), 'fleet-words-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

const token = 'abcdefghijklmnop';
const problemsOf = (words: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
  readCommandLine(words, environment)
    .problems.map(({ subject, message }) => `${subject}: ${message}`)
    .join('\n');

test('B47 without a word it listens on 127.0.0.1:3456, with no token', (t) => {
  t.same(readCommandLine(['--config', 'c.json'], {}), {
    configPath: 'c.json',
    commandLine: { host: '127.0.0.1', port: 3456, token: undefined },
    problems: [],
  });
  t.end();
});

test('B40 variables do what the words do, and the words win', (t) => {
  const environment = {
    MCP_HUB_CONFIG: 'e.json',
    TANDEM_FLEET_HOST: '::1',
    TANDEM_FLEET_PORT: '1',
    TANDEM_FLEET_TOKEN: token,
  };
  t.match(readCommandLine([], environment), {
    configPath: 'e.json',
    commandLine: { host: '::1', port: 1, token },
    problems: [],
  });
  const words = [
    '--config',
    'c.json',
    '--host',
    'localhost',
    '--port',
    '65535',
    '--token-file',
    file('t', `${token}2\n`),
  ];
  t.match(readCommandLine(words, environment), {
    configPath: 'c.json',
    commandLine: { host: 'localhost', port: 65_535, token: `${token}2` },
    problems: [],
  });
  t.end();
});

test('B47 bound to what is not loopback it wants a token', (t) => {
  for (const host of ['0.0.0.0', '::', '192.168.0.1', '::ffff:127.0.0.1']) {
    const words = ['--config', 'c', '--host', host];
    t.match(problemsOf(words), `--host: "${host}" can be reached from elsewhere, and then a token is needed`);
    t.equal(problemsOf(words, { TANDEM_FLEET_TOKEN: token }), '');
    t.match(problemsOf(words, { TANDEM_FLEET_TOKEN: '  ' }), 'a token is needed');
  }
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
    t.equal(problemsOf(['--config', 'c', '--host', host]), '');
  t.end();
});

test('B47 a token that can be guessed, or that no header can hold, is refused and not shown', (t) => {
  const words = ['--config', 'c'];
  for (const bad of ['secret', 'a secret of many words', 'geheimnis-mit-ümlaut']) {
    const text = problemsOf(words, { TANDEM_FLEET_TOKEN: bad });
    t.match(text, /^TANDEM_FLEET_TOKEN: the token is not accepted; accepted: 16 or more characters/);
    t.notOk(text.includes(bad));
  }
  t.match(problemsOf([...words, '--token-file', file('empty', ' \n')]), /^--token-file: ".*empty" is empty$/);
  t.match(
    problemsOf(words, { TANDEM_FLEET_TOKEN_FILE: '/nowhere' }),
    'TANDEM_FLEET_TOKEN_FILE: "/nowhere" cannot be read: ENOENT',
  );
  const both = { TANDEM_FLEET_TOKEN_FILE: file('one', token), TANDEM_FLEET_TOKEN: token };
  t.match(problemsOf(words, both), /^TANDEM_FLEET_TOKEN_FILE: is set, and TANDEM_FLEET_TOKEN is, too/);
  t.equal(problemsOf([...words, '--token-file', file('one', token)], { TANDEM_FLEET_TOKEN: token }), '');
  t.end();
});

test('B40 all that is wrong is told at once', (t) => {
  t.same(problemsOf(['--host', 'example.com', '--port', '99999'], { TANDEM_FLEET_TOKEN: 'x' }).split('\n'), [
    '--config: is missing, and MCP_HUB_CONFIG is not set; accepted: the path of a JSON file',
    '--host: "example.com" is not accepted; accepted: an IP address, or localhost',
    '--port: "99999" is not accepted; accepted: 1 to 65535',
    'TANDEM_FLEET_TOKEN: the token is not accepted; accepted: 16 or more characters of ASCII, without spaces',
  ]);
  for (const port of ['0', '', '80 ', '1e3', '-1'])
    t.match(problemsOf(['--config', 'c', `--port=${port}`]), 'accepted: 1 to 65535');
  t.end();
});

test('B40 words that are none are a wrong command line, with the nearest one', (t) => {
  t.throws(
    () => readCommandLine(['--confg', 'x'], {}),
    new UsageError("Unknown option '--confg'; did you mean --config?"),
  );
  t.throws(() => readCommandLine(['start'], {}), UsageError);
  t.throws(() => askedFor(['--schema', '--nonsense']), UsageError);
  t.equal(askedFor(['--schema']), 'schema');
  t.equal(askedFor(['--help', '--schema']), 'help');
  t.equal(askedFor(['--config', 'x']), undefined);
  for (const flag of ['--config', '--host', '--port', '--token-file', '--schema', '--help']) t.match(help, flag);
  t.end();
});

test('B40 words, file and environment are judged together', async (t) => {
  const config = file(
    'bad.json',
    JSON.stringify({
      docker: { enabled: true, serverConfigs: { one: { secrets: { KEY: '/nowhere/key' }, comand: 'x' } } },
    }),
  );
  const failure = configure(['--config', config, '--port', 'x'], { DOCKER_HOST: 'ssh://me:pass@there' });
  const { problems } = await failure.then(
    () => t.fail('it is accepted') as never,
    (error: ConfigError) => error,
  );
  const told = problems.map(({ subject, message }) => `${subject}: ${message}`).join('\n');
  t.match(told, '--port: "x" is not accepted');
  t.match(told, /bad\.json:1:\d+: docker\.serverConfigs\.one\.comand: unknown key; did you mean "command"\?/);
  t.match(
    told,
    'DOCKER_HOST: "ssh://***@there" is not accepted; accepted: unix:///path/of/the/socket, tcp://HOST:PORT or',
  );
  t.notMatch(told, 'pass');
});

test('B40 a file that is not there is told with the rest', async (t) => {
  await t.rejects(configure(['--config', '/nowhere.json', '--port', '0'], {}), {
    name: 'ConfigError',
    message: '--port: "0" is not accepted; accepted: 1 to 65535\n/nowhere.json: cannot be read: ENOENT',
  });
  await t.rejects(configure([], {}), ConfigError);
});

test('B40 what is right is used', async (t) => {
  const config = file('good.json', JSON.stringify({ docker: { enabled: true } }));
  t.match(await configure(['--config', config], {}), { commandLine: { port: 3456 }, settings: { isEnabled: true } });
});

test('B40 tandem’s own help names the same words', async (t) => {
  t.ok(generalHelp.includes(`${usage}\n`));
});
