/** Broken files: each message names the place, the key and the remedy; several are told at once, and no secret is shown. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { serviceKeys } from '../../../src/config/stack/keys.ts';
import { refusedServiceKeys, refusedTopKeys } from '../../../src/config/stack/refused.ts';
import { scratchDir } from '../fixture.ts';
import { complaintsOf } from './fixture.ts';

/** What is said of one file: line:column, the key, the remedy. */
type Cell = readonly [text: string, place: string, key: string, remedy: string];

/** A service `a` with a command in line 3 and these keys from line 4, column 5, on. */
const a = (keys: string, rest = '') => `services:\n  a:\n    command: x\n${keys.replace(/^/gm, '    ')}\n${rest}`;

const syntax: readonly Cell[] = [
  ['', '1:1', 'the file is empty', 'a map with "services"'],
  ['# nothing\n', '1:1', 'the file is empty', 'a map with "services"'],
  ['- a\n', '1:1', 'a list is not accepted', 'a map with "services"'],
  ['just text', '1:1', 'a text is not accepted', 'a map with "services"'],
  ['services:\n\ta: 1', '2:1', 'a tab is used', 'accepted: spaces'],
  ['services:\n  a: {command: x}\n  a: {command: y}', '3:3', '"a" is there twice, first in line 2', 'each key once'],
  ['services: {a: {command: x, command: y}}', '1:28', '"command" is there twice', 'each key once'],
  ['{"services": {"a": {"command": "x"}, "a": {"command": "x"}}}', '1:38', '"a" is there twice', 'each key once'],
  ['services: *none', '1:11', 'no anchor &none', 'before it'],
  ['services: &s {a: *s}', '1:18', 'an alias inside what it stands for', 'no cycles'],
  ['services: {a: {command: x}', '1:27', 'not valid YAML', ''],
  ['services: "a', '1:13', 'not valid YAML', 'quote'],
  ['a: b: c', '1:4', 'a second ": "', 'accepted: quotes'],
  ['a: 1\n---\nb: 2', '2:1', 'a second document', 'one document a file'],
  ['services: !x {}', '1:11', 'a tag', 'values without tags'],
  ['services: {[a]: 1}', '1:12', 'a key that is no text', 'a word before the colon'],
  ['services: {a: {command: "x\\0"}}', '1:25', 'a NUL character', 'text without it'],
  ['services: {a: {<<: text, command: x}}', '1:16', '<< merges maps', '*NAME of a map'],
  [`a: ${'['.repeat(5_000)}`, '1:1', 'nested too deeply', 'at most 100 levels'],
  [`${'- '.repeat(5_000)}x`, '1:1', 'nested too deeply', 'at most 100 levels'],
  [
    Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    '100:',
    'nested too deeply',
    'at most 100 levels',
  ],
  [`${'#'.repeat(1024 * 1024)}\n`, '1:1', '1048577 bytes are too many', 'at most 1048576'],
];

const keysAtTop: readonly Cell[] = [
  ['name: x', '1:1', '"services" is missing', 'accepted: a map of services'],
  ['services: {}', '1:1', 'services: there is none', 'at least one'],
  ['services: []', '1:1', 'services: a list is not accepted', 'a map of services'],
  ['services:', '1:1', 'services: nothing is not accepted', 'a map of services'],
  ['services: {a: {command: x}}\nwait_fro: x', '2:1', 'wait_fro: unknown key', 'did you mean "wait_for"'],
  [
    'services: {a: {command: x}}\nweb: {command: y}',
    '2:1',
    'web: unknown key; it looks like a service',
    'accepted below "services"',
  ],
  ['services: {a: {command: x}}\nvolumes: {d: }', '2:1', 'volumes: is not accepted', 'preflight.directories'],
  ['services: {A: {command: x}}', '1:12', 'services.A: is no name', 'lower-case letters'],
  ['services: {"a b": {command: x}}', '1:12', 'services."a b": is no name', 'lower-case letters'],
  ['services: {__proto__: {command: x}}', '1:12', 'services.__proto__: is no name', 'lower-case letters'],
  ['services: {a: }', '1:12', 'services.a: nothing is not accepted', 'a map with command'],
  ['services: {a: x}', '1:12', 'services.a: "x" is not accepted', 'a map with command'],
  ['services: {a: {}}', '1:12', 'services.a: "command" is missing', 'a list of words'],
  ['services: {a: {command: x}}\nwait_for: [db]', '2:1', 'wait_for: URL number 1', 'postgres://'],
  ['services: {a: {command: x}}\nwait_for: {timeout: 5}', '2:1', 'wait_for: "urls" is missing', 'a list of URLs'],
  ['services: {a: {command: x}}\npreflight: {envs: [A]}', '2:13', 'preflight.envs: unknown key', 'did you mean "env"'],
  ['services: {a: {command: x}}\npreflight: {env: A}', '2:13', 'preflight.env: "A" is not accepted', 'a list of names'],
  [
    'services: {a: {command: x}}\npreflight: {files: [{path: x, format: xml}]}',
    '2:31',
    'preflight.files[0].format: "xml"',
    'json, yaml',
  ],
  [
    'services: {a: {command: x}}\npreflight: {directories: [{path: x, mode: 999}]}',
    '2:37',
    'preflight.directories[0].mode: "999"',
    '0750',
  ],
  [
    'services: {a: {command: x}}\npreflight: {directories: [{create: true}]}',
    '2:27',
    'preflight.directories[0]: "path" is missing',
    'a path',
  ],
];

const keysOfServices: readonly Cell[] = [
  [a('comand: y'), '4:5', 'services.a.comand: unknown key', 'did you mean "command"'],
  [a('zzzzzz: y'), '4:5', 'services.a.zzzzzz: unknown key', 'accepted: command, entrypoint'],
  [a('image: nginx'), '4:5', 'services.a.image: is not accepted', 'name it in command'],
  [a('ports: ["80:80"]'), '4:5', 'services.a.ports: is not accepted', 'ready.port'],
  [a('secrets: [x]'), '4:5', 'services.a.secrets: is not accepted', 'NAME_FILE'],
  [
    'services: {a: {command: "x \'y"}}',
    '1:16',
    'services.a.command: "x \'y"',
    'single quote at character 3 is never closed',
  ],
  ['services: {a: {command: {x: y}}}', '1:16', 'services.a.command: a map', 'a list of words'],
  ['services: {a: {command: ""}}', '1:16', 'services.a.command: there is no program', 'a command line'],
  ['services: {a: {command: ["", x]}}', '1:16', 'services.a.command: there is no program', 'a command line'],
  [a('restart: alwas'), '4:5', 'services.a.restart: "alwas"', 'did you mean "always"'],
  [a('restart: always:3'), '4:5', 'services.a.restart: "always:3"', 'on-failure:N'],
  [a('restart: {max_restarts: 3}'), '4:5', 'services.a.restart: "condition" is missing', 'on-failure'],
  [a('restart: {condition: on-fail}'), '4:15', 'services.a.restart.condition: "on-fail"', 'on-failure'],
  [a('stop_signal: SIGFOO'), '4:5', 'services.a.stop_signal: "SIGFOO"', 'SIGTERM, TERM or 15'],
  [a('stop_grace_period: soon'), '4:5', 'services.a.stop_grace_period: "soon"', '1m30s'],
  [a('stop_grace_period: 0'), '4:5', 'services.a.stop_grace_period: "0"', 'more than 0'],
  [a('essential: perhaps'), '4:5', 'services.a.essential: "perhaps"', 'true or false'],
  [a('type: job'), '4:5', 'services.a.type: "job"', 'service, oneshot'],
  [a('user: nobody-knows'), '4:5', 'services.a.user: "nobody-knows"', 'there is no user'],
  [a('user: "1:2:3"'), '4:5', 'services.a.user: "1:2:3"', 'uid:gid'],
  [a('user: "1:nobody-knows"'), '4:5', 'services.a.user: "1:nobody-knows"', 'there is no group'],
  [a('group_add: [1]'), '4:5', 'services.a.group_add: there is no user', 'with user'],
  [a('environment: x'), '4:5', 'services.a.environment', 'a list of NAME=value'],
  [a('environment: {A: [1]}'), '4:19', 'services.a.environment.A: a list', 'a text, a number'],
  [a('env_file: none.env'), '4:5', 'services.a.env_file: "/nowhere/none.env" does not exist', 'required: false'],
  [
    a('env_file: [{path: x, reqired: no}]'),
    '4:26',
    'services.a.env_file[0].reqired: unknown key',
    'did you mean "required"',
  ],
  [a('env_file: [{path: x, format: shell}]'), '4:26', 'services.a.env_file[0].format: "shell"', 'dotenv, raw'],
  [a('profiles: db'), '4:5', 'services.a.profiles: "db"', 'a list of names'],
  [a('forward_signals: [HUB]'), '4:23', 'services.a.forward_signals[0]: "HUB"', 'SIGTERM, TERM or 15'],
  [a('inherit_environment: maybe'), '4:5', 'services.a.inherit_environment: "maybe"', 'true or false'],
  [
    a('inherit_environment: {except: [], only: [A]}'),
    '4:39',
    'services.a.inherit_environment.only: unknown key',
    'except',
  ],
];

const readiness: readonly Cell[] = [
  [a('healthcheck: {}'), '4:5', 'services.a.healthcheck: it asks nothing', 'one of test, http'],
  [
    a('healthcheck: {test: [CURL, x]}'),
    '4:19',
    'services.a.healthcheck.test: a list that begins with "CURL"',
    '[CMD, PROGRAM, …]',
  ],
  [a('healthcheck: {test: [CMD]}'), '4:19', 'services.a.healthcheck.test', '[CMD, PROGRAM, …]'],
  [
    a('healthcheck: {test: x, http: "http://h"}'),
    '4:28',
    'services.a.healthcheck.http: there is "test", too',
    'one of',
  ],
  [a('healthcheck: {http: /h}'), '4:19', 'services.a.healthcheck.http: it is a path', 'with ready.port'],
  [a('healthcheck: {http: "ftp://h"}'), '4:19', 'services.a.healthcheck.http: "ftp://h"', 'an http or https URL'],
  [
    a('healthcheck: {http: {url: "http://h", status: 99}}'),
    '4:43',
    'services.a.healthcheck.http.status: "99"',
    '100 to 599',
  ],
  [a('healthcheck: {tcp: host}'), '4:19', 'services.a.healthcheck.tcp: "host"', 'HOST:PORT'],
  [
    a('healthcheck: {postgres: "redis://h"}'),
    '4:19',
    'services.a.healthcheck.postgres: "redis://h"',
    'a postgres:// URL',
  ],
  [a('healthcheck: {redis: h}'), '4:19', 'services.a.healthcheck.redis: "h"', 'redis:// or rediss://'],
  [
    a('healthcheck: {test: x, intervall: 1}'),
    '4:28',
    'services.a.healthcheck.intervall: unknown key',
    'did you mean "interval"',
  ],
  [a('healthcheck: {test: x, retries: 0}'), '4:28', 'services.a.healthcheck.retries: "0"', '1 to 1000000'],
  [a('healthcheck: {test: x, interval: 5x}'), '4:28', 'services.a.healthcheck.interval: "5x"', 'more than 0'],
  [a('ready: 0'), '4:5', 'services.a.ready: "0"', 'a whole number, 1 to 65535'],
  [a('ready: {prot: 80}'), '4:13', 'services.a.ready.prot: unknown key', 'did you mean "port"'],
  [a('ready: {host: h}'), '4:13', 'services.a.ready.host: it is the host of a port', 'with port'],
  [a('ready: {timeout: 5}'), '4:5', 'services.a.ready: there is nothing to wait for', 'with a healthcheck'],
  [a('liveness: {interval: 5}'), '4:5', 'services.a.liveness: it asks nothing', 'one of test, http'],
  [a('external: true'), '4:5', 'services.a.external: nothing says when', 'with healthcheck'],
];

const dependencies: readonly Cell[] = [
  [a('depends_on: [b]'), '4:18', 'services.a.depends_on[0]: there is no service "b"', 'accepted: a'],
  [
    a('depends_on: [wbe]', '  web: {command: y}'),
    '4:18',
    'services.a.depends_on[0]: there is no service "wbe"',
    'did you mean "web"',
  ],
  [
    a('depends_on: {b: {}}', '  b: {command: y}'),
    '4:18',
    'services.a.depends_on.b: "condition" is missing',
    'service_started',
  ],
  [
    a('depends_on: {b: {condition: healthy}}', '  b: {command: y}'),
    '4:22',
    'services.a.depends_on.b.condition: "healthy"',
    'service_healthy',
  ],
  [
    a('depends_on: {b: {condition: service_healthy}}', '  b: {command: y}'),
    '4:18',
    'services.a.depends_on.b: nothing says when "b" is healthy',
    'with healthcheck or ready',
  ],
  [
    a('depends_on: {b: {condition: service_healthy}}', '  b: {command: y, healthcheck: {disable: yes}}'),
    '4:18',
    'services.a.depends_on.b',
    'with healthcheck or ready',
  ],
  [
    a('depends_on: {b: {condition: service_completed_successfully}}', '  b: {command: y, type: service}'),
    '4:18',
    'services.a.depends_on.b: "b" is of type service',
    'type: oneshot',
  ],
  [
    a('depends_on: {b: {condition: service_started, restart: true}}', '  b: {command: y}'),
    '4:18',
    'services.a.depends_on.b: restart: true',
    'accepted: false',
  ],
  [
    a('depends_on: [b]', '  b: {command: y, profiles: [db]}'),
    '4:18',
    'services.a.depends_on[0]: "b" is not active',
    '--profile db',
  ],
  [a('depends_on: [a]'), '4:5', 'services.a.depends_on: it depends on itself: a -> a', 'no cycles'],
  [
    a('depends_on: [b]', '  b: {command: y, depends_on: [a]}'),
    '4:5',
    'services.a.depends_on: it depends on itself: a -> b -> a',
    'no cycles',
  ],
];

const interpolation: readonly Cell[] = [
  [
    a('working_dir: ${NONE:?set it}'),
    '4:5',
    'services.a.working_dir: the variable NONE is not set: set it',
    'in the environment or in .env',
  ],
  [a('working_dir: $1'), '4:5', 'services.a.working_dir: a "$" that begins no variable', '$$ for a $ itself'],
  [a('working_dir: ${NONE'), '4:5', 'services.a.working_dir: a "$" that begins no variable', '$$ for a $ itself'],
  [a('stop_grace_period: ${WORD}'), '4:5', 'services.a.stop_grace_period: "word"', '1m30s'],
];

const around = { environment: { WORD: 'word', DB_PASSWORD: 'hunter2' } };

for (const [title, cells] of Object.entries({
  syntax,
  keysAtTop,
  keysOfServices,
  readiness,
  dependencies,
  interpolation,
})) {
  t.test(`B20 a broken file is refused with place, key and remedy: ${title}`, async (t) => {
    for (const [text, place, key, remedy] of cells) {
      const complaints = await complaintsOf(text, around);
      const name = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
      t.equal(complaints.length, 1, `${name} has one mistake: ${complaints.join('\n')}`);
      const [complaint = ''] = complaints;
      t.ok(complaint.startsWith(`tandem.yaml:${place}`), `${name} at ${place}: ${complaint}`);
      t.ok(complaint.includes(key) && complaint.includes(remedy), `${name}: ${complaint}`);
    }
  });
}

t.test('there are more than a hundred of them', async (t) => {
  t.ok([syntax, keysAtTop, keysOfServices, readiness, dependencies, interpolation].flat().length > 100);
});

t.test('every key of Compose that means nothing here is refused by name, with a reason', async (t) => {
  for (const key of Object.keys(refusedServiceKeys)) {
    const [complaint, ...others] = await complaintsOf(a(`${key}: x`));
    t.ok(complaint?.startsWith(`tandem.yaml:4:5: services.a.${key}: is not accepted: `), `${key}: ${complaint}`);
    t.same(others, []);
    t.notOk(Object.hasOwn(serviceKeys, key), `${key} is either accepted or refused`);
  }
  for (const key of Object.keys(refusedTopKeys)) {
    t.match(await complaintsOf(`services: {a: {command: x}}\n${key}: {}`), [
      `tandem.yaml:2:1: ${key}: is not accepted: `,
    ]);
  }
});

t.test('all that is wrong is told at once, in the order of the file', async (t) => {
  const text = `
name: []
services:
  a:
    image: x
    restart: x
    healthcheck: {test: x, retries: x, wrong: 1}
    env_file: none.env
  b:
    command: y
    depends_on: [c]
    stop_signal: x
volumes: {}
`;
  const places = (await complaintsOf(text)).map((complaint) => complaint.split(': ').slice(0, 2).join(' '));
  t.same(places, [
    'tandem.yaml:2:1 name',
    'tandem.yaml:4:3 services.a',
    'tandem.yaml:5:5 services.a.image',
    'tandem.yaml:6:5 services.a.restart',
    'tandem.yaml:7:28 services.a.healthcheck.retries',
    'tandem.yaml:7:40 services.a.healthcheck.wrong',
    'tandem.yaml:8:5 services.a.env_file',
    'tandem.yaml:11:18 services.b.depends_on[0]',
    'tandem.yaml:12:5 services.b.stop_signal',
    'tandem.yaml:13:1 volumes',
  ]);
});

t.test('what is wrong in a shared part is told once, where it stands', async (t) => {
  const text = 'x-c: &c {restart: never}\nservices: {a: {<<: *c, command: x}, b: {<<: *c, command: y}}';
  t.match(await complaintsOf(text), [/^tandem\.yaml:1:10: .*"never" is not accepted/]);
});

t.test('B53 no secret is shown', async (t) => {
  const texts = [
    a('environment: {A: [hunter2]}\nstop_grace_period: ${DB_PASSWORD}'),
    a('healthcheck: {postgres: "mysql://u:hunter2@h/"}'),
    a('healthcheck: {http: "ftp://u:hunter2@h/"}'),
    'services: {a: {command: "x --password hunter2 \'"}}',
    'services: {a: {command: x}}\nwait_for: ["mysql://u:hunter2@h"]',
    'services:\n  a:\n    environment:\n      PASSWORD: x\n    hunter2',
    'a: |x hunter2\n',
    'a: "b" hunter2',
    a('environment: "PASSWORD=hunter2"'),
    a('environment: ["=hunter2"]'),
    a('ready: {port: ${DB_PASSWORD}}'),
    a('healthcheck: {http: "/health?x=${DB_PASSWORD}"}'),
  ];
  for (const text of texts) {
    const complaints = await complaintsOf(text, around);
    t.ok(complaints.length > 0, text);
    t.notMatch(complaints.join('\n'), 'hunter2', text);
  }
});

t.test('a file that is not UTF-8, and one with a byte order mark', async (t) => {
  t.match(await complaintsOf(Buffer.from([0x61, 0xff])), [/^tandem\.yaml:1:1: the file is not UTF-8/]);
  t.match(await complaintsOf(Buffer.from('\uFEFFservices: {}', 'utf16le')), [/not UTF-8/]);
  t.same(await complaintsOf('\uFEFFservices: {a: {command: x}}'), []);
});

t.test('aliases that unfold without end are refused at once', async (t) => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 12; level += 1) {
    lines.push(
      `a${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  }
  const startedAt = performance.now();
  t.match(await complaintsOf(`${lines.join('\n')}\nservices: *a11`), [
    /more than 200000 values once aliases are unfolded/,
  ]);
  t.ok(performance.now() - startedAt < 5_000);
});

t.test('files beside it that cannot be read are told of', async (t) => {
  const directory = scratchDir(t);
  mkdirSync(join(directory, '.env'));
  t.match(await complaintsOf('services: {a: {command: x, env_file: .}}', { directory }), [
    /\.env: is no file/,
    /env_file: ".*" is no file/,
  ]);
});
