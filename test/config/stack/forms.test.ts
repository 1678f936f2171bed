/** Every short form says the same as its long one. */
import t from 'tap';
import { defaultTiming, noRestart } from '../../../src/core/spec.ts';
import { scratchDir } from '../fixture.ts';
import { type Around, parse, read, specIn } from './fixture.ts';

/** A service `a` with these keys, and what else the file has. */
const withKeys = (keys: string, rest = '') => `services:\n  a:\n${indent(keys)}\n${rest}`;
const indent = (text: string) => text.replace(/^/gm, '    ');

const forms: Readonly<Record<string, readonly string[]>> = {
  'a command is words, split or listed': [
    `command: node server.js "a b" '$$x'`,
    `command: [node, server.js, a b, $$x]`,
    `command:\n- node\n- server.js\n- "a b"\n- $$x`,
    `entrypoint: node\ncommand: server.js 'a b' '$$x'`,
    `entrypoint: [node, server.js]\ncommand: [a b, $$x]`,
    `entrypoint: [node, server.js, a b, $$x]\ncommand: []`,
  ],
  'variables are a map or a list, numbers as they are written': [
    'command: x\nenvironment: {A: 1.10, B: "", C: true, D: 010, E: }',
    'command: x\nenvironment: [A=1.10, B=, C=true, D=010, E]',
    'command: x\nenvironment:\n  A: "1.10"\n  B: ""\n  C: "true"\n  D: "010"',
  ],
  'durations are seconds, or have units': [
    'command: x\nstop_grace_period: 90',
    'command: x\nstop_grace_period: "90"',
    'command: x\nstop_grace_period: 90s',
    'command: x\nstop_grace_period: 1m30s',
    'command: x\nstop_grace_period: 1.5m',
    'command: x\nstop_grace_period: 90000ms',
  ],
  'a test is a text for a shell or a list': [
    'command: x\nhealthcheck: {test: "curl -f http://localhost || exit 1"}',
    'command: x\nhealthcheck: {test: [CMD-SHELL, "curl -f http://localhost || exit 1"]}',
    'command: x\nhealthcheck: {test: [CMD, /bin/sh, -c, "curl -f http://localhost || exit 1"]}',
  ],
  'no healthcheck, in four words': [
    'command: x',
    'command: x\nhealthcheck: {disable: true}',
    'command: x\nhealthcheck: {test: NONE, disable: "yes"}',
    'command: x\nhealthcheck: {test: [NONE]}',
  ],
  'the HTTP question is a URL or a map': [
    'command: x\nhealthcheck: {http: "http://localhost:80/h"}\nready: {port: 80}',
    'command: x\nhealthcheck: {http: /h}\nready: 80',
    'command: x\nhealthcheck: {http: {url: /h}}\nready: "80"',
    'command: x\nhealthcheck: {http: {url: "http://localhost:80/h"}}\nready: {port: 80, host: localhost, settle: 0}',
  ],
  'an address is a port or host and port': [
    'command: x\nhealthcheck: {tcp: 80}',
    'command: x\nhealthcheck: {tcp: "80"}',
    'command: x\nhealthcheck: {tcp: "localhost:80"}',
  ],
  'a signal has three names': [
    'command: x\nstop_signal: SIGINT\nforward_signals: [SIGHUP]',
    'command: x\nstop_signal: INT\nforward_signals: [hup]',
    'command: x\nstop_signal: 2\nforward_signals: ["1"]',
  ],
  'restart is a word or a map': [
    'command: x\nrestart: on-failure:3',
    'command: x\nrestart: {condition: on-failure, max_restarts: 3}',
    'command: x\nrestart: {condition: on-failure, max_restarts: 3, delay: 100ms, max_delay: 10, window: 1m, reset_after: 10s}',
  ],
  'unless-stopped is always': [
    'command: x\nrestart: always',
    'command: x\nrestart: unless-stopped',
    'command: x\nrestart: {condition: unless-stopped}',
  ],
  'what is the default may be said': [
    'command: x',
    'command: x\nrestart: "no"\nessential: true\ntype: service\nstop_signal: SIGTERM\nforward_signals: []\ndepends_on: []',
    'command: x\nrestart: no\nessential: on\ndepends_on: {}\nworking_dir: .\ninherit_environment: true\nenvironment: []',
    'command: x\nx-note: {anything: [1, 2]}\nno_new_privileges: false\nexternal: false\nprofiles: []',
  ],
  'the environment is inherited as a whole or by name': [
    'command: x\ninherit_environment: [PATH]',
    'command: x\ninherit_environment: {except: [HOME]}',
    'command: x\ninherit_environment: false\nenvironment: [PATH]',
    'command: x\ninherit_environment: no\nenvironment: {PATH: "${PATH}"}',
  ],
};

const around: Around = { environment: { PATH: '/bin', HOME: '/root', TANDEM_OUTPUT: 'raw' } };

for (const [name, texts] of Object.entries(forms)) {
  t.test(name, async (t) => {
    const [first = '', ...others] = texts;
    const expected = await specIn(withKeys(first), around);
    for (const other of others) t.same(await specIn(withKeys(other), around), expected, other);
  });
}

t.test('dependencies are a list or a map', async (t) => {
  const rest = '  b: {command: y}\n  c: {command: z}';
  const short = await specIn(withKeys('command: x\ndepends_on: [b, c]', rest));
  const long =
    'depends_on: {b: {condition: service_started}, c: {condition: service_started, required: true, restart: false}}';
  t.same(await specIn(withKeys(`command: x\n${long}`, rest)), short);
  t.same(short.dependsOn, { b: 'started', c: 'started' });
});

t.test('env files are a path, a list of paths or of maps; later ones win, and environment beats them', async (t) => {
  const directory = scratchDir(t, {
    'one.env': 'A=1\nB="two # words"\nC=$$x\n',
    'two.env': 'A=2\n',
    'raw.env': 'R="q"\n',
  });
  const expected = { A: '2', B: 'set', C: '$$x', R: '"q"' };
  const long =
    'env_file: [one.env, {path: ./two.env}, {path: raw.env, format: raw}, {path: none.env, required: false}]';
  const spec = await specIn(withKeys(`command: x\n${long}\nenvironment: {B: set}`), { directory });
  t.same(spec.process.environment, expected);
  const one = await specIn(withKeys('command: x\nenv_file: one.env'), { directory });
  t.same(await specIn(withKeys('command: x\nenv_file: [{path: one.env}]'), { directory }), one);
  t.equal(one.process.environment['B'], 'two # words');
});

t.test("B13 log_format is the service's own; without it, the run's", async (t) => {
  for (const output of ['raw', 'prefix', 'json'] as const) {
    t.equal((await specIn(withKeys(`command: x\nlog_format: ${output}`))).output, output);
  }
  t.notOk('output' in (await specIn(withKeys('command: x'))));
});

t.test('JSON is read as well, tabs and all', async (t) => {
  const text = JSON.stringify({ services: { a: { command: ['x'], stop_grace_period: 5 } } }, undefined, '\t');
  t.same(await specIn(text), await specIn(withKeys('command: [x]\nstop_grace_period: 5s')));
});

t.test('anchors and merge keys: explicit keys win, then earlier sources', async (t) => {
  const text = `
x-common: &common {restart: always, stop_signal: INT, essential: no}
x-other: &other {stop_signal: HUP, stop_grace_period: 3s}
services:
  a:
    <<: [*common, *other]
    command: x
    essential: yes
  b: {<<: *common, command: y}
`;
  const { specs } = await parse(text);
  const [a, b] = specs;
  t.match(a, { essential: true, stopSignal: 'SIGINT', stopGraceMs: 3_000, restart: { condition: 'always' } });
  t.match(b, { essential: false, stopSignal: 'SIGINT', process: { command: ['y'] } });
});

t.test('a minimal service has tandem’s defaults', async (t) => {
  t.same(await specIn('services: {a: {command: x}}', { environment: { PATH: '/bin', TANDEM_X: '1' } }), {
    name: 'a',
    type: 'service',
    process: { command: ['x'], cwd: '/nowhere', environment: { PATH: '/bin' }, attachment: 'service' },
    dependsOn: {},
    restart: noRestart,
    essential: true,
    stopSignal: 'SIGTERM',
    forwardSignals: [],
  });
});

t.test('a healthcheck has tandem’s timing where it does not say otherwise', async (t) => {
  const timing = async (keys: string) =>
    (await specIn(withKeys(`command: x\nhealthcheck: {tcp: 80, ${keys}}`))).readiness;
  t.match(await timing(''), { timing: defaultTiming, startTimeoutMs: 60_000 });
  t.match(await timing('interval: 1s'), { timing: { intervalMs: 1_000, timeoutMs: 1_000 } });
  t.match(await timing('interval: 5s, timeout: 10s'), { timing: { intervalMs: 5_000, timeoutMs: 10_000 } });
  t.match(await timing('interval: 30s, timeout: 30s, retries: 3, start_period: 10s'), { startTimeoutMs: 190_000 });
  t.match(await timing('start_interval: 2s'), { timing: { startIntervalMs: 2_000 } });
});

t.test('who is waited for until completed is a oneshot, unless it says otherwise', async (t) => {
  const needs = 'depends_on: {b: {condition: service_completed_successfully}}';
  t.equal((await specIn(withKeys(`command: x\n${needs}`, '  b: {command: migrate}'), {}, 'b')).type, 'oneshot');
  t.equal((await specIn(withKeys(`command: x`, '  b: {command: migrate, type: oneshot}'), {}, 'b')).type, 'oneshot');
});

t.test('profiles: a service without is always active, another with one of its own', async (t) => {
  const text = 'services: {a: {command: x}, b: {command: y, profiles: [db, all]}, c: {command: z, profiles: [web]}}';
  const names = async (...profiles: string[]) => (await parse(text, { profiles })).specs.map(({ name }) => name);
  t.same(await names(), ['a']);
  t.same(await names('db'), ['a', 'b']);
  t.same(await names('all', 'web'), ['a', 'b', 'c']);
  t.same(await names('*'), ['a', 'b', 'c']);
  t.match((await parse(text, { profiles: ['weg'] })).remarks, [
    { level: 'warn', facts: { profile: 'weg', meant: 'web' } },
  ]);
});

t.test('a dependency that is not required may be missing or not active, and may fail', async (t) => {
  const needs =
    'depends_on: {b: {condition: service_healthy, required: false}, n: {condition: service_started, required: false}}';
  const text = withKeys(`command: x\n${needs}`, '  b: {command: y, profiles: [db], healthcheck: {tcp: 1}}');
  t.same((await specIn(text)).dependsOn, {});
  t.notOk((await specIn(text)).optionalDependencies);
  t.match(await specIn(text, { profiles: ['db'] }), { dependsOn: { b: 'ready' }, optionalDependencies: ['b'] });
});

t.test('HUP and USR1 are forwarded to gunicorn unless something else is said', async (t) => {
  const forwarded = async (keys: string) => (await specIn(withKeys(keys))).forwardSignals;
  t.same(await forwarded('command: .venv/bin/gunicorn app:app'), ['SIGHUP', 'SIGUSR1']);
  t.same(await forwarded('command: app:app\nentrypoint: [python, -m, gunicorn]'), ['SIGHUP', 'SIGUSR1']);
  t.same(await forwarded('command: gunicorn app:app\nforward_signals: []'), []);
  t.same(await forwarded('command: gunicorn app:app\nforward_signals: [WINCH]'), ['SIGWINCH']);
  t.same(await forwarded('command: node gunicorn'), []);
});

t.test('users by name and number, with Docker’s rules for groups', async (t) => {
  const etc = scratchDir(t, {
    passwd: 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/app:/bin/sh\n',
    group: 'root:x:0:\napp:x:1001:\nmedia:x:44:app,other\ndocker:x:999:\n',
  });
  const user = async (keys: string) => (await specIn(withKeys(`command: x\n${keys}`), { etc })).process.user;
  t.same(await user('user: app'), { uid: 1000, gid: 1001, groups: [1001, 44] });
  t.same(await user('user: 1000'), { uid: 1000, gid: 1001, groups: [1001, 44] });
  t.same(await user('user: app:docker'), { uid: 1000, gid: 999, groups: [999] });
  t.same(await user('user: "1000:1000"'), { uid: 1000, gid: 1000, groups: [1000] });
  t.same(await user('user: 4242'), { uid: 4242, gid: 0, groups: [0] });
  t.same(await user('user: app\ngroup_add: [docker, 7]'), { uid: 1000, gid: 1001, groups: [1001, 44, 999, 7] });
});

const homes = { passwd: 'app:x:1000:1001::/home/app:/bin/sh\n', group: 'logs:x:44:\n' };

t.test('B23 a service with a user is in the home of that one, unless it says another', async (t) => {
  const [etc, directory] = [scratchDir(t, homes), scratchDir(t, { 'home.env': 'HOME=/from/file' })];
  const environment = { HOME: '/root', PATH: '/bin' };
  const home = async (keys: string, more: Around = {}) => {
    const { process } = await specIn(withKeys(`command: x\n${keys}`), { environment, etc, directory, ...more });
    return process.environment['HOME'];
  };
  t.equal(await home(''), '/root');
  t.equal(await home('user: app'), '/home/app');
  t.equal(await home('user: app', { environment: {} }), '/home/app', 'also where tandem has none');
  t.equal(await home('user: "7:7"'), '/', 'a user without an account');
  t.equal(await home('user: app\nenvironment: {HOME: /data}'), '/data');
  t.equal(await home('user: app\nenv_file: home.env'), '/from/file');
  for (const rule of ['false', '[PATH]', '{except: [HOME]}']) {
    t.equal(await home(`user: app\ninherit_environment: ${rule}`), undefined, 'what is not inherited stays away');
  }
  const user = { identity: { uid: 5, gid: 6, groups: [6] }, home: '/five' };
  t.equal(await home('', { user }), '/five');
  t.equal(await home('user: app', { user }), '/home/app');
});

t.test('B23 TANDEM_USER is who services are that name no user; directories are theirs if all are one', async (t) => {
  const etc = scratchDir(t, homes);
  const user = { identity: { uid: 5, gid: 6, groups: [6] }, home: '/five' };
  const text = (a: string, b: string) =>
    `services: {a: {command: x${a}}, b: {command: x${b}}, c: {external: true, healthcheck: {tcp: 1}}, d: {skip: y}}`;
  const users = async (a: string, b: string, more: Around) => {
    const { stack, user: common } = await read(text(a, b), { etc, ...more });
    return [...(stack?.specs.map(({ process }) => process.user?.uid) ?? []).slice(0, 3), common?.uid];
  };
  t.same(await users('', '', {}), [undefined, undefined, undefined, undefined]);
  t.same(await users('', ', user: app', {}), [undefined, 1000, undefined, undefined]);
  t.same(await users('', ', user: app', { user }), [5, 1000, undefined, undefined]);
  t.same(await users(', user: app', ', user: app', {}), [1000, 1000, undefined, 1000]);
  t.same(await users('', '', { user }), [5, 5, undefined, 5]);
});

t.test('B23 a user that tandem cannot become is refused with place and remedy', async (t) => {
  const etc = scratchDir(t, homes);
  const all = ['CAP_SETUID', 'CAP_SETGID', 'CAP_KILL'];
  const complaints = async (keys: string, self: NonNullable<Around['self']>) =>
    (await read(withKeys(`command: x\n${keys}`), { etc, self })).problems.map(
      ({ subject, message }) => `${subject}: ${message}`,
    );
  const root = { uid: 0, gid: 0, groups: [0], missingCapabilities: [] };
  const bare = { ...root, missingCapabilities: all };
  const app = { uid: 1000, gid: 1001, groups: [1001], missingCapabilities: all };
  t.same(await complaints('user: app', root), []);
  t.match(await complaints('user: app', bare), [
    'tandem.yaml:4:5: services.a.user: cannot be run as "app" without CAP_SETUID, CAP_SETGID, CAP_KILL; add them, or',
  ]);
  t.match(await complaints('user: "7"', app), [
    'tandem.yaml:4:5: services.a.user: cannot be run as "7" without root (tandem is uid 1000); start tandem as root, or',
  ]);
  for (const user of ['app', '"1000:1001"']) t.same(await complaints(`user: ${user}`, app), [], 'itself');
  t.same(await complaints('user: "0:0"', bare), []);
  t.same(await complaints('user: "7"\nskip: not here', app), [], 'what is not run is nobody');
  t.match(await complaints('user: app\ngroup_add: [logs]', app), [
    "tandem.yaml:5:5: services.a.group_add: cannot add 44 without CAP_SETGID; add the groups to tandem's own",
  ]);
});

t.test('databases, addresses and JSON are asked without a process', async (t) => {
  const probe = async (keys: string) => (await specIn(withKeys(`command: x\nhealthcheck: {${keys}}`))).readiness?.probe;
  t.same(await probe('postgres: "postgres://u@db:5433/d"'), {
    kind: 'postgres',
    endpoint: { host: 'db', port: 5433 },
    user: 'u',
    database: 'd',
  });
  t.same(await probe('redis: redis://cache'), { kind: 'redis', endpoint: { host: 'cache', port: 6379 } });
  t.same(await probe('tcp: "[::1]:80"'), { kind: 'tcp', address: { host: '::1', port: 80 } });
  t.same(await probe('mcp: "http://h/mcp"'), { kind: 'mcp', url: 'http://h/mcp' });
  t.same(await probe('http: {url: "http://h/", status: 204, json: {n: 1, t: true, s: "1", l: [{a: ~}], x-y: 2}}'), {
    kind: 'http',
    url: 'http://h/',
    status: 204,
    json: { n: 1, t: true, s: '1', l: [{ a: null }], 'x-y': 2 },
  });
});

t.test('wait_for comes before everything', async (t) => {
  const text = (wait: string) => `services: {a: {command: x}}\nwait_for: ${wait}`;
  const short = await parse(text('tcp://db:5432'));
  t.same(
    short.specs.map(({ name, isExternal }) => [name, isExternal]),
    [
      ['wait-tcp-db-5432', true],
      ['a', undefined],
    ],
  );
  t.same(short.specs[1]?.dependsOn, { 'wait-tcp-db-5432': 'completed' });
  t.same(await parse(text('[tcp://db:5432]')), short);
  t.same(await parse(text('{urls: tcp://db:5432, timeout: 1m}')), short);
  t.equal((await parse(text('{urls: [redis://c], timeout: 5}'))).specs[0]?.readiness?.startTimeoutMs, 5_000);
});

t.test('an external service is waited for, and may be called healthy or completed', async (t) => {
  const text = (condition: string) =>
    `services: {a: {command: x, depends_on: {db: {condition: ${condition}}}}, db: {external: true, healthcheck: {tcp: 5432}}}`;
  for (const condition of ['service_healthy', 'service_completed_successfully']) {
    const { specs } = await parse(text(condition));
    t.match(specs[1], { name: 'db', type: 'oneshot', isExternal: true, readiness: { probe: { kind: 'tcp' } } });
  }
});

t.test('B20 preflight is data with absolute paths, each with its place', async (t) => {
  const etc = t.testdir({ passwd: 'app:x:1000:1001::/:\n', group: '' });
  const text = `
services: {a: {command: x}}
preflight:
  env: [KEY]
  files: [conf.json, {path: /etc/c.yaml, format: yaml}]
  directories: [data, {path: /var/x, owner: app, mode: 0750, create: yes}]
  commands: [psql, bin/tool]
`;
  const owner = { uid: 1000, gid: 1001, groups: [1001] };
  t.same((await read(text, { etc })).requirements, {
    env: [{ subject: 'tandem.yaml:4:9: preflight.env[0]', name: 'KEY' }],
    files: [
      { subject: 'tandem.yaml:5:11: preflight.files[0]', path: '/nowhere/conf.json' },
      { subject: 'tandem.yaml:5:22: preflight.files[1]', path: '/etc/c.yaml', format: 'yaml' },
    ],
    directories: [
      { subject: 'tandem.yaml:6:17: preflight.directories[0]', path: '/nowhere/data', create: false },
      { subject: 'tandem.yaml:6:23: preflight.directories[1]', path: '/var/x', owner, mode: 0o750, create: true },
    ],
    commands: [
      { subject: 'tandem.yaml:7:14: preflight.commands[0]', command: 'psql' },
      { subject: 'tandem.yaml:7:20: preflight.commands[1]', command: '/nowhere/bin/tool' },
    ],
  });
});

t.test('B20 what is broken in preflight hides nothing else of it; a missing variable is told once', async (t) => {
  const text = (files: string) => `services: {a: {command: x}}\npreflight: {env: [KEY], files: ${files}}`;
  const broken = await read(text('[{path: a, format: xml}]'));
  t.match(broken, {
    problems: [{ message: /^preflight.files\[0\].format/ }],
    requirements: { env: [{ name: 'KEY' }] },
  });
  for (const missing of ['["${X:?}/a", b]', '[{path: "${X:?}/a"}, b]']) {
    const { problems, requirements } = await read(text(missing));
    t.match(problems, [{ message: 'the variable X is not set' }]);
    t.match(requirements.files, [{ path: '/nowhere/b' }]);
    t.equal(requirements.files.length, 1);
  }
});

t.test('B20 variables for the file: tandem’s own, below them .env beside it', async (t) => {
  const directory = t.testdir({ '.env': 'A=file\nB=file\nTOKEN=hunter2\n' });
  const around = { directory, environment: { A: '', HOME: '/root' } };
  const text = 'services: {a: {command: x}}\npreflight: {files: ["$TOKEN/x"]}';
  const { variables, secrets } = await read(text, around);
  t.same(variables, { A: '', B: 'file', TOKEN: 'hunter2', HOME: '/root' });
  t.same(secrets, ['hunter2']);
  t.same((await read('services: {a: {command: x}}', around)).secrets, []);
});

t.test('aliases: the nearest anchor before, on keys, too; very many take no time', async (t) => {
  const spec = await specIn(
    'x-a: [&n one, &n two]\nservices: {a: {command: [*n, *k], environment: {&k KEY: *n}}}',
  ).catch(() => undefined);
  t.equal(spec, undefined, 'an anchor behind its alias is none');
  const text = 'x-a: [&n one, &n two, {&k KEY: 1}]\nservices: {a: {command: [*n, *k]}}';
  t.same((await specIn(text)).process.command, ['two', 'KEY']);
  const many = `x-a: [&n x${',*n'.repeat(60_000)}]\nservices: {a: {command: *n}}`;
  t.same((await specIn(many)).process.command, ['x']);
});
