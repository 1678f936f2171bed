/** docs/security.md: what lies in the place of the files that tandem goes by, and who could have put it there. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { scratchDir } from '../config/fixture.ts';
import { tandemSync } from '../support/run-tandem.ts';

/** What takes ten seconds is killed, and has failed. */
function check(directory: string, environment: Readonly<Record<string, string>> = {}) {
  const env = { TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: directory, ...environment };
  return tandemSync(['check'], { cwd: directory, env });
}

const lures: readonly (readonly [string, (path: string) => void])[] = [
  ['a pipe that nobody writes to', (path) => spawnSync('mkfifo', [path])],
  ['a device without end', (path) => symlinkSync('/dev/zero', path)],
  ['a directory', (path) => mkdirSync(path)],
  [
    'ten gigabytes of nothing',
    (path) => {
      const file = openSync(path, 'w');
      ftruncateSync(file, 10 * 2 ** 30);
      closeSync(file);
    },
  ],
];

const minimal = 'services: { a: { command: "true" } }\n';
const places: readonly (readonly [
  string,
  string,
  Readonly<Record<string, string>>,
  Readonly<Record<string, string>>,
])[] = [
  ['tandem.yaml', 'tandem.yaml', {}, {}],
  ['.env beside it', '.env', { 'tandem.yaml': minimal }, {}],
  ['an env_file', 'a.env', { 'tandem.yaml': 'services: { a: { command: "true", env_file: a.env } }\n' }, {}],
  ["the hub's .env", 'hub.env', {}, { TANDEM_PRESET: 'embedded', HUB_ENV_FILE: 'hub.env' }],
  ["the gateway's .env", 'gw.env', {}, { TANDEM_PRESET: 'embedded', GATEWAY_ENV_FILE: 'gw.env' }],
  ['a secret', 'key', { 'tandem.yaml': minimal }, { API_KEY_FILE: 'key' }],
  ['a required JSON file', 'x.json', { 'tandem.yaml': minimal }, { REQUIRE_FILES: 'x.json' }],
  ['a required YAML file', 'x.yaml', { 'tandem.yaml': minimal }, { REQUIRE_FILES: 'x.yaml' }],
  ['MCP_HUB_CONFIG', 'x.json', { 'tandem.yaml': minimal }, { MCP_HUB_CONFIG: 'x.json' }],
];

for (const [place, name, files, environment] of places) {
  t.test(`threat: ${place} is no file, or has no end: refused with its name, soon`, async (t) => {
    for (const [lure, lay] of lures) {
      const directory = scratchDir(t, files);
      lay(join(directory, name));
      const { status, stderr } = check(directory, environment);
      t.equal(status, 78, lure);
      t.match(stderr, name, lure);
    }
  });
}

const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root can give files away' };
const owned: readonly (readonly [string, string])[] = [
  ['tandem.yaml', 'services: { a: { command: "true", env_file: a.env } }\n'],
  ['.env', 'X=1\n'],
  ['a.env', 'X=1\n'],
  ['key', 'x'],
];

t.test('threat: another user can write what tandem goes by: a warning that names the file', asRoot, async (t) => {
  const warning = /warning: others can change a file that tandem goes by/;
  for (const [name] of owned) {
    const directory = scratchDir(t, Object.fromEntries(owned));
    t.notMatch(check(directory, { API_KEY_FILE: 'key' }).stdout, warning);
    for (const spoil of [
      (path: string) => chmodSync(path, 0o666),
      (path: string) => {
        chmodSync(path, 0o600);
        chownSync(path, 1000, 1000);
      },
    ]) {
      spoil(join(directory, name));
      const { status, stdout } = check(directory, { API_KEY_FILE: 'key' });
      t.equal(status, 0);
      t.match(stdout, warning);
      t.match(stdout, `path="${join(directory, name)}"`);
    }
  }
});

t.test("threat: another user can write a preset's .env: a warning that names the file", asRoot, async (t) => {
  const directory = scratchDir(t, { 'hub.env': 'X=1\n' });
  const environment = { TANDEM_PRESET: 'embedded', HUB_ENV_FILE: 'hub.env', HUB_COMMAND: 'true', GW_COMMAND: 'true' };
  t.notMatch(check(directory, environment).stdout, /others can change/);
  chmodSync(join(directory, 'hub.env'), 0o646);
  t.match(check(directory, environment).stdout, /others can change a file.*hub\.env.*mode="0646"/);
});

t.test('threat: prototype pollution by names in files and in the environment: names like others', async (t) => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
  const lines = names.map((name) => `${name}=polluted\n`).join('');
  const yaml = `x-y: { __proto__: { command: "false" } }
services:
  constructor: { command: "true", env_file: a.env, environment: { __proto__: polluted, constructor: polluted } }
  tostring: { command: "true", depends_on: { constructor: { condition: service_started } } }
`;
  const directory = scratchDir(t, { 'tandem.yaml': yaml, '.env': lines, 'a.env': lines });
  const environment = Object.fromEntries(names.map((name) => [name, 'polluted']));
  const { status, stdout, stderr } = check(directory, { ...environment, ['__proto__']: 'polluted' });
  t.equal(status, 0, stderr);
  t.match(stdout, /^order +constructor, tostring$/m);
  t.match(stdout, /^ +inherits .*constructor/m);
  for (const key of names.slice(0, 3)) {
    writeFileSync(join(directory, 'tandem.yaml'), `services: { a: { command: "true", ${key}: 1 } }\n${key}: 1\n`);
    const refused = check(directory);
    t.equal(refused.status, 78);
    t.equal(refused.stderr.match(/unknown key/g)?.length, 2);
  }
});
